"""Watches with the operator's selector, as kopf delivers them: late, cut and silent as the real ones can be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, OBSERVED, Kind

from .authorization import Rights
from .problems import Problem
from .selectors import by_labels, labels_of
from .server import ApiServer
from .storage import Change, Stored

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """`type` None: from kopf's list at the start of each watch."""

    type: str | None
    kind: Kind
    object: Manifest


class Watch:
    """One kind. `lag`: seconds until a change is delivered. `frozen`: nothing is. `cut`: the connection is gone."""

    def __init__(
        self,
        server: ApiServer,
        kind: Kind,
        selector: str = "",
        namespace: str | None = None,
        rights: Rights | None = None,
    ) -> None:
        self.kind = kind
        self.lag = 0.0
        self.frozen = False
        self.connected = False
        self._server = server
        self._matches = by_labels(selector)
        self._namespace = namespace
        self._rights = rights
        self.position = 0

    def cut(self) -> None:
        """What happens until the next `events` is lost: that begins with a list of what exists."""
        self.connected = False

    def events(self) -> list[Event]:
        """What has come since the last call, in order."""
        if self.frozen:
            return []
        if not self.connected:
            if self._rights is not None and not self._allowed(self._rights):
                return []
            self.connected = True
            self.position = self._server.storage.version
            return [
                Event(None, self.kind, s.read())
                for s in self._server.storage.all(self.kind, self._namespace)
                if self._selected(s)
            ]
        events = []
        horizon = self._server.clock.now - timedelta(seconds=self.lag)
        for change in self._server.storage.changes(self.kind, self.position):
            if change.at > horizon:
                break
            self.position = change.version
            if self._namespace in (None, change.namespace) and (event := self._event(change)):
                events.append(event)
        return events

    def _allowed(self, rights: Rights) -> bool:
        """kopf logs a refusal as an error and tries again."""
        try:
            rights.watch(self.kind, self._namespace)
        except Problem as problem:
            structlog.get_logger().error("Request attempt failed; will retry", error=problem.message)
            return False
        return True

    def _event(self, change: Change) -> Event | None:
        was, now = self._selected(change.before), self._selected(change.after)
        if now and change.after is not None:
            return Event("MODIFIED" if was else "ADDED", self.kind, change.after.read())
        if was and change.before is not None:
            return Event("DELETED", self.kind, change.before.read(change.version))
        return None

    def _selected(self, stored: Stored | None) -> bool:
        return stored is not None and self._matches(labels_of(stored.body))


class Watches:
    """A watch for the resource and one for each observed kind."""

    def __init__(
        self,
        server: ApiServer,
        selector: str,
        kinds: Iterable[Kind] = OBSERVED,
        namespace: str | None = None,
        rights: Rights | None = None,
    ) -> None:
        self._server = server
        self.of = {MARAUDERSMAP: Watch(server, MARAUDERSMAP, "", namespace, rights)}
        self.of |= {kind: Watch(server, kind, selector, namespace, rights) for kind in kinds}

    def events(self) -> list[Event]:
        found = [event for watch in self.of.values() for event in watch.events()]
        slowest = min((w.position for w in self.of.values() if w.connected or w.frozen), default=0)
        self._server.storage.forget(slowest)
        return found

    def cut(self) -> None:
        for watch in self.of.values():
            watch.cut()
