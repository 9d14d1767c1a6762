"""Pods that each end once, one after the other: evidence of the revision, though no pod has ended twice yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from maraudersmap_operator.resource.status_memory import Failures, TerminationRecord
from maraudersmap_operator.rollout import PodFacts, Termination
from maraudersmap_operator.rollout.verdict.pod_history import _count_terminations, _follow_failures

from ..world import Behaviour
from .test_environment import ready_world

NEXT, FALLING = "good:2", Behaviour(one_falls_every=20)
LONG = {"minReadySeconds": 5, "bakeSeconds": 90}
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(minutes=5)


def test_a_revision_whose_pods_fall_one_by_one_is_rejected() -> None:
    """Three pods, each ended once within the bake; each is ready again at once."""
    world = ready_world(rollout=LONG, replicas=3).behave(NEXT, FALLING)
    stable = world.serving
    world.edit(image=NEXT).run(58)
    assert world.serving == world.revision(NEXT)
    assert world.rejections() == []
    world.run(4)
    assert world.rejections() == ["CrashLoop"]
    assert "ended 3 times" in world.status.message
    assert world.serving == stable


@pytest.mark.parametrize(
    "behaviour",
    [
        replace(FALLING, exit_code=137),  # by a full node, or a probe
        replace(FALLING, exit_code=143),
        replace(FALLING, exit_code=137, terminations_reason="OOMKilled"),  # its own limit's, or its node's
        replace(FALLING, exit_code=0),  # asked to stop by someone
        replace(FALLING, one_falls_every=50),  # two of three in the whole bake
    ],
)
def test_what_may_have_been_done_to_them_is_no_evidence(behaviour: Behaviour) -> None:
    world = ready_world(rollout=LONG, replicas=3).behave(NEXT, behaviour).edit(image=NEXT).run(130)
    assert world.rejections() == []
    assert world.status.hold is None
    assert world.status.stable is not None
    assert world.status.stable.image == NEXT


def test_while_stables_pods_fall_too_it_is_withdrawn() -> None:
    """Whatever ends them all is not the candidate's alone."""
    world = ready_world(rollout=LONG, replicas=3).behave(NEXT, FALLING).edit(image=NEXT).run(15)
    world.behave("good:1", Behaviour(one_falls_every=0.1)).run(60)
    assert world.rejections() == []
    assert world.status.hold is not None
    assert world.status.hold.reason == "StableDisturbed"


@pytest.mark.parametrize(
    ("falls", "late"),
    [
        ((("a", 60), ("b", 68)), True),
        ((("a", 60), ("b", 67)), False),  # one short outage
        ((("a", 60), ("a", 90)), False),  # one pod: its node, perhaps
        ((("a", 10), ("b", 60)), False),  # one had hardly begun
    ],
)
def test_two_pods_at_two_moments(falls: tuple[tuple[str, float], ...], late: bool) -> None:
    pods = [
        PodFacts(
            uid,
            uid,
            START,
            ready=True,
            restarts=1,
            last_terminations=tuple(
                Termination(1, "Error", "", START, START + timedelta(seconds=s)) for u, s in falls if u == uid
            ),
        )
        for uid in dict(falls)
    ]
    assert _follow_failures(Failures(), pods, NOW).get("late_failure", False) is late


def test_what_no_one_has_seen_end_is_never_counted() -> None:
    """Its node was reset; it ends by itself; its node is reset again. The kubelet keeps only the last two."""
    own = Termination(1, "Error", "", START, START + timedelta(seconds=60))
    records: tuple[TerminationRecord, ...] = ()
    pod = PodFacts("a", "a", START)
    for facts, count in (
        (replace(pod, restarts=1, unseen_ends=(True,)), 0),
        (replace(pod, restarts=1, down=True, unseen_ends=(True, False), last_terminations=(own,)), 1),
        (replace(pod, restarts=2, unseen_ends=(False,), last_terminations=(own,)), 1),
        (replace(pod, restarts=3, unseen_ends=(True,)), 1),
        (replace(pod, restarts=4, unseen_ends=(False,), last_terminations=(own,)), 2),
    ):
        records = _count_terminations(records, [facts], NOW)
        assert [r.count for r in records] == [count]
