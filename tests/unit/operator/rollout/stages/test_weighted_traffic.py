"""A canary whose shares are the weights of a Gateway's route."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import Retire, RouteTo, Weigh

from ..world import Behaviour, World

GOOD, NEXT, BAD = "good:1", "good:2", "bad:1"
GATEWAY = {"parentRefs": [{"name": "edge"}]}
ROLLOUT: dict[str, object] = {
    "strategy": "Canary",
    "steps": [{"share": 5, "holdSeconds": 10}, {"share": 60, "holdSeconds": 10}],
    "minReadySeconds": 3,
    "bakeSeconds": 10,
    "progressDeadlineSeconds": 30,
}


def ready_world(**spec: object) -> World:
    """A stable revision of GOOD with ten pods, at rest behind a Gateway."""
    base: dict[str, object] = {"replicas": 10, "gateway": GATEWAY, "rollout": ROLLOUT}
    world = World(**(base | spec)).run(30)
    assert world.phase() is Phase.READY, world.status.message
    return world


def until_weight(world: World, percent: int) -> None:
    """The Gateway gives the candidate that much."""
    for _ in range(200):
        if world.route_served == percent:
            return
        world.run(0.5)
    raise AssertionError(f"never {percent} %: {world.status.message}")


def test_the_weights_follow_the_steps_and_the_service_stays_with_stable() -> None:
    """A share is carried by as many pods as it needs, two witnesses at least; at full size the last share stays."""
    world = ready_world().edit(image=NEXT)
    stable, seen = world.serving, []
    while world.status.candidate is None or world.status.candidate.step is not Step.BAKING:
        world.turn()
        seen.append((world.route_weight, world.sizes.get(world.target, 0)))
        if RouteTo(world.target) not in world.actions:
            assert world.serving == stable
        world.tick(0.5)
    assert list(dict.fromkeys(s for s in seen if s[0])) == [(5, 2), (5, 6), (60, 6), (60, 10)]
    world.run(30)
    assert world.phase() is Phase.READY
    assert world.serving == world.revision(NEXT)
    assert world.route_weight == 0
    assert world.previewed == ""


def test_no_weight_before_the_preview_service_leads_to_the_pods() -> None:
    """A Gateway that sends requests to a Service without endpoints answers them itself, with an error."""
    world = ready_world().edit(image=NEXT)
    while Weigh(5) not in (decision := world.turn_without_acting()).actions:
        world.carry_out(decision)
        world.tick(0.5)
    assert world.preview_endpoints == {p.uid for p in world.pods if p.revision == world.target}
    # nor before the Gateway has had the time to hear of them: Traefik takes up changes every 2 s
    assert world.status.candidate is not None
    assert world.now > world.status.candidate.step_started_at + timedelta(seconds=2)


def test_pods_go_only_after_every_gateway_has_followed() -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    # when
    world.gateway_deaf = True
    world.behave(NEXT, Behaviour(ready_after=None)).run(20)
    # then
    assert world.status.candidate is not None
    assert world.status.candidate.verdict is not None
    assert world.route_weight == 0
    assert Retire(world.target) not in world.actions
    assert world.previewed == world.target
    # when
    world.gateway_deaf = False
    world.run(20)
    # then
    assert world.rejections() == ["NotReadyAfterPromotion"]
    assert Retire(world.target) in world.actions
    assert world.previewed == ""


def test_errors_under_a_small_weight_are_reported() -> None:
    world = ready_world()
    world.requests_per_second = 100
    world.behave(BAD, Behaviour(errors_percent=30)).edit(image=BAD).run(60)
    assert world.rejections() == ["ErrorRate"]
    assert RouteTo(world.target) not in world.actions


def test_without_a_gateway_that_serves_the_route_the_candidate_is_withdrawn_and_tried_again() -> None:
    """It is nothing against the revision: no entry in the ledger."""
    world = ready_world()
    world.no_gateway = True
    world.edit(image=NEXT).run(50)
    assert world.status.hold is not None
    assert world.status.hold.reason == "RouteNotServed"
    assert world.condition("RouteReady") == ("False", "NoGateway")
    assert world.rejections() == []
    # when
    world.no_gateway = False
    world.run(120)
    # then
    assert world.phase() is Phase.READY
    assert world.serving == world.revision(NEXT)


def test_a_step_that_was_held_for_long_grants_the_gateway_its_time_again() -> None:
    """An edited host name is a new version of the route, and takes a Gateway a moment."""
    steps = [{"share": 5, "pause": True}]
    world = ready_world(rollout=ROLLOUT | {"steps": steps}).edit(image=NEXT)
    until_weight(world, 5)
    world.run(100)
    assert world.condition("Reconciling") == ("True", "WaitingForPromotion")
    # when
    world.gateway_deaf, world.route_served = True, 4
    world.run(20)
    # then
    assert world.status.candidate is not None
    assert world.status.candidate.verdict is None
    world.run(15)
    assert world.status.candidate.verdict is not None
    assert world.status.candidate.verdict.environment


def test_a_gateway_that_goes_away_is_reported() -> None:
    world = ready_world()
    world.no_gateway = True
    world.run(1)
    assert world.phase() is Phase.DEGRADED
    assert world.status.message == "no Gateway"


def test_a_gateway_that_serves_an_older_version_of_the_route_is_reported() -> None:
    """With an edited host name the old one is served: that is not what the spec asks for."""
    world = ready_world()
    world.gateway_deaf, world.route_weight = True, 1
    world.turn()
    assert world.phase() is Phase.DEGRADED
    assert world.condition("RouteReady") == ("False", "Outdated")
    world.gateway_deaf = False
    world.run(1)
    assert world.phase() is Phase.READY


def test_going_back_to_the_old_spec_takes_the_weight_away_first() -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    world.edit(image=GOOD).run(10)
    assert world.actions.index(Weigh(0)) < world.actions.index(Retire(world.revision(NEXT)))
    assert world.phase() is Phase.READY


def test_the_autoscaler_stays_with_stable_and_never_goes_below_what_served_before() -> None:
    world = ready_world(autoscaling={"enabled": True, "minReplicas": 3, "maxReplicas": 20})
    stable, size = world.serving, world.sizes[world.serving]
    world.edit(image=NEXT)
    until_weight(world, 5)
    assert (world.autoscaler.revision, world.autoscaler.least) == (stable, size)


def test_a_gateway_taken_out_of_the_spec_in_the_middle_leaves_a_canary_by_pods() -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    del world.spec["gateway"]
    world.edit(rollout=ROLLOUT | {"steps": [{"share": 5, "holdSeconds": 10}]}).run(60)
    assert world.phase() is Phase.READY
    assert world.serving == world.revision(NEXT)


def test_a_share_that_leads_nowhere_goes_back_and_returns_once_the_gateway_can_know_of_the_pods() -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    # when
    world.preview_broken = True
    world.run(0.5)
    # then
    assert world.route_weight == 0
    world.run(10)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.SHARING
    assert world.condition("Reconciling") == ("True", "WaitingForRoute")
    assert "the preview Service does not lead" in world.status.message
    # when
    world.preview_broken = False
    world.run(3)
    # then
    assert world.route_weight == 0
    world.run(15)
    assert world.route_weight == 5


def test_a_bad_candidate_is_rejected_although_its_share_has_gone_back() -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    world.preview_broken = True
    world.run(1)
    world.behave(NEXT, Behaviour(ready_after=None)).run(60)
    assert world.rejections() == ["ProgressDeadlineExceeded"]


def test_a_preview_service_that_never_leads_anywhere_is_nothing_against_the_revision() -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    world.preview_broken = True
    world.run(40)
    assert world.status.hold is not None
    assert world.status.hold.reason == "RouteNotServed"
    assert "the preview Service does not lead" in world.status.hold.message
    assert world.rejections() == []


@pytest.mark.parametrize(
    ("endpoints", "ready_for"),
    [(None, 60), (frozenset(), 1)],
    ids=["endpoints that are not known yet", "pods that have just become ready"],
)
def test_what_is_about_to_be_known_takes_no_share_away(
    endpoints: frozenset[str] | None, ready_for: float
) -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    seen = world.observed()
    facts, since = seen.revision(world.target), world.now - timedelta(seconds=ready_for)
    pods = tuple(replace(p, ready_since=since) for p in facts.pods)
    revisions = seen.revisions | {world.target: replace(facts, pods=pods)}
    decision = world.turn_without_acting(replace(seen, preview_endpoints=endpoints, revisions=revisions))
    assert [a for a in decision.actions if isinstance(a, Weigh)] == []
    assert decision.status.candidate is not None
    assert decision.status.candidate.verdict is None


def test_a_gateway_that_never_follows_keeps_no_verdict_back() -> None:
    """It is reported, and no pod goes that the Gateway may still send requests to."""
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    bad = world.target
    # when
    world.gateway_deaf = True
    world.behave(NEXT, Behaviour(ready_after=None)).run(60)
    # then
    assert world.rejections() == ["NotReadyAfterPromotion"]
    assert world.status.candidate is None
    assert "the Gateway has yet to take up" in world.status.message
    assert world.previewed == bad
    assert Retire(bad) not in world.actions
    # when
    world.gateway_deaf = False
    world.run(5)
    # then
    assert Retire(bad) in world.actions
    assert world.previewed == ""


def test_a_gateway_that_never_follows_does_not_hold_the_bake_for_ever() -> None:
    world = ready_world().edit(image=NEXT)
    while not (world.status.candidate and world.status.candidate.step is Step.BAKING):
        world.run(0.5)
    # when
    world.gateway_deaf = True
    world.run(30)
    # then
    assert world.status.candidate is not None
    assert world.condition("Reconciling") == ("True", "WaitingForRoute")
    world.run(15)
    assert world.status.stable is not None
    assert world.status.stable.revision == world.target == world.previewed


def test_another_spec_takes_over_although_a_gateway_never_follows() -> None:
    world = ready_world().edit(image=NEXT)
    until_weight(world, 5)
    left = world.target
    # when
    world.gateway_deaf = True
    world.edit(image="good:3").run(45)
    # then
    assert world.status.candidate is not None
    assert world.status.candidate.revision == world.target
    assert Retire(left) not in world.actions
    assert world.previewed == left


def test_migrations_are_left_at_once_whatever_a_gateway_does() -> None:
    """There are no pods that it could send requests to, and a Job that no one waits for must not run on."""
    world = ready_world().behave(NEXT, Behaviour(migration_takes=60)).edit(image=NEXT).run(2)
    left = world.target
    # when
    world.gateway_deaf, world.route_served = True, 4
    world.edit(image="good:3").run(1)
    # then
    assert Retire(left) in world.actions
    assert world.status.candidate is not None
    assert world.status.candidate.revision == world.target
