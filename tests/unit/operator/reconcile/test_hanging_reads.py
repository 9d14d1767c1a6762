"""Traffic goes back within 3 s of need while one kind of read never gets an answer."""

from __future__ import annotations

import pytest
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    EVENT,
    HTTP_ROUTE,
    JOB,
    REPLICA_SET,
    Kind,
)
from maraudersmap_operator.reconcile import masking, sight

RESTORED = 3
# Nodes, pods and HTTPRoutes are read in time as well, but the whole takes longer than promised: two looks in a pass, and the
# end of the pass before.
KINDS = (CONFIG_MAP, CONTROLLER_REVISION, EVENT, JOB, REPLICA_SET)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_one_kind_of_read_that_hangs_holds_no_traffic_on_dead_pods(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {sight.LOOK_SECONDS, masking.READ_SECONDS}
    monkeypatch.setattr(sight, "LOOK_SECONDS", 0.02)  # in real time; the loop's is simulated
    monkeypatch.setattr(masking, "READ_SECONDS", 0.02)
    async with Loop() as loop:
        # given: a candidate bakes, and a child of ours has just been reported deleted
        loop.server.served.add(HTTP_ROUTE)
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
        loop.server.create(CONFIG_MAP, owl, manager="kubectl")
        await loop.create(
            config={"configMapRefs": [{"name": "owl"}]}, gateway={"parentRefs": [{"name": "gate"}]}
        )
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking" and len(loop.endpoints()) == 3, 120)
        candidate = str(loop.candidate["revision"])
        loop.faults.add(Effect.HANG, kind=kind, seconds=max(limits))
        # when: its containers end, with words to be masked
        loop.controllers.kubelet.broken |= {p["metadata"]["name"] for p in loop.pods(candidate)}
        # then: a second until they have ended, and what is promised
        assert await loop.until(lambda: loop.selected == stable, 30) <= 1 + RESTORED
