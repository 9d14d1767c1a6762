"""Remember: the one place where a status is written.

It is written with the version that it was computed from. When only the spec or the metadata have moved meanwhile, what was
learned is stored all the same; when someone else has written the status, the pass is abandoned and decides again.
"""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster import Cluster, Conflict, Key, Manifest, NotFound, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.resource import MaraudersMapStatus

TRIES = 3


class StatusMoved(Conflict):
    """Someone else has written the status: what this pass has decided rests on another one."""


class StatusWriter:
    """Writes the status of one resource in one pass. `began_with`: the object that the pass has decided on."""

    def __init__(self, cluster: Cluster, store: Store, key: Key, began_with: Manifest) -> None:
        self._cluster = cluster
        self._store = store
        self._key = key
        self._uid = began_with["metadata"]["uid"]
        self._version = str(began_with["metadata"]["resourceVersion"])
        self._stored = began_with.get("status") or {}

    @property
    def stored(self) -> Manifest:
        """The status as it is stored, as far as this pass knows."""
        return self._stored

    async def store(self, status: MaraudersMapStatus) -> bool:
        """True when it had to be written. Raises StatusMoved, NotFound and what else the API server answers."""
        wanted = dump(status)
        if wanted == dump(MaraudersMapStatus.model_validate(self._stored)):
            return False
        for _ in range(TRIES):
            try:
                written = await self._cluster.apply_status(
                    self._key.namespace,
                    self._key.name,
                    self._uid,
                    self._carrying(wanted),
                    version=self._version,
                )
            except Conflict:
                await self._look_again()
                continue
            self._note(written)
            return True
        raise StatusMoved("the resource changes too often to store its status", 409)

    def _carrying(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """With the fields of a newer operator's status, which this one does not know and must not lose."""
        known = {f.alias or n for n, f in MaraudersMapStatus.model_fields.items()}
        return {**{k: v for k, v in self._stored.items() if k not in known}, **wanted}

    async def _look_again(self) -> None:
        """Go on from the newest version if the status in it is the one that this pass began with."""
        live = await self._cluster.get(MARAUDERSMAP, self._key.namespace, self._key.name)
        if live is None or live["metadata"]["uid"] != self._uid:
            raise NotFound("the resource is gone", 404)
        same = live.get("status") or {}
        self._store.confirm(MARAUDERSMAP, live)
        if same != self._stored:
            raise StatusMoved("someone else has written the status", 409)
        self._version = str(live["metadata"]["resourceVersion"])

    def _note(self, written: Manifest) -> None:
        self._store.confirm(MARAUDERSMAP, written)
        self._version = str(written["metadata"]["resourceVersion"])
        self._stored = written.get("status") or {}


def dump(status: MaraudersMapStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
