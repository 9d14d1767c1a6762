"""What a revision reads is kept beside it, also while the revision is out of sight."""

from __future__ import annotations

from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Store
from maraudersmap_operator.reconcile.reading.template_references import may_be_leaned_on
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.other_release import read_status


async def test_what_is_out_of_sight_may_read_everything() -> None:
    async with Loop() as loop:
        await loop.create(replicas=1, cache={"disabled": True})
        owner = Owner(NAME, NAMESPACE, loop.resource["metadata"]["uid"])
        status, _ = read_status(loop.status)
        seen = loop.operator.store
        assert may_be_leaned_on(seen, owner, status) == {Component.POSTGRES}
        assert may_be_leaned_on(Store(), owner, status) == {
            Component.POSTGRES, Component.CACHE, Component.LIMITS, Component.REDIS,
        }  # fmt: skip
