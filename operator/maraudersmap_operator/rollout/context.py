"""The context of one decision: its inputs, and the decision as it grows.

`Context` is the only mutable thing in this package. It lives for one call of `decide`; the modules that handle a situation
(stages, rollback, stable) read the inputs from it and add actions, notes and status changes in the order they must run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import AnyReason, Reason
from maraudersmap_operator.resource.status import MaraudersMapStatus
from maraudersmap_operator.resource.status_candidate import CandidateRevision
from maraudersmap_operator.resource.status_control import StableRevision
from maraudersmap_operator.resource.status_outcomes import MAX_HISTORY, HistoryEntry, Outcome

from .actions import Action, Deploy, Note, NoteType, Retire, RouteTo, ScaleTo, Weigh
from .facts import Nowhere, Observed, Only, RevisionFacts, Shared, TrafficTarget

# How long to wait before looking again when something should be true any moment; a watch event usually comes first.
SOON = timedelta(milliseconds=500)


@dataclass(slots=True)
class Context:
    spec: MaraudersMapSpec
    generation: int
    observed: Observed
    now: datetime
    status: MaraudersMapStatus  # as it is once the actions so far have run
    learned: MaraudersMapStatus  # as it is if traffic cannot be moved: see Decision.withheld
    serving: TrafficTarget  # where traffic points once the actions so far have run
    weight: int = 0  # likewise: percent of the Gateway's requests that go to the candidate instead
    retry: bool = False  # someone asked for another try: waiting times are over
    override: bool = False  # someone asked for the target in spite of what stable suffers
    promote: str = ""  # new value of the promote annotation that has not been taken yet
    abort: str = ""  # likewise
    asides: list[str] = field(default_factory=list)  # waited for, or waited for no longer, besides
    blocked: str = ""  # one sentence: why the engine does not go on; empty when it does
    blocked_reason: AnyReason | None = None
    ask_admission: bool = False
    actions: list[Action] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    wakes: list[timedelta] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        spec: MaraudersMapSpec,
        generation: int,
        observed: Observed,
        now: datetime,
        status: MaraudersMapStatus,
    ) -> Context:
        return cls(spec, generation, observed, now, status, status, observed.traffic, observed.route_weight)

    def with_traffic_as_it_was(self) -> Context:
        """The same, with all that has been learned, if traffic stays where it is."""
        weight = self.observed.route_weight
        return replace(self, status=self.learned, serving=self.observed.traffic, weight=weight)

    def update(self, **changes: Any) -> None:
        self.status = self.status.model_copy(update=changes)

    def learn(self, **changes: Any) -> None:
        """An update that holds whether or not traffic can be moved."""
        self.update(**changes)
        self.learned = self.learned.model_copy(update=changes)

    def all_learned(self) -> None:
        """Nothing so far depends on traffic."""
        self.learned = self.status

    @property
    def status_lost(self) -> bool:
        """It remembers nothing, not even a first rollout that ended. What a newer operator has written is not lost, only not
        read; and a phase alone is no memory: it is written while the target is unknown as well."""
        status = self.status
        unread = self.observed.unremembered and self.observed.unremembered_reason is Reason.STATUS_NEWER
        known = status.stable or status.candidate or status.history or status.rejected or status.hold
        return not known and not unread

    @property
    def still(self) -> bool:
        """Nothing goes forward: someone has paused the rollout, or there is only the way back."""
        return (self.spec.rollout.paused and not self.emergency) or self.only_back

    @property
    def only_back(self) -> bool:
        """It is not known what is asked for, or what a rollout learns would be forgotten: protect, judge, go back."""
        return self.observed.target is None or bool(self.observed.unremembered)

    @property
    def emergency(self) -> bool:
        """Someone asked for an earlier revision: no hold, gate or pause keeps it, only its own readiness."""
        pin, target = self.status.pin, self.observed.target
        return pin is not None and target is not None and pin.revision == target.revision

    def block_still(self, what: str) -> None:
        """Report why nothing goes forward. `what`: the part of the sentence that follows a pause."""
        if self.observed.target is None:
            self.block(
                self.observed.unknown_reason,
                self.observed.unknown or "what the spec asks for cannot be read",
            )
        elif self.observed.unremembered:
            self.block(self.observed.unremembered_reason, self.observed.unremembered)
        else:
            self.block(Reason.PAUSED, f"spec.rollout.paused is true: {what}")

    def act(self, *actions: Action) -> None:
        self.actions.extend(actions)

    def deploy(self, revision: str) -> None:
        """Have its Deployment: one that someone has deleted is rebuilt exactly, from the ControllerRevision."""
        if revision not in self.observed.revisions:
            self.act(Deploy(revision))

    def scale(self, revision: str, replicas: int) -> None:
        self.act(ScaleTo(revision, replicas))

    def retire(self, revision: str) -> None:
        self.act(Retire(revision))

    def note(self, reason: Reason, message: str) -> None:
        self.notes.append(Note(NoteType.NORMAL, reason, message))

    def warn(self, reason: Reason, message: str) -> None:
        self.notes.append(Note(NoteType.WARNING, reason, message))

    def wake(self, after: timedelta) -> None:
        self.wakes.append(max(after, timedelta(milliseconds=50)))

    def wake_at(self, moment: datetime) -> None:
        self.wake(moment - self.now)

    def block(self, reason: AnyReason, message: str) -> None:
        self.blocked_reason, self.blocked = reason, message

    def unblock(self) -> None:
        self.blocked_reason, self.blocked = None, ""

    def route_to(self, revision: str) -> None:
        """Point all of the Service's traffic there, unless it goes there already."""
        self._route(Only(revision))

    def route_to_both(self) -> None:
        """Let the Service select the pods of both revisions."""
        self._route(Shared())

    def _route(self, target: TrafficTarget) -> None:
        if self.serving != target:
            self.act(RouteTo(target.word))
            self.serving = target

    def set_weight(self, percent: int) -> None:
        """Give the candidate that much of what comes through the Gateway, unless it has it already."""
        if self.weight != percent:
            self.act(Weigh(percent))
            self.weight = percent

    def serves(self, revision: str) -> bool:
        """All of the Service's traffic goes to the revision."""
        return self.serving == Only(revision)

    @property
    def shares(self) -> bool:
        """The Service's traffic goes to both revisions."""
        return self.serving == Shared()

    @property
    def serves_nowhere(self) -> bool:
        return self.serving == Nowhere()

    def reaches(self, revision: str) -> bool:
        """Requests to the Service may be answered by a pod of the revision."""
        return self.serving in (Only(revision), Shared())

    def in_traffic(self, candidate: str) -> bool:
        """Users' requests reach the candidate."""
        return self.reaches(candidate) or self.weight > 0

    def facts(self, revision: str) -> RevisionFacts:
        return self.observed.revision(revision)

    @property
    def already_shared(self) -> bool:
        """The Service selects both, before any action."""
        return self.observed.traffic == Shared()

    @property
    def serving_facts(self) -> RevisionFacts:
        """Facts of the one revision that traffic goes to; empty ones when it is not one."""
        return self.facts(self.serving.word)

    @property
    def stable_facts(self) -> RevisionFacts:
        """Facts of the stable revision; empty ones without one."""
        return self.facts(self.status.stable.revision if self.status.stable else "")

    def others(self, *kept: str) -> list[RevisionFacts]:
        """Revisions besides those that have pods, or are about to."""
        return [
            f
            for name, f in sorted(self.observed.revisions.items())
            if name not in kept and (f.size or f.room(self.now))
        ]

    def why_reached(self, revision: str) -> str:
        """Why requests may still reach a pod of the revision, in a few words; empty when the world agrees that none can."""
        return self.why_led_to(revision) or self.why_previewed(revision)

    def why_led_to(self, revision: str) -> str:
        """The same of requests to the Service."""
        if self.serving != self.observed.traffic or self.reaches(revision):
            return "the Service is about to follow"
        pods = {p.name for p in self.facts(revision).pods}
        return f"its endpoints still name pods of {revision}" if pods & self.observed.ready_endpoints else ""

    def why_previewed(self, revision: str) -> str:
        """The same of requests that a Gateway sends to the preview Service."""
        if self.observed.previewed == revision and not self.route_left():
            return "the Gateway has yet to take up the newest version of the route"
        return ""

    def route_left(self) -> bool:
        """True when no Gateway sends anything to the preview Service any more."""
        route = self.observed.route
        return route is None or (route.left and self.weight == 0)

    @property
    def moves_traffic(self) -> bool:
        return any(isinstance(a, RouteTo | Weigh) for a in self.actions)


