"""What must always hold (docs/invariants.md), whatever users, weather and crashes do, in whatever order.

A state machine drives `decide` against the simulated cluster: edits, reverts, verbs, images that change their behaviour,
autoscaling, node loss, deleted and tampered children, stale reads, and deaths of the operator after any action.
"""

from __future__ import annotations

import json
import os

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.status_candidate import CandidateRevision, CandidateVerdict
from maraudersmap_operator.rollout import (
    Admission,
    Decision,
    Deploy,
    Migrate,
    Observed,
    RecordRevision,
    Retire,
    RouteTo,
    ScaleTo,
    Weigh,
)

from .world import Behaviour, World

IMAGES = ("app:1", "app:2", "app:3")
BEHAVIOURS = (
    Behaviour(),
    Behaviour(ready_after=8),
    Behaviour(ready_after=None),
    Behaviour(ready_after=None, dies_after=0.3),
    Behaviour(ready_after=1, dies_after=6),
    Behaviour(ready_after=1, dies_after=0.3, dies_until=6),
    Behaviour(image_missing=True),
    Behaviour(migration_exit=1),
    Behaviour(migration_exit=75),
    Behaviour(pull_denied=True),
    Behaviour(starts_after=10_000),
)
# What a revision has done by itself when one of its pods behaves so. The others are slow, or have met what any would.
GUILTY = tuple(
    b
    for b in BEHAVIOURS
    if b.ready_after is None or b.dies_after is not None or b.image_missing or b.migration_exit == 1
)
# Rejected for what someone has asked for, or a policy: `check_verdict` knows when that may be.
NOT_BY_ITS_PODS = ("Aborted", "AdmissionRefused")
QUICK: dict[str, object] = {
    "minReadySeconds": 3,
    "bakeSeconds": 10,
    "progressDeadlineSeconds": 30,
    "timeoutSeconds": 120,
}
STRATEGIES: tuple[dict[str, object], ...] = (
    QUICK,
    QUICK
    | {"strategy": "Canary", "steps": [{"share": 10, "holdSeconds": 5}, {"share": 50, "holdSeconds": 5}]},
    QUICK | {"strategy": "Rolling"},
)
GATEWAY = {"parentRefs": [{"name": "edge"}]}
# Traffic that is shared by pods has more that can go wrong.
MOSTLY_WITHOUT = (False, False, False, True)
MAX_STATUS_BYTES = 30_000
REFUSED = 'pods "x" is forbidden: violates PodSecurity'
ANSWERS = (None, Admission(REFUSED, True), Admission(REFUSED, False), Admission("", True))
# CI asks for more; a developer's run stays within the minute that unit tests may take.
# The same stories each time, so that a red run is about the change at hand; more examples look for new ones.
DERANDOMIZE = "INVARIANT_EXAMPLES" not in os.environ
EXAMPLES = int(os.environ.get("INVARIANT_EXAMPLES", "15"))
STEPS = 40
# Shrinking a long story can take minutes: only where someone waits for it.
PHASES = (
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
    *((Phase.shrink,) if os.environ.get("INVARIANT_SHRINK") else ()),
)


