"""What the store takes for each resource: a fleet is thousands of them, so it may not grow unnoticed."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

from maraudersmap_operator.cluster import Store
from maraudersmap_operator.cluster.kinds import kind_of

# One resource and what belongs to it, as a Kubernetes 1.34 returned them in the middle of a rollout.
OBJECTS = Path(__file__).with_name("one_resource.json")
RESOURCES = 100
# 26 KB when this was written, of 93 KB of JSON that the API server sends; 51 KB when the JSON was not packed.
MOST_BYTES = 40_000


def test_a_resource_takes_little() -> None:
    objects = json.loads(OBJECTS.read_text(encoding="utf-8"))
    text = json.dumps(objects)
    uids = {o["metadata"]["uid"] for o in objects}
    store = Store()
    tracemalloc.start()
    try:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(RESOURCES):
            for obj in _copy(text, uids, number):
                assert store.put(kind_of(obj), obj)
        del obj
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(store) == RESOURCES * len(objects)
    assert taken / RESOURCES < MOST_BYTES


def _copy(text: str, uids: set[str], number: int) -> list[dict[str, Any]]:
    """The same objects in a namespace of their own."""
    for uid in uids:
        text = text.replace(uid, f"{uid[:-6]}{number:06x}")
    copies: list[dict[str, Any]] = json.loads(text)
    for obj in copies:
        obj["metadata"]["namespace"] = f"fleet-{number}"
    return copies