@dataclass(slots=True, kw_only=True)
class RolloutContext(Context):
    """The context of a rollout: there is a candidate, until it is closed."""

    candidate: CandidateRevision  # as it is once the actions so far have run; after `close`, as it was then

    @classmethod
    def of(cls, context: Context, candidate: CandidateRevision) -> RolloutContext:
        """All of the context, with the candidate that its status has from now on. Go on with this one alone."""
        known = {f.name: getattr(context, f.name) for f in fields(Context)}
        rollout = cls(**known, candidate=candidate)
        rollout.replace_candidate(candidate)
        return rollout

    def replace_candidate(self, candidate: CandidateRevision) -> None:
        self.candidate = candidate
        self.update(candidate=candidate)

    def update_candidate(self, **changes: Any) -> None:
        """Change those fields; of its memory, and of the parts of that, a mapping names the fields."""
        self.replace_candidate(self.candidate.but(**changes))

    def learn_candidate(self, **changes: Any) -> None:
        """An update that holds whether or not traffic can be moved."""
        self.update_candidate(**changes)
        known = self.learned.candidate or self.candidate
        self.learned = self.learned.model_copy(update={"candidate": known.but(**changes)})

    def why_gateway_holds(self, since: datetime) -> str:
        """Why what a Gateway may still send to the candidate holds the end of its rollout, in a few words; empty when it does
        not. `since`: of the wait.

        What has never had a share by weight needs no answer of it, and one that is silent for long must not keep the end, and
        a verdict, back for ever. Pods and preview Service stay as long as it may send requests there.
        """
        rollout = self.spec.rollout
        patience = timedelta(seconds=rollout.bake_seconds + rollout.progress_deadline_seconds)
        shared = self.candidate.strategy is Strategy.CANARY and self.candidate.had_traffic
        if not shared or self.now >= since + patience:
            return ""
        return self.why_previewed(self.candidate.revision)

    @property
    def candidate_facts(self) -> RevisionFacts:
        return self.facts(self.candidate.revision)

    @property
    def full_size(self) -> int:
        """Pods that carry all the traffic: as noted when the candidate first had some, else by those that stable has."""
        return self.candidate.memory.progress.full_size or self.spec.wanted_size(self.stable_facts.size)

    @property
    def database_trouble(self) -> str:
        """What the evaluation database has suffered since the candidate started, as a sentence; empty when nothing."""
        observed = self.observed
        if not observed.database.ready:
            return observed.database.message
        if observed.data_since is not None and observed.data_since > self.candidate.started_at:
            return "the evaluation database was replaced by an empty one since it started"
        return ""

    def close(self, outcome: Outcome, reason: str = "") -> None:
        """The rollout is over: note it in the history."""
        candidate = self.candidate
        entry = HistoryEntry(
            revision=candidate.revision,
            image=candidate.image,
            outcome=outcome,
            reason=reason,
            started_at=candidate.started_at,
            ended_at=self.now,
            duration_seconds=seconds(self.now - candidate.started_at),
        )
        self.update(candidate=None, history=(entry, *self.status.history)[:MAX_HISTORY])

    def make_stable(self) -> None:
        """The candidate is the stable revision from now on, and what is gone back to."""
        stable = StableRevision(revision=self.candidate.revision, image=self.candidate.image, since=self.now)
        self.update(hold=None, barrier="", stable=stable)


def seconds(span: timedelta) -> float:
    return round(span.total_seconds(), 1)