def check(world: World, seen: Observed, decision: Decision, tokens_were: tuple[str, str]) -> None:
    """Hold one decision, made on `seen`, against the invariants that speak of single decisions."""
    before = world.resource.status
    rejected = {r.revision for r in before.rejected}
    tokens = (
        world.annotations.get("hogwarts.edu/retry", ""),
        world.annotations.get("hogwarts.edu/rollback-to", ""),
    )
    fresh_token = any(token not in ("", was) for token, was in zip(tokens, tokens_were, strict=True))
    serving = seen.serving
    sent_away: set[str] = set()
    for action in decision.actions:
        match action:
            case RouteTo(revision=revision) if revision == SHARED:
                # After the pass: what still has its pods may be asked for again and get its share at once.
                ours = {r.revision for r in (decision.status.stable, decision.status.candidate) if r}
                strays = [r for r in seen.revisions.values() if r.revision not in ours and (r.size or r.pods)]
                assert not strays, "1: traffic shared with a revision that is neither stable nor candidate"
                serving = revision
            case RouteTo(revision=revision):
                assert revision not in sent_away, "1: traffic to pods that have just been sent away"
                others = [r for r in seen.revisions.values() if r.revision != revision]
                ready = seen.revision(revision).ready
                # 1: only where someone answers, unless no one answers anywhere; the first deployment excepted.
                elsewhere = before.stable is not None and any(r.ready for r in others)
                assert ready or not elsewhere, "1: traffic to a revision that was not ready"
                if before.stable and seen.revision(before.stable.revision).ready:
                    assert ready, "2: a ready stable revision lost its traffic to nothing"
                serving = revision
            case Retire(revision=revision):
                pods = {p.name for p in seen.revision(revision).pods}
                assert revision != serving, "4: pods went before their traffic"
                assert not pods & seen.ready_endpoints, "4: pods went while still in the endpoints"
                if pods and seen.route and seen.previewed == revision:
                    assert seen.route.left, "4: pods went while a Gateway may still send requests to them"
                sent_away.add(revision)
            case Weigh(percent=percent) if percent:
                assert seen.preview_endpoints, "1: traffic to a preview Service without endpoints"
            case Deploy(revision=revision) | Migrate(revision=revision):
                assert revision not in rejected or fresh_token, "3: a rejected revision came back"
            case ScaleTo(revision=revision, replicas=replicas):
                size = seen.revision(revision).size
                if replicas:
                    assert revision not in rejected or fresh_token, "3: a rejected revision came back"
                if revision == serving and not world.spec.get("suspend") and world.autoscaled:
                    assert size == 0 or revision not in seen.revisions, "7: wrote what the autoscaler owns"
                if (
                    serving == SHARED
                    and world.autoscaled
                    # Its target until now: sizing another one before it is targeted is what invariant 7 allows.
                    and revision == decision.autoscaled.revision == world.autoscaler.revision
                    and size
                ):
                    held = decision.autoscaled.held or world.spec.get("suspend")
                    assert held, "7: wrote what the autoscaler owns on shared traffic"
                if replicas < size and revision == serving and not world.spec.get("suspend"):
                    assert replicas > 0, "4: scaled the serving revision to nothing"
                if replicas < size and serving == SHARED and not world.spec.get("suspend"):
                    rest = sum(r.ready for r in seen.revisions.values() if r.revision != revision)
                    ready = seen.revision(revision).ready
                    assert rest + min(ready, replicas) > 0 or ready == 0, "2: no one is left to answer"
            case _:
                pass
    if seen.route and not seen.route.left and seen.previewed in seen.revisions:
        assert decision.previewed == seen.previewed, "1: a Gateway's requests led to other pods"
    if seen.target is None:
        check_unknown(world, decision)
    check_memory(world, seen, decision)
    size_of_status = len(
        json.dumps(decision.status.model_dump(mode="json", by_alias=True, exclude_none=True))
    )
    assert size_of_status < MAX_STATUS_BYTES, "8: status grows"


def check_unknown(world: World, decision: Decision) -> None:
    """It is not known what is asked for: nothing starts, and what was asked for before is kept."""
    before, after = world.resource.status, decision.status
    began = [a for a in decision.actions if isinstance(a, RecordRevision | Migrate)]
    assert not began, "9: something started that no one asked for"
    assert after.pin == before.pin, "9: an undo was forgotten"
    if before.candidate and not before.candidate.verdict and after.candidate is None:
        assert after.history[0].outcome in ("Promoted", "RolledBack", "Withdrawn"), "9: a candidate was left"
    if before.candidate and after.candidate and not world.spec.get("suspend") and before.phase != "Suspended":
        assert after.candidate.step is before.candidate.step, "9: a candidate went on"


def check_memory(world: World, seen: Observed, decision: Decision) -> None:
    """What has been learned is stored whatever happens to traffic, and only a revision's own doing rejects it."""
    before, after, withheld = world.resource.status.candidate, decision.status, decision.withheld
    if after.candidate and after.candidate.verdict:
        kept = withheld.candidate and withheld.candidate.verdict
        assert kept == after.candidate.verdict, "9: a verdict is forgotten when traffic cannot be moved"
        if not (before and before.verdict):
            check_verdict(seen, after.candidate, after.candidate.verdict)
    stable = world.resource.status.stable
    if any(isinstance(a, RouteTo | Weigh) for a in decision.actions):
        assert (withheld.stable and withheld.stable.revision) == (stable and stable.revision), (
            "10: moved in name only"
        )
        assert withheld.serving == seen.serving, "10: the status differs from the Service"
        stayed = withheld.candidate
        resumed = world.resource.status.phase == "Suspended"
        if before and stayed and stayed.started_at == before.started_at and not resumed:
            assert stayed.step is before.step, "10: a step without its traffic"
    if before and after.candidate and before.started_at == after.candidate.started_at:
        credited = _unwatched(after.candidate) - _unwatched(before)
        assert credited == seen.unwatched.total_seconds(), "13: unwatched time counts"


