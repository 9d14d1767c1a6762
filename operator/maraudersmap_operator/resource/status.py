"""What a user reads: `.status` of a MaraudersMap.

Everything the operator must remember over its own death is here, in ControllerRevisions or in the children; nothing
is kept in memory only. Every list is bounded, so the object stays far below the API server's size limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from .place import place_of
from .policy import Strategy
from .status_analysis import Comparison
from .status_control import MAX_CONTROLS, Baseline, ControlPod, StableRevision, TerminationRecord
from .status_model import MicroTime, StatusModel, Time

MAX_REJECTED = 10
MAX_HISTORY = 20
MAX_TERMINATION_RECORDS = 30
MAX_LOG_LINES = 12
MAX_LOG_LINE = 240
MAX_POD_EVENTS = 5
MAX_MESSAGE = 1024


class Phase(StrEnum):
    """One word for the whole resource; a pure function of the rest of the status."""

    PENDING = "Pending"  # waits for something it needs: a Secret, the database, migrations
    DEPLOYING = "Deploying"  # the first revision starts; nothing is proven yet
    ROLLING_OUT = "RollingOut"  # a candidate is on trial, traffic on stable
    BAKING = "Baking"  # traffic on the candidate, stable kept ready to go back to
    READY = "Ready"
    DEGRADED = "Degraded"  # stable serves with fewer ready pods than wanted
    ROLLED_BACK = "RolledBack"  # the spec's revision was rejected; stable serves
    PAUSED = "Paused"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"  # only a person can help: the message states how


class ConditionType(StrEnum):
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    ROLLED_BACK = "RolledBack"
    DATABASE_READY = "DatabaseReady"
    MIGRATIONS_READY = "MigrationsReady"
    ROUTE_READY = "RouteReady"  # only with spec.gateway
    CHILDREN_APPLIED = "ChildrenApplied"
    CONTESTED = "Contested"  # only once someone has kept changing a child
    DEFINITION_OLDER = "DefinitionOlder"  # only while the definition has no place for a part of the status
    FIELDS_IGNORED = "FieldsIgnored"  # only with fields that this operator does not know


class Step(StrEnum):
    """Where a candidate stands in its strategy."""

    MIGRATING = "Migrating"
    WITNESSES = "Witnesses"
    SHARING = "Sharing"
    FULL_SIZE = "FullSize"
    BAKING = "Baking"


class Condition(StatusModel):
    type: str = Field(description="What the condition speaks of.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="A CamelCase word for programs.")
    message: str = Field(default="", description="A sentence for people.", max_length=32768)
    observed_generation: int = Field(default=0, description="The generation of the spec this speaks of.")
    last_transition_time: Time = Field(description="When `status` last changed.")


class CandidateRevision(StatusModel):
    revision: str = Field(description="Hash of the revision on trial.")
    image: str = Field(description="Its image.")
    step: Step = Field(description="Where it stands: Migrating, Witnesses, Sharing, FullSize or Baking.")
    strategy: Strategy = Field(
        default=Strategy.BLUE_GREEN, description="How it gets its traffic; the spec's at its start."
    )
    canary_step: int = Field(default=0, description="While Sharing: which of rollout.steps, from 0.")
    full_size: int = Field(
        default=0,
        description="Pods that served when traffic was first shared; what an exchange has to end at.",
    )
    started_at: MicroTime = Field(description="When the operator first acted on it.")
    step_started_at: MicroTime = Field(description="When the step began.")
    settled_at: MicroTime | None = Field(
        default=None, description="Since when the step has all the pods that it wants, ready for long enough."
    )
    held_seconds: float = Field(
        default=0, description="Seconds that it was healthy and had to wait; no deadline counts them."
    )
    unwatched_seconds: float = Field(
        default=0, description="Seconds in which no operator looked; no deadline counts them."
    )
    ready_high_water: int = Field(default=0, description="The most pods that were ready at once.")
    proven_at: MicroTime | None = Field(
        default=None, description="When that number last grew: pods made later have proven nothing yet."
    )
    progressed_at: MicroTime = Field(
        description="When pods last became ready, or the step began; the progress deadline counts from here."
    )
    first_attempt_at: Time | None = Field(
        default=None, description="When the first of its containers that ended had begun."
    )
    first_failure_at: Time | None = Field(default=None, description="When that container ended.")
    late_failure: bool = Field(
        default=False,
        description="A later attempt, begun 8 s or more after that one began, has failed as well.",
    )
    pull_error_since: MicroTime | None = Field(default=None, description="Since when the image is not found.")
    refused_since: MicroTime | None = Field(
        default=None, description="Since when its pods are refused by an admission."
    )
    admission_refused_at: MicroTime | None = Field(
        default=None,
        description="When a try of one pod of each revision was first answered with a refusal of this one's alone.",
    )
    terminations: tuple[TerminationRecord, ...] = Field(
        default=(), max_length=MAX_TERMINATION_RECORDS, description="Container terminations per pod."
    )
    half_down_since: MicroTime | None = Field(
        default=None, description="In the bake: since when fewer than half of its pods are ready."
    )
    controls: tuple[ControlPod, ...] = Field(
        default=(),
        max_length=MAX_CONTROLS,
        description="The control group: ready pods of stable at the start.",
    )
    baseline: Baseline = Field(default=Baseline(), description="What stable suffered before the start.")
    undisturbed: bool = Field(
        default=False, description="Someone asked for it in spite of what the stable revision suffers."
    )
    controls_hurt_since: MicroTime | None = Field(
        default=None, description="Since when a pod of the control group is unready or has restarted."
    )
    analysis: Comparison | None = Field(
        default=None, description="Its answers beside those of the stable revision; see docs/analysis.md."
    )
    migration_attempt: int = Field(default=0, description="Attempts of the migrations Job so far.")
    migration_ran_at: MicroTime | None = Field(
        default=None, description="When the container of the present attempt was first seen to have run."
    )
    migration_waited: str = Field(
        default="", max_length=MAX_MESSAGE, description="What kept the present attempt from running."
    )
    waiting_since: MicroTime | None = Field(
        default=None,
        description="Since when it is healthy and waits for what a step needs besides: traffic, room.",
    )
    had_traffic: bool = Field(default=False, description="Users' requests have reached it.")
    verdict: CandidateVerdict | None = Field(
        default=None, description="The verdict that is being carried out."
    )
    verdict_of_v0_1_0: CandidateVerdict | None = Field(
        default=None, alias="doomed", description="The same, under its name in v0.1.0, for one more release."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_in_either_place(cls, data: Any) -> Any:
        """The old place wins: v0.1.0 writes no other, and carries along what it found in the new one."""
        if not isinstance(data, Mapping) or "doomed" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "doomed"}
        return rest if data["doomed"] is None else rest | {"verdict": data["doomed"]}

    @model_serializer(mode="wrap")
    def _write_in_both_places(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return written | {"doomed": written["verdict"]} if written.get("verdict") else written

    @property
    def place(self) -> str:
        """Where it stands, in the word that `hogwarts.edu/promote` names."""
        return place_of(self.step, self.strategy, self.canary_step)


class CandidateVerdict(StatusModel):
    reason: str = Field(
        description="A CamelCase word: ImageNotFound, CrashLoop, ProgressDeadlineExceeded, ..."
    )
    message: str = Field(description="What was seen.", max_length=MAX_MESSAGE)
    detected_at: MicroTime = Field(description="When the verdict was reached.")
    environment: bool = Field(
        default=False, description="Not the revision's fault: it is tried again later and enters no ledger."
    )


class Hold(StatusModel):
    """A revision that could not be tried, through no fault of its own; it is tried again by itself."""

    revision: str = Field(description="Hash of the revision.")
    reason: str = Field(description="Why, a CamelCase word.")
    message: str = Field(description="What was seen.", max_length=MAX_MESSAGE)
    attempts: int = Field(description="How often it was tried so far.")
    retry_at: Time = Field(description="When it is tried again, unless it is stuck.")
    traffic_attempts: int = Field(default=0, description="In how many of those tries it had had traffic.")
    stuck: bool = Field(
        default=False,
        description="It had traffic too often to be tried by itself: until hogwarts.edu/retry or a new spec.",
    )


class PodEvidence(StatusModel):
    """What was saved of a failing pod before it went; secrets are masked."""

    pod: str = Field(default="", description="Name of the pod.")
    exit_code: int | None = Field(default=None, description="Exit code of its last ended container.")
    reason: str = Field(
        default="", description="The kubelet's reason for that end: Error, OOMKilled, StartError, ..."
    )
    logs: tuple[str, ...] = Field(default=(), max_length=MAX_LOG_LINES, description="Its last log lines.")
    events: tuple[str, ...] = Field(
        default=(), max_length=MAX_POD_EVENTS, description="What the cluster reported of it."
    )


class RejectedRevision(StatusModel):
    """An entry of the ledger: not rolled out again until `hogwarts.edu/retry` gets a new value."""

    revision: str = Field(description="Hash of the rejected revision.")
    image: str = Field(description="Its image.")
    reason: str = Field(description="Why it was rejected, a CamelCase word.")
    message: str = Field(
        description="What was seen: exit code, the kubelet's message.", max_length=MAX_MESSAGE
    )
    rejected_at: Time = Field(description="When.")
    detect_seconds: float = Field(
        default=0, description="Seconds from the start of the rollout to the verdict."
    )
    restore_seconds: float = Field(
        default=0,
        description="Seconds from the start of the rollout until all traffic was on stable for certain.",
    )
    evidence: PodEvidence | None = Field(default=None, description="What was saved of a failing pod.")


class Outcome(StrEnum):
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"
    WITHDRAWN = "Withdrawn"  # could not be tried: it is held and tried again later
    CANCELLED = "Cancelled"  # the spec went back to the stable content


class HistoryEntry(StatusModel):
    revision: str = Field(description="Hash of the revision.")
    image: str = Field(description="Its image.")
    outcome: Outcome = Field(description="Promoted, RolledBack, Superseded, Withdrawn or Cancelled.")
    reason: str = Field(default="", description="Why, when it was not promoted.")
    started_at: Time = Field(description="When its rollout began.")
    ended_at: Time = Field(description="When it ended.")
    duration_seconds: float = Field(default=0, description="Seconds between the two.")


class Pin(StatusModel):
    """An earlier revision asked for by hogwarts.edu/rollback-to; it ends when the spec asks for something else."""

    revision: str = Field(description="Hash of the revision that is wanted instead of the spec's.")
    against: str = Field(description="Hash of the spec's revision when it was asked for.")


class SecretsSeen(StatusModel):
    """What the referenced Secrets looked like. The digests are short on purpose: enough to see a change, too little to
    try passwords against."""

    digests: dict[str, str] = Field(default={}, description="Digest of each referenced Secret, by name.")
    changed_at: MicroTime | None = Field(
        default=None, description="When they last changed without the pods having been restarted for it."
    )
    restarted_for: str = Field(
        default="", description="Digest of the change that pods were last restarted for."
    )


class Replicas(StatusModel):
    desired: int = Field(default=0, description="Pods that the serving revision should have.")
    ready: int = Field(default=0, description="Of those, ready.")
    updated: int = Field(default=0, description="Ready pods of the revision that the spec asks for.")


class WaitingVerb(StatusModel):
    """A new value of a verb's annotation that could not act yet. It does for as long as the spec asks for the same."""

    verb: str = Field(description="`retry` or `rollback-to`.")
    token: str = Field(description="The annotation's value.")
    asked_of: str = Field(
        description="Hash of what the spec asked for when the value was first seen, contents of ConfigMaps left out."
    )


