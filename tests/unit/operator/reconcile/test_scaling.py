"""What the autoscaler reports becomes a condition of the resource, in words that say what to do."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.fake.harness import NAME, Loop

from maraudersmap_operator.cluster.kinds import AUTOSCALER
from maraudersmap_operator.resource.reasons import Reason

HPA = f"{NAME}-api-hpa"
ON: dict[str, Any] = {"enabled": True, "minReplicas": 3, "maxReplicas": 4}
# As kube-controller-manager 1.34 writes them.
ABLE = {
    "type": "AbleToScale",
    "status": "True",
    "reason": "ReadyForNewScale",
    "message": "recommended size matches",
}
ACTIVE = {
    "type": "ScalingActive",
    "status": "True",
    "reason": "ValidMetricFound",
    "message": "the HPA was able to",
}
UNLIMITED = {
    "type": "ScalingLimited",
    "status": "False",
    "reason": "DesiredWithinRange",
    "message": "is within",
}
WELL = [ABLE, ACTIVE, UNLIMITED]
NO_METRICS = (
    "the HPA was unable to compute the replica count: failed to get cpu utilization: no metrics returned"
)
TWO = "pods by selector app.kubernetes.io/instance=map are controlled by multiple HPAs: [default/map-api-hpa default/mine]"


def but(condition: dict[str, str], status: str, reason: str, message: str = "words") -> list[dict[str, str]]:
    """All is well but for that."""
    changed = {**condition, "status": status, "reason": reason, "message": message}
    return [changed if c["type"] == condition["type"] else c for c in WELL]


async def test_the_order_in_which_autoscalers_are_listed_is_no_news() -> None:
    """The real controller lists them in another order at each look."""
    first, last = TWO.split("[")[1].rstrip("]").split()
    async with Loop() as loop:
        loop.controllers.autoscaler.conditions[HPA] = but(ACTIVE, "False", "AmbiguousSelector", TWO)
        await loop.create(autoscaling=ON)
        await loop.until(lambda: loop.condition("ScalingActive").get("status") == "False", 60)
        before = loop.condition("ScalingActive")
        turned = TWO.replace(f"{first} {last}", f"{last} {first}")
        loop.controllers.autoscaler.conditions[HPA] = but(ACTIVE, "False", "AmbiguousSelector", turned)
        await loop.until(lambda: turned in str(loop.get(AUTOSCALER, HPA)["status"]), 60)
        await loop.run(5)
        assert loop.condition("ScalingActive") == before


@pytest.mark.parametrize(
    ("reported", "expected", "words"),
    [
        (WELL, Reason.FOLLOWS_LOAD, ""),
        (but(ACTIVE, "False", "FailedGetResourceMetric", NO_METRICS), Reason.NO_POD_METRICS, NO_METRICS),
        (but(ACTIVE, "False", "AmbiguousSelector", TWO), Reason.SEVERAL_AUTOSCALERS, "default/mine"),
        (but(ABLE, "False", "AmbiguousSelector", TWO), Reason.SEVERAL_AUTOSCALERS, "default/mine"),
        (but(ACTIVE, "False", "InvalidSelector"), Reason.CANNOT_SCALE, "words"),
        (but(ABLE, "False", "FailedUpdateScale", "no update"), Reason.CANNOT_SCALE, "no update"),
        (but(UNLIMITED, "True", "TooManyReplicas"), Reason.AT_MAXIMUM, "maxReplicas allows (4)"),
        (but(UNLIMITED, "True", "TooFewReplicas"), Reason.FOLLOWS_LOAD, ""),
        (but(ACTIVE, "False", "ScalingDisabled"), Reason.FOLLOWS_LOAD, ""),
    ],
    ids=lambda value: str(value) if isinstance(value, Reason) else "",
)
async def test_each_trouble_has_its_reason(
    reported: list[dict[str, str]], expected: Reason, words: str
) -> None:
    async with Loop() as loop:
        loop.controllers.autoscaler.conditions[HPA] = reported
        await loop.create(autoscaling=ON)
        await loop.until(lambda: bool(loop.condition("ScalingActive")), 10)
        condition = loop.condition("ScalingActive")
        holds = "True" if expected is Reason.FOLLOWS_LOAD else "False"
        assert (condition["status"], condition["reason"]) == (holds, expected)
        assert words in condition["message"]
        # It keeps nothing from being ready.
        assert (loop.phase, loop.condition("Ready")["status"]) == ("Ready", "True")


async def test_it_heals_and_goes_with_the_autoscaler() -> None:
    async with Loop() as loop:
        loop.controllers.autoscaler.conditions[HPA] = but(
            ACTIVE, "False", "FailedGetResourceMetric", NO_METRICS
        )
        await loop.create(autoscaling=ON)
        await loop.until(lambda: loop.condition("ScalingActive").get("status") == "False", 10)
        loop.controllers.autoscaler.conditions[HPA] = WELL
        await loop.until(lambda: loop.condition("ScalingActive").get("status") == "True", 10)
        loop.edit(autoscaling={"enabled": False})
        await loop.until(lambda: not loop.condition("ScalingActive"), 10)


async def test_without_a_word_from_it_there_is_no_condition() -> None:
    async with Loop() as loop:
        await loop.create(autoscaling=ON)
        assert not loop.condition("ScalingActive")