def _unwatched(candidate: CandidateRevision) -> float:
    return candidate.memory.progress.unwatched_seconds


def check_verdict(seen: Observed, candidate: CandidateRevision, verdict: CandidateVerdict) -> None:
    if verdict.environment:
        return
    pods = (*seen.revision(candidate.revision).pods, *(seen.migration.pods if seen.migration else ()))
    if verdict.reason in ("ProgressDeadlineExceeded", "RolloutTimeout"):
        assert any(p.ran_since for p in pods), "13: rejected what never ran"
    if verdict.reason == "AdmissionRefused":
        assert seen.admission is not None, "13: rejected without asking"
        assert seen.admission.stable_accepted, "13: rejected what any revision would meet"


def check_guilt(world: World, decision: Decision, guilty: set[str]) -> None:
    """13, from outside: whatever verdicts rest on, an image that has done nothing wrong is never rejected."""
    known = {r.revision for r in world.resource.status.rejected}
    for entry in decision.status.rejected:
        if entry.revision not in known and entry.reason not in NOT_BY_ITS_PODS:
            assert entry.image in guilty, f"13: a good revision was rejected: {entry.reason}: {entry.message}"


def settle(world: World) -> None:
    """Calm weather for as long as anything could take, a kubelet's longest wait before a restart included."""
    waits = [(p.down_until - world.now).total_seconds() for p in world.pods if p.down_until]
    world.run(200 + max(waits, default=0), step=1.0)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rollout = QUICK
        self.world = World(image=IMAGES[0], rollout=QUICK)
        self.tokens = 0
        self.stale: Observed | None = None
        self.moved = False  # traffic, in the last pass
        self.guilty: set[str] = (
            set()
        )  # images that have done what may reject them, while something of them was there

    def one_pass(self, keep: int | None = None, stale: bool = False) -> None:
        world = self.world
        seen = world.observed()
        if stale and self.stale is not None:
            # Watches may lag, but what has been seen once is never unseen: the store does not go back.
            seen = world.with_stale_pods(seen, self.stale)
        self.stale = seen
        tokens_were = world.status.tokens.retry, world.status.tokens.rollback_to
        decision = world.turn_without_acting(seen)
        check(world, seen, decision, tokens_were)
        self.watch_guilt()
        check_guilt(world, decision, self.guilty)
        self.moved = any(isinstance(action, RouteTo) for action in decision.actions)
        if keep is None:
            world.carry_out(decision)
        else:
            world.carry_out(decision, only=min(keep, len(decision.actions)))

    def watch_guilt(self) -> None:
        """Someone mends an image now and then: it starts over once nothing of it is left."""
        world = self.world
        there = {world.image(r) for r in world.sizes} | {world.image(p.revision) for p, _ in world.leaving}
        if candidate := world.status.candidate:
            there.add(candidate.image)
        self.guilty &= there
        self.guilty |= {image for image in there if world.behaviours.get(image) in GUILTY}

    def live(self, seconds: float) -> None:
        for _ in range(int(seconds * 2)):
            self.world.tick(0.5)
            if self.moved:  # endpoints may lag behind the selector: one pass still sees those from before
                self.one_pass(stale=True)
            self.one_pass()

    @initialize(
        first=st.sampled_from(BEHAVIOURS),
        ready=st.sampled_from([True, True, True, False]),
        rollout=st.sampled_from(STRATEGIES),
        gateway=st.sampled_from(MOSTLY_WITHOUT),
    )
    def begin(self, first: Behaviour, ready: bool, rollout: dict[str, object], gateway: bool) -> None:
        """Most stories begin with a stable revision: without one there is little to lose."""
        self.edit_strategy(rollout)
        self.edit_gateway(gateway)
        self.world.behave(IMAGES[0], Behaviour() if ready else first)
        self.live(20)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 10.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.live(seconds)

    @rule(image=st.sampled_from(IMAGES), behaviour=st.sampled_from(BEHAVIOURS), seconds=st.integers(0, 30))
    def a_revision_is_rolled_out(self, image: str, behaviour: Behaviour, seconds: int) -> None:
        if image != self.stable_image():
            self.world.behave(image, behaviour)
        self.world.edit(image=image)
        self.live(seconds)

    @rule(behaviour=st.sampled_from(BEHAVIOURS), seconds=st.integers(0, 10))
    def the_served_image_changes_behaviour(self, behaviour: Behaviour, seconds: int) -> None:
        """A dependency fails, or heals."""
        if self.world.serving in self.world.recorded:
            self.world.behave(self.world.image(self.world.serving), behaviour)
        self.live(seconds)

    @rule(seconds=st.integers(1, 3))
    def cluster_moves_on_alone(self, seconds: int) -> None:
        """The operator is dead or slow."""
        self.world.tick(seconds)
        self.watch_guilt()

    @rule(keep=st.integers(0, 3))
    def operator_dies_in_the_middle(self, keep: int) -> None:
        self.one_pass(keep=keep)

    @rule()
    def pass_on_stale_pods(self) -> None:
        self.one_pass(stale=True)

    @rule(rollout=st.sampled_from(STRATEGIES))
    def edit_strategy(self, rollout: dict[str, object]) -> None:
        self.rollout = rollout
        self.world.edit(rollout=rollout)

    @rule(on=st.sampled_from(MOSTLY_WITHOUT))
    def edit_gateway(self, on: bool) -> None:
        if on:
            self.world.edit(gateway=GATEWAY)
        elif self.world.spec.pop("gateway", None):
            self.world.edit()

    @rule(served=st.booleans(), seconds=st.sampled_from([1, 5, 40]))
    def gateway_is_deaf_for_a_while(self, served: bool, seconds: int) -> None:
        """It follows nothing new; perhaps no Gateway serves the route at all."""
        self.world.gateway_deaf, self.world.no_gateway = True, not served
        self.live(seconds)
        self.world.gateway_deaf = self.world.no_gateway = False

    @rule(image=st.sampled_from(IMAGES))
    def edit_image(self, image: str) -> None:
        self.world.edit(image=image)

    @rule(image=st.sampled_from(IMAGES), behaviour=st.sampled_from([Behaviour(), *BEHAVIOURS]))
    def a_rollout_is_taken_back_just_as_it_ends(self, image: str, behaviour: Behaviour) -> None:
        """What it leaves behind is still there, and is what is asked for now."""
        before = self.world.spec["image"]
        self.a_revision_is_rolled_out(image, behaviour, 1)
        for _ in range(100):
            if self.world.status.candidate is None:
                break
            self.live(0.5)
        self.world.edit(image=before)
        self.one_pass()

    @rule(replicas=st.integers(1, 6))
    def edit_replicas(self, replicas: int) -> None:
        self.world.edit(replicas=replicas)

    @rule(on=st.booleans(), most=st.sampled_from([4, 10]))
    def edit_autoscaling(self, on: bool, most: int) -> None:
        """The operator may look before the autoscaler has moved into its new bounds."""
        self.world.edit(autoscaling={"enabled": on, "minReplicas": 3, "maxReplicas": most})
        self.one_pass()

    @rule(seconds=st.sampled_from([1, 5, 40]))
    def suspended_for_a_while(self, seconds: int) -> None:
        self.world.edit(suspend=True)
        self.live(seconds)
        self.world.edit(suspend=False)

    @rule(seconds=st.sampled_from([1, 10, 40]))
    def paused_for_a_while(self, seconds: int) -> None:
        self.world.edit(rollout=self.rollout | {"paused": True})
        self.live(seconds)
        self.world.edit(rollout=self.rollout)

    @rule()
    def ask_for_retry(self) -> None:
        self.tokens += 1
        self.world.annotate("retry", str(self.tokens))

    @rule(verb=st.sampled_from(["promote", "abort"]))
    def ask_to_promote_or_abort(self, verb: str) -> None:
        self.tokens += 1
        self.world.annotate(verb, str(self.tokens))

    @precondition(lambda self: bool(self.world.recorded))
    @rule(data=st.data())
    def ask_to_roll_back(self, data: st.DataObject) -> None:
        self.tokens += 1
        revision = data.draw(st.sampled_from(sorted(self.world.recorded)))
        self.world.annotate("rollback-to", f"{revision}/{self.tokens}")

    @rule()
    def a_node_is_lost(self) -> None:
        self.world.lose_a_node()

    @rule(seconds=st.integers(1, 20))
    def quota_is_full_for_a_while(self, seconds: int) -> None:
        self.world.create_error = "exceeded quota: all"
        self.live(seconds)
        self.world.create_error = ""

    @rule(answer=st.sampled_from(ANSWERS), seconds=st.sampled_from([5, 20, 45]))
    def an_admission_refuses_for_a_while(self, answer: Admission | None, seconds: int) -> None:
        self.world.create_error, self.world.admission = REFUSED, answer
        self.live(seconds)
        self.world.create_error = ""

    @rule(seconds=st.sampled_from([1, 4, 20, 60]))
    def what_every_pod_needs_is_away(self, seconds: int) -> None:
        """No pod of any revision is ready meanwhile."""
        self.world.outage = True
        self.live(seconds)
        self.world.outage = False

    @rule(seconds=st.sampled_from([0.5, 5, 40]))
    def nobody_knows_what_is_asked_for(self, seconds: float) -> None:
        """A ConfigMap is deleted and made again."""
        self.world.unknown = "ConfigMap owl does not exist"
        self.live(seconds)
        self.world.unknown = ""

    @rule(seconds=st.sampled_from([20.0, 300.0]))
    def nobody_looks_for_a_while(self, seconds: float) -> None:
        self.world.tick(seconds)
        self.watch_guilt()
        self.world.unwatched += seconds

    @precondition(lambda self: bool(self.world.recorded))
    @rule(data=st.data(), seconds=st.sampled_from([5, 30]))
    def a_deployment_cannot_be_deleted_for_a_while(self, data: st.DataObject, seconds: int) -> None:
        """A policy of someone's, or a finalizer: it is left over while others are tried."""
        self.world.undeletable.add(data.draw(st.sampled_from(sorted(self.world.recorded))))
        self.a_revision_is_rolled_out(data.draw(st.sampled_from(IMAGES)), Behaviour(), seconds)
        self.a_revision_is_rolled_out(data.draw(st.sampled_from(IMAGES)), Behaviour(), seconds)
        self.world.undeletable.clear()

    @rule(seconds=st.integers(1, 20))
    def database_is_away_for_a_while(self, seconds: int) -> None:
        self.world.set_database(False)
        self.live(seconds)
        self.world.set_database(True)

    @precondition(lambda self: self.world.serving in self.world.sizes and self.world.autoscaled)
    @rule(size=st.integers(3, 8))
    def autoscaler_moves(self, size: int) -> None:
        if self.world.sizes[self.world.serving]:
            self.world.sizes[self.world.serving] = size

    @rule(with_stable=st.booleans(), seconds=st.integers(0, 6))
    def somebody_moves_the_selector(self, with_stable: bool, seconds: int) -> None:
        """And perhaps deletes the stable Deployment as well."""
        self.world.serving = "nobody00"
        stable = self.world.status.stable
        if with_stable and stable:
            self.world.delete(stable.revision)
        self.live(seconds)

    @precondition(lambda self: bool(self.world.sizes))
    @rule(data=st.data())
    def somebody_deletes_a_deployment(self, data: st.DataObject) -> None:
        self.world.delete(data.draw(st.sampled_from(sorted(self.world.sizes))))

    def stable_image(self) -> str:
        return self.world.status.stable.image if self.world.status.stable else ""

    @invariant()
    def ledger_and_history_are_bounded(self) -> None:
        assert len(self.world.status.rejected) <= 10
        assert len(self.world.status.history) <= 20

    def teardown(self) -> None:
        """6: left alone with good images, it comes to rest serving the spec, and then asks for nothing."""
        world = self.world
        for image in IMAGES:
            world.behave(image, Behaviour())
        world.set_database(True)
        world.create_error = ""
        world.gateway_deaf = world.no_gateway = False
        world.annotations.clear()
        world.edit(suspend=False, rollout=self.rollout)
        settle(world)  # what an image did before it was mended may still have it rejected
        self.tokens += 1
        world.annotate("retry", f"last-{self.tokens}")
        settle(world)
        assert world.status.phase == "Ready", world.status.message
        assert world.serving == world.target, "6: not serving what the spec asks for"
        assert set(world.sizes) == {world.serving}, "6: leftovers"
        assert world.turn_without_acting(world.observed()).actions == (), "6: never at rest"


