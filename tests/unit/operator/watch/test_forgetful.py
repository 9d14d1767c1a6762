"""What kopf keeps of the objects that it has shown us: nothing."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import kopf
from kopf._core.reactor import inventory, processing
from kopf._core.reactor.inventory import ResourceMemories

from maraudersmap_operator.watch import NoMemories, build_settings


async def test_kopf_remembers_no_object_after_its_event() -> None:
    """Its own container keeps a record each; ours none, whatever is asked of it, and handlers are still called."""
    for memories, kept in ((ResourceMemories(), 50), (NoMemories(), 0)):
        seen: list[str] = []
        registry = kopf.OperatorRegistry()

        @kopf.on.event("", "v1", "pods", registry=registry)
        async def observe(event: Any, seen: list[str] = seen, **_: Any) -> None:
            seen.append(event["object"]["metadata"]["uid"])

        for number in range(50):
            await _process(registry, memories, number)
        assert len(seen) == 50
        assert len(list(memories.iter_all_memories())) == kept


def test_kopf_still_takes_the_container_and_calls_it_as_we_expect() -> None:
    """Fails when a release of kopf changes what `forgetful.py` relies on."""
    assert "memories" in inspect.signature(kopf.operator).parameters
    assert "ephemeral" in inspect.signature(ResourceMemories.recall).parameters
    assert "memories" in inspect.signature(processing.process_resource_event).parameters
    assert set(inspect.signature(inventory.ResourceMemories.recall).parameters) == {
        "self", "raw_body", "memobase", "noticed_by_listing", "ephemeral",
    }  # fmt: skip


async def test_first_lists_come_in_pieces_and_idle_tasks_end_soon() -> None:
    """Whole LISTs of 15 kinds at once, and a task for each object in them, were most of what a restart needed."""
    settings = build_settings()
    assert settings.watching.chunk_size is not None
    assert settings.watching.chunk_size <= 100
    # Above zero: Python 3.11's wait_for never looks into the queue with none.
    assert 0 < settings.queueing.idle_timeout <= 1


async def _process(registry: kopf.OperatorRegistry, memories: ResourceMemories, number: int) -> None:
    resource = kopf._cogs.structs.references.Resource("", "v1", "pods", namespaced=True)  # type: ignore[attr-defined]
    pod = {"metadata": {"uid": f"u{number}", "name": f"pod-{number}", "namespace": "test"}}
    await processing.process_resource_event(
        lifecycle=kopf.lifecycles.all_at_once,
        indexers=kopf._core.engines.indexing.OperatorIndexers(),  # type: ignore[attr-defined]
        registry=registry,
        settings=build_settings(),
        memories=memories,
        memobase=kopf.Memo(),  # type: ignore[arg-type]
        resource=resource,
        raw_event={"type": None, "object": pod},  # type: ignore[typeddict-item]
        event_queue=asyncio.Queue(),
    )
