"""kopf remembers every object that it ever saw; this operator has a store of its own and needs none of it.

kopf keeps a ResourceMemory per object until it is reported deleted: a memo, an index, throttling and daemons, some 2 KB.
Handlers of `on.event` read none of them. `kopf.operator` takes the container of these records as an argument, so it is given
one that makes a new record for each event and keeps none.
"""

from __future__ import annotations

from typing import Any

from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory


class NoMemories(ResourceMemories):
    async def recall(self, raw_body: Any, **known: Any) -> ResourceMemory:
        known["ephemeral"] = True
        return await super().recall(raw_body, **known)