Machine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=DERANDOMIZE,
    suppress_health_check=list(HealthCheck),
    phases=PHASES,
    report_multiple_bugs=False,
    print_blob=True,
)
TestInvariants = Machine.TestCase


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=DERANDOMIZE, suppress_health_check=list(HealthCheck)
)
@given(
    behaviour=st.sampled_from(BEHAVIOURS),
    rollout=st.sampled_from(STRATEGIES),
    seconds=st.integers(0, 60),
    edit=st.sampled_from(
        [{"image": "app:9"}, {"replicas": 5}, {"config": {"logLevel": "debug"}}, {"suspend": True}]
    ),
)
def test_edit_and_revert_end_in_the_same_children(
    behaviour: Behaviour, rollout: dict[str, object], seconds: int, edit: dict[str, object]
) -> None:
    """5: from whatever point of the rollout the edit is taken back."""
    world = World(image="app:1", rollout=rollout).run(40)
    before = (world.serving, dict(world.sizes))
    original = {k: world.spec.get(k, {"replicas": 3, "config": {}, "suspend": False}.get(k)) for k in edit}
    world.behave("app:9", behaviour).edit(**edit).run(seconds).edit(**original)
    settle(world)
    if world.status.stable and world.status.stable.revision != before[0]:
        raise AssertionError("5: the stable content is another revision now")
    assert (world.serving, world.sizes) == before


