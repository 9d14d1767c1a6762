"""Pods that an admission refuses: only a policy that has something against this revision alone rejects it."""

from __future__ import annotations

import pytest

from maraudersmap_operator.rollout import Admission
from maraudersmap_operator.rollout.verdict.pod_failures import Trouble, create_trouble

from ..world import World
from .test_environment import assert_withdrawn, ready_world

REFUSED = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
QUOTA = 'pods "x" is forbidden: exceeded quota: all, requested: cpu=8, used: cpu=1, limited: cpu=4'
BAD = "bad:1"


def refused_world() -> World:
    world = ready_world(migrations={"enabled": False}).edit(image=BAD)
    world.create_error = REFUSED
    return world


def test_refused_twice_where_stable_is_accepted_is_the_templates_fault() -> None:
    """Not before the second refusal, 30 s after the first."""
    world = refused_world()
    world.admission = Admission(REFUSED, stable_accepted=True)
    world.run(28)
    assert world.rejections() == []
    world.run(8)
    assert world.rejections() == ["AdmissionRefused"]
    assert "PodSecurity" in world.status.rejected[0].message


def test_a_policy_that_changes_in_between_condemns_nobody() -> None:
    """The second answer counts, and a third one starts again."""
    world = refused_world()
    world.admission = Admission(REFUSED, stable_accepted=True)
    world.run(10)
    world.admission = Admission("", stable_accepted=True)
    world.run(26)
    world.create_error = ""
    world.run(90)
    assert world.rejections() == []
    assert world.serving == world.revision(BAD)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Admission(REFUSED, stable_accepted=False),
    ],
)
def test_without_a_control_it_is_withdrawn(answer: Admission | None) -> None:
    """It could not be asked, or stable's pods are refused as well."""
    world = refused_world()
    stable = world.serving
    world.admission = answer
    world.run(22)
    assert_withdrawn(world, stable, "AdmissionRefused")


def test_a_quota_on_the_larger_candidate_never_condemns() -> None:
    """It refuses the candidate and admits stable's smaller pods."""
    world = refused_world()
    world.admission = Admission(QUOTA, stable_accepted=True)
    world.run(150)
    assert world.rejections() == []


def test_nobody_is_asked_before_a_refusal() -> None:
    """Each question costs the API server two pods' admission."""
    world = ready_world().edit(image="good:2").run(60)
    assert world.asked == 0


@pytest.mark.parametrize(
    "message",
    [
        'Internal error occurred: failed calling webhook "x.y": dial tcp: connect: connection refused',
        'pods "x" is forbidden: error looking up service account test/map: serviceaccount "map" not found',
        'pods "x" is forbidden: no PriorityClass with name high was found',
        "etcdserver: request timed out",
    ],
)
def test_what_may_pass_is_no_refusal(message: str) -> None:
    """A webhook that is away, or something the pod refers to that is not there yet."""
    assert create_trouble(message) is Trouble.MAY_PASS
