"""What an audit finds that no watch reports."""

from __future__ import annotations

from tests.unit.operator.fake.harness import Loop

from maraudersmap_operator.cluster.kinds import DEPLOYMENT, MARAUDERSMAP
from maraudersmap_operator.watch.audit import audit_once


async def test_an_api_server_that_has_gone_back_is_found_out() -> None:
    """Its database was restored from a backup: all that it has is older than what is known, and would be ignored for as long
    as it takes to get there again. The liveness probe ends the process then; the next one knows nothing else."""
    async with Loop() as loop:
        await loop.create()
        cluster, store, queue = loop.operator.cluster, loop.operator.store, loop.operator.queue
        assert await audit_once(cluster, store, queue, ()) == set()
        # when
        lost = {}
        for kind, obj in ((DEPLOYMENT, loop.deployments()[loop.stable]), (MARAUDERSMAP, loop.resource)):
            lost[kind] = obj["metadata"]["uid"]
            version = str(loop.version() + 1000)
            store.put(kind, {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}})
        # then, each time
        for _ in range(2):
            assert await audit_once(cluster, store, queue, ()) == set(lost.values())