def well(rollout: dict[str, object], gateway: bool = False) -> Machine:
    """The beginning of a story: a good revision is stable."""
    machine = Machine()
    machine.begin(first=Behaviour(), ready=True, rollout=rollout, gateway=gateway)
    return machine


def test_traffic_is_never_shared_with_a_leftover() -> None:
    """1: a revision whose Deployment cannot be deleted has ready pods while the next one is tried: random stories meet that
    too rarely."""
    machine = well(STRATEGIES[1])
    world = machine.world
    world.behave(IMAGES[1], Behaviour()).edit(image=IMAGES[1])
    while IMAGES[1] not in {world.image(r) for r in world.sizes}:
        machine.live(1)
    leftover = world.revision(IMAGES[1])
    machine.live(6)
    world.undeletable.add(leftover)
    world.behave(IMAGES[2], Behaviour()).edit(image=IMAGES[2])
    machine.live(40)
    assert leftover in world.sizes
    assert world.serving != SHARED
    world.undeletable.clear()
    machine.live(90)
    assert world.serving == world.target


def test_no_weight_is_given_to_a_preview_service_that_leads_nowhere() -> None:
    """1: someone has edited its selector before the candidate gets its share: random stories meet that too rarely."""
    machine = well(STRATEGIES[1], gateway=True)
    world = machine.world
    world.preview_broken = True
    world.behave(IMAGES[1], Behaviour()).edit(image=IMAGES[1])
    machine.live(20)
    assert world.status.candidate is not None
    assert world.route_weight == 0
    world.preview_broken = False
    machine.live(90)
    assert world.serving == world.target


