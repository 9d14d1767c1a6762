"""Only what a revision itself has done is held against it, and that always is: stories through the store."""

from __future__ import annotations

from tests.unit.operator.fake.harness import Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import POD


def inject_helper(pod: Manifest) -> None:
    """As a mesh does: a native sidecar, which runs beside the application for as long as it does."""
    pod["spec"]["initContainers"] = [{"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"}]


async def test_a_bad_revision_is_rejected_although_a_native_sidecar_runs_beside_it() -> None:
    async with Loop() as loop:
        # given
        loop.server.admission.mutate(lambda r: r.kind is POD and r.verb == "create", inject_helper)
        await loop.create(rollout={"progressDeadlineSeconds": 30})
        # when
        loop.bad("never-ready")
        # then
        await loop.until(lambda: bool(loop.rejected), 120)
        assert [r["reason"] for r in loop.rejected] == ["ProgressDeadlineExceeded"]
        # and that is all
        await loop.run(60)
        assert len(loop.rejected) == 1
        assert loop.phase == "RolledBack"
        assert "hold" not in loop.status
