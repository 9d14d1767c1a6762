"""A namespace that is being deleted: nothing more can be made in it, and the log is not filled with that."""

from __future__ import annotations

import logging

import structlog
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, SERVICE, SERVICE_ACCOUNT

REFUSED = (
    f"is forbidden: unable to create new content in namespace {NAMESPACE} because it is being terminated"
)


async def test_it_is_in_the_log_once() -> None:
    async with Loop() as loop:
        await loop.create(rollout={"bakeSeconds": 5, "minReadySeconds": 1})
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
        # its objects go in any order, and the resource itself comes last
        loop.faults.add(Effect.STATUS, status=403, verb="create", message=REFUSED)
        with structlog.testing.capture_logs() as logs:
            for kind in (SERVICE, SERVICE_ACCOUNT, CONTROLLER_REVISION, DEPLOYMENT):
                for obj in loop.all(kind):
                    loop.server.delete(kind, NAMESPACE, obj["metadata"]["name"])
            await loop.run(120)
        assert loop.find(SERVICE, API) is None
        [said] = [entry for entry in logs if "being" in str(entry)]
        assert (said["log_level"], "namespace" in said["event"]) == ("info", True)
        left = [entry for entry in logs if "nothing is left of revision" in str(entry)]
        assert [entry["log_level"] for entry in left] == ["warning"]
        assert "being terminated" in str(loop.condition("ChildrenApplied")), "the status has the words"