def test_pods_that_never_ran_reject_no_revision() -> None:
    """13: whatever keeps them from their start is no doing of the revision's: random stories seldom wait for the deadline."""
    machine = well(STRATEGIES[0])
    world = machine.world
    world.behave(IMAGES[1], Behaviour(starts_after=10_000)).edit(image=IMAGES[1])
    machine.live(120)
    assert world.status.history[0].outcome == "Withdrawn"
    assert not world.status.rejected


def test_an_exchange_keeps_as_many_pods_ready_as_there_were() -> None:
    """2: also when those of the candidate take their time: random stories notice only where no one is left."""
    machine = well(STRATEGIES[2])
    world = machine.world
    full = len(world.endpoints)
    world.behave(IMAGES[1], Behaviour(ready_after=8)).edit(image=IMAGES[1])
    for _ in range(200):
        machine.live(0.5)
        assert len(world.endpoints) >= full > 0
    assert world.serving == world.target


def test_a_policy_that_admits_no_pod_rejects_no_revision() -> None:
    """13: it would refuse stable's pods as well, even if it had not at first. It is named, and no deadline is waited for."""
    machine = well(STRATEGIES[0])
    world = machine.world
    world.create_error, world.admission = REFUSED, Admission(REFUSED, stable_accepted=True)
    world.edit(image=IMAGES[1])
    machine.live(5)
    assert world.status.candidate
    assert world.status.candidate.memory.failures.admission_refused_at
    world.admission = Admission(REFUSED, stable_accepted=False)
    machine.live(120)
    assert (world.status.history[0].outcome, world.status.history[0].reason) == (
        "Withdrawn",
        "AdmissionRefused",
    )
    assert not world.status.rejected
