"""The horizontal pod autoscaler."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster.kinds import AUTOSCALER, DEPLOYMENT

from ..server import ApiServer
from ..storage import Stored
from .base import Controller

Manifest = dict[str, Any]


class Autoscaler(Controller):
    timed = True

    def __init__(self, server: ApiServer) -> None:
        super().__init__(server)
        self.wanted: dict[str, int] = {}
        """Pods that the load calls for, by the autoscaler's name."""
        self.conditions: dict[str, list[Manifest]] = {}
        """What the real one would report, by the autoscaler's name; without an entry nothing."""

    def sync(self) -> None:
        for scaler in self.living(AUTOSCALER):
            self._scale(scaler)

    def _scale(self, scaler: Stored) -> None:
        meta, spec = scaler.body["metadata"], scaler.body["spec"]
        target = self.server.storage.get(DEPLOYMENT, meta["namespace"], spec["scaleTargetRef"]["name"])
        if target is None or "deletionTimestamp" in target.body["metadata"]:
            return
        now = int(target.body["spec"]["replicas"])
        if now == 0:
            return  # switched off, as the real one understands it
        size = self.wanted.get(meta["name"], now)
        behavior = spec.get("behavior") or {}
        side = behavior.get("scaleUp" if size > now else "scaleDown") or {}
        if side.get("selectPolicy") == "Disabled":
            size = now
        size = min(max(size, int(spec["minReplicas"])), int(spec["maxReplicas"]))
        if size != now:
            self.server.scale(
                DEPLOYMENT, meta["namespace"], target.body["metadata"]["name"], size, manager=self.manager
            )
        conditions = self.conditions.get(meta["name"])
        status = {"currentReplicas": now, "desiredReplicas": size, "currentMetrics": None}
        self.set_status(scaler, status | ({"conditions": conditions} if conditions else {}))
