"""The garbage collector: what all of whose owners are gone goes as well."""

from __future__ import annotations

from .base import Controller


class GarbageCollector(Controller):
    manager = "generic-garbage-collector"

    def sync(self) -> None:
        stored = list(self.server.storage.every())
        known = {s.uid for s in stored}
        for item in stored:
            refs = item.body["metadata"].get("ownerReferences")
            if refs and not any(r["uid"] in known for r in refs):
                self.delete(item)
