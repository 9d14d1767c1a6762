"""A Gateway that takes up every route that names it."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster.kinds import HTTP_ROUTE

from ..server import ApiServer
from ..storage import Stored
from .base import Controller, with_conditions

Manifest = dict[str, Any]


class Gateways(Controller):
    manager = "gateway-controller"

    def __init__(self, server: ApiServer) -> None:
        super().__init__(server)
        self.foreign = ""
        """An entry of another Gateway that stays in every route's status."""
        self.predecessor = False
        """An entry about the same Gateway, by the implementation that had it before, stays as well."""

    def sync(self) -> None:
        for route in self.living(HTTP_ROUTE):
            self.set_status(route, {"parents": self._parents(route)})

    def _parents(self, route: Stored) -> list[Manifest]:
        meta, now = route.body["metadata"], self.server.clock.stamp()
        common = {"status": "True", "observedGeneration": meta["generation"], "message": ""}
        wanted: list[Manifest] = [
            {"type": "Accepted", "reason": "Accepted", **common},
            {"type": "ResolvedRefs", "reason": "ResolvedRefs", **common},
        ]
        known = (route.body.get("status") or {}).get("parents") or [{}]
        parents = [
            {
                "parentRef": dict(ref),
                "controllerName": "example.net/gateway",
                "conditions": with_conditions({"status": known[0]}, wanted, now),
            }
            for ref in route.body["spec"].get("parentRefs") or ()
        ]
        if self.foreign:
            refused = {
                "type": "Accepted",
                "status": "False",
                "reason": "NoMatchingParent",
                "observedGeneration": 1,
            }
            parents.append(
                {
                    "parentRef": {"name": self.foreign},
                    "controllerName": "example.net/earlier",
                    "conditions": [{**refused, "lastTransitionTime": meta["creationTimestamp"]}],
                }
            )
        if self.predecessor:
            accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "observedGeneration": 1}
            parents += [
                {
                    "parentRef": dict(ref),
                    "controllerName": "example.net/predecessor",
                    "conditions": [{**accepted, "lastTransitionTime": meta["creationTimestamp"]}],
                }
                for ref in route.body["spec"].get("parentRefs") or ()
            ]
        return parents
