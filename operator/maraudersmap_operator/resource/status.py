"""What a user reads: `.status` of a MaraudersMap.

Everything the operator must remember over its own death is here, in ControllerRevisions or in the children; nothing
is kept in memory only. Every list is bounded, so the object stays far below the API server's size limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from .reasons import AnyReason
from .status_candidate import CandidateRevision
from .status_control import StableRevision
from .status_model import MAX_MESSAGE, MicroTime, StatusModel, Time
from .status_outcomes import MAX_HISTORY, MAX_REJECTED, HistoryEntry, Hold, RejectedRevision
from .status_verbs import Pin, Tokens


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
    SCALING_ACTIVE = "ScalingActive"  # only with autoscaling, once the autoscaler has something to report
    MONITORING_READY = "MonitoringReady"  # only while monitoring is on
    CHILDREN_APPLIED = "ChildrenApplied"
    CONTESTED = "Contested"  # only once someone has kept changing a child
    DEFINITION_OLDER = "DefinitionOlder"  # only while the definition has no place for a part of the status
    FIELDS_IGNORED = "FieldsIgnored"  # only with fields that this operator does not know


class Condition(StatusModel):
    type: str = Field(description="What the condition speaks of.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="A CamelCase word for programs.")
    message: str = Field(default="", description="A sentence for people.", max_length=32768)
    observed_generation: int = Field(default=0, description="The generation of the spec this speaks of.")
    last_transition_time: Time = Field(description="When `status` last changed.")


Stated = tuple[ConditionType, bool, AnyReason, str]
"""A condition as a pass states it: its type, whether it holds, reason and message."""


class SecretsSeen(StatusModel):
    """What the Secrets that pods read looked like. The digests are short on purpose: enough to see a change, too little to
    try passwords against."""

    digests: dict[str, str] = Field(
        default={},
        description="Digest of each referenced Secret, by name, and of each generated value, by `<Secret>/<key>`.",
    )
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
    serving: str = Field(
        default="", description="Hash of the revision that traffic points to; `shared` while two share it."
    )
    target: str = Field(
        default="",
        description="Hash of the revision that is asked for; of the last one known while that cannot be read.",
    )
    replicas: Replicas = Field(default=Replicas(), description="Pods of the serving revision.")
    url: str = Field(
        default="", description="Where the API can be reached inside the cluster or from outside."
    )
    selector: str = Field(default="", description="Label selector of the serving pods.")
    rejected: tuple[RejectedRevision, ...] = Field(
        default=(), max_length=MAX_REJECTED, description="Revisions that are not tried again by themselves."
    )
    hold: Hold | None = Field(default=None, description="The spec's revision, waiting for its next try.")
    pin: Pin | None = Field(
        default=None, description="An earlier revision that is wanted instead of the spec's."
    )
    history: tuple[HistoryEntry, ...] = Field(
        default=(), max_length=MAX_HISTORY, description="Past rollouts, the newest first."
    )
    barrier: str = Field(
        default="",
        description="Hash of a revision whose migrations changed the schema so that stable cannot be gone back to.",
    )
    secrets: SecretsSeen = Field(default=SecretsSeen(), description="The Secrets that pods read.")
    tokens: Tokens = Field(default=Tokens(), description="Verbs acted upon.")

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of that type; None before the first pass."""
        return next((c for c in self.conditions if c.type == kind), None)

    def rejection(self, revision: str) -> RejectedRevision | None:
        """The ledger's entry for the revision."""
        return next((r for r in self.rejected if r.revision == revision), None)

    def next_conditions(
        self, stated: Iterable[Stated], generation: int, now: datetime
    ) -> tuple[Condition, ...]:
        """Conditions that follow on those of this status: the time of one moves only when it begins or ceases to hold."""
        return tuple(self._next_condition(*one, generation, now) for one in stated)

    def _next_condition(
        self,
        kind: ConditionType,
        holds: bool,
        reason: AnyReason,
        message: str,
        generation: int,
        now: datetime,
    ) -> Condition:
        old, status = self.condition(kind), "True" if holds else "False"
        return Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            observed_generation=generation,
            last_transition_time=old.last_transition_time
            if old and old.status == status
            else now.replace(microsecond=0),
        )