class Tokens(StatusModel):
    """The last value acted upon of each verb's annotation."""

    retry: str = Field(default="", description="Last value of hogwarts.edu/retry acted upon.")
    promote: str = Field(default="", description="Last value of hogwarts.edu/promote acted upon.")
    promoted_at: MicroTime | None = Field(
        default=None, description="When hogwarts.edu/promote last let go on."
    )
    abort: str = Field(default="", description="Last value of hogwarts.edu/abort acted upon.")
    rollback_to: str = Field(default="", description="Last value of hogwarts.edu/rollback-to acted upon.")
    restart: str = Field(default="", description="Last value of hogwarts.edu/restart acted upon.")
    waiting: tuple[WaitingVerb, ...] = Field(
        default=(), max_length=2, description="Values that have been seen and could not act yet."
    )


class MaraudersMapStatus(StatusModel):
    observed_generation: int = Field(
        default=0, description="The generation of the spec this status speaks of."
    )
    phase: Phase | None = Field(default=None, description="One word for the whole resource.")
    message: str = Field(default="", description="One sentence with the cause.", max_length=MAX_MESSAGE)
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16, description="See docs/resource.md.")
    stable: StableRevision | None = Field(
        default=None, description="The last revision that came through its bake."
    )
    candidate: CandidateRevision | None = Field(default=None, description="The revision on trial.")
    target: str = Field(
        default="",
        description="Hash of the revision that is asked for; of the last one known while that cannot be read.",
    )
    serving: str = Field(
        default="", description="Hash of the revision that traffic points to; `shared` while two share it."
    )
    rejected: tuple[RejectedRevision, ...] = Field(
        default=(), max_length=MAX_REJECTED, description="Revisions that are not tried again by themselves."
    )
    pin: Pin | None = Field(
        default=None, description="An earlier revision that is wanted instead of the spec's."
    )
    hold: Hold | None = Field(default=None, description="The spec's revision, waiting for its next try.")
    history: tuple[HistoryEntry, ...] = Field(
        default=(), max_length=MAX_HISTORY, description="Past rollouts, the newest first."
    )
    barrier: str = Field(
        default="",
        description="Hash of a revision whose migrations changed the schema so that stable cannot be gone back to.",
    )
    secrets: SecretsSeen = Field(default=SecretsSeen(), description="The Secrets that pods read.")
    replicas: Replicas = Field(default=Replicas(), description="Pods of the serving revision.")
    url: str = Field(
        default="", description="Where the API can be reached inside the cluster or from outside."
    )
    selector: str = Field(default="", description="Label selector of the serving pods.")
    tokens: Tokens = Field(default=Tokens(), description="Verbs acted upon.")

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of that type; None before the first pass."""
        return next((c for c in self.conditions if c.type == kind), None)


CandidateRevision.model_rebuild()
