"""A process whose lease has run out changes nothing, and does not hold it against the children."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster import Key, NotLeading
from maraudersmap_operator.cluster.kinds import DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE_ACCOUNT

KINDS = (SERVICE_ACCOUNT, NETWORK_POLICY, DISRUPTION_BUDGET)


async def test_its_convergence_ends_with_the_first_child(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loop() as loop:
        await loop.create()
        operator = loop.operator
        converge = operator.reconciler.converge

        refused = 0

        def may_write() -> bool:
            nonlocal refused
            refused += not operator.leads
            return operator.leads

        async def too_late(key: Key) -> timedelta | None:
            operator.leads = False
            return await converge(key)

        monkeypatch.setattr(operator.queue, "_convergence_of", too_late)
        monkeypatch.setattr(operator.cluster, "_may_write", may_write)
        # when
        for kind in KINDS:
            for obj in loop.all(kind):
                loop.server.delete(kind, NAMESPACE, obj["metadata"]["name"])
        await loop.run(3)
        # then
        assert operator.queue.errors
        assert all(isinstance(error, NotLeading) for error in operator.queue.errors)
        assert refused == len(operator.queue.errors)
        # and it goes on where it was
        monkeypatch.undo()
        operator.leads = True
        await loop.until(lambda: all(loop.all(kind) for kind in KINDS), 30)
        assert loop.condition("ChildrenApplied")["status"] == "True"
