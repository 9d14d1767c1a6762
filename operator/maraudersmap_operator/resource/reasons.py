"""Every reason that the operator gives: the closed set of CamelCase words in conditions, Events, ledger, hold and history.

What each means, whether a person is needed and what to do stands in `reason_texts`; docs/reasons.md is made from both.
A value is an interface: alerts, scripts and GitOps health checks compare it. It is never renamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType


class Reason(StrEnum):
    # Verdicts: the revision itself is bad, and is not tried again by itself.
    IMAGE_NOT_FOUND = "ImageNotFound"
    CONTAINER_CONFIG_INVALID = "ContainerConfigInvalid"
    ADMISSION_REFUSED = "AdmissionRefused"
    MIGRATION_FAILED = "MigrationFailed"
    CRASH_LOOP = "CrashLoop"
    OOM_KILLED = "OOMKilled"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    ROLLOUT_TIMEOUT = "RolloutTimeout"
    NOT_READY_AFTER_PROMOTION = "NotReadyAfterPromotion"
    ERROR_RATE = "ErrorRate"
    LATENCY = "Latency"
    QUERY = "Query"
    ANALYSIS_INCONCLUSIVE = "AnalysisInconclusive"
    ABORTED = "Aborted"
    # The environment: nothing is held against the revision, it is withdrawn and tried again.
    IMAGE_PULL_DENIED = "ImagePullDenied"
    QUOTA_EXCEEDED = "QuotaExceeded"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    PODS_NOT_STARTED = "PodsNotStarted"
    INJECTED_CONTAINER_FAILING = "InjectedContainerFailing"
    MIGRATION_INTERRUPTED = "MigrationInterrupted"
    DATABASE_UNREACHABLE = "DatabaseUnreachable"
    DATABASE_DISTURBED = "DatabaseDisturbed"
    STABLE_DISTURBED = "StableDisturbed"
    NO_CONTROL_GROUP = "NoControlGroup"
    PODS_LOST = "PodsLost"
    LEFTOVERS_REMAIN = "LeftoversRemain"
    ROUTE_NOT_SERVED = "RouteNotServed"
    # What keeps a rollout, or the whole resource, from going on.
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  # a word, not a password
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"  # noqa: S105
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    CONFIG_MAP_KEY_NOT_FOUND = "ConfigMapKeyNotFound"
    REFERENCES_UNREAD = "ReferencesUnread"
    TARGET_UNKNOWN = "TargetUnknown"
    UNKNOWN_FIELD = "UnknownField"
    DEFINITION_OLDER = "DefinitionOlder"
    STATUS_NEWER = "StatusNewer"
    INVALID_SPEC = "InvalidSpec"
    DATABASE_NOT_READY = "DatabaseNotReady"
    MIGRATING = "Migrating"
    WAITING_FOR_PODS = "WaitingForPods"
    WAITING_FOR_ROUTE = "WaitingForRoute"
    WAITING_FOR_PROMOTION = "WaitingForPromotion"
    GOING_BACK = "GoingBack"
    STABLE_NOT_READY = "StableNotReady"
    NO_WAY_BACK = "NoWayBack"
    IRREVERSIBLE_MIGRATION = "IrreversibleMigration"
    # Phases, where nothing more exact is known.
    PENDING = "Pending"
    DEPLOYING = "Deploying"
    ROLLING_OUT = "RollingOut"
    BAKING = "Baking"
    READY = "Ready"
    DEGRADED = "Degraded"
    ROLLED_BACK = "RolledBack"
    PAUSED = "Paused"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    # Conditions that are as they should be, and the steps of a rollout (Migrating and Baking are above).
    STABLE_SERVING = "StableServing"
    IDLE = "Idle"
    WITNESSES = "Witnesses"
    SHARING = "Sharing"
    FULL_SIZE = "FullSize"
    PODS_READY = "PodsReady"
    NO_READY_PODS = "NoReadyPods"
    NO_ENDPOINTS = "NoEndpoints"
    NOT_REJECTED = "NotRejected"
    ROLLED_BACK_TO = "RolledBackTo"
    EXTERNAL = "External"
    EVALUATION_DATABASE_READY = "EvaluationDatabaseReady"
    MIGRATED = "Migrated"
    NOT_STARTED = "NotStarted"
    DISABLED = "Disabled"
    # The route of the Gateway API.
    ACCEPTED = "Accepted"
    OUTDATED = "Outdated"
    NO_GATEWAY_API = "NoGatewayAPI"
    NO_GATEWAY = "NoGateway"
    NOT_CREATED = "NotCreated"
    ROUTE_UNREAD = "RouteUnread"
    # The objects that belong to the resource.
    AS_WANTED = "AsWanted"
    REFUSED = "Refused"
    UNAVAILABLE = "Unavailable"
    CONFLICT = "Conflict"
    LEAVING = "Leaving"
    CONTESTED = "Contested"
    UNCONTESTED = "Uncontested"
    WAITING = "Waiting"
    FOLLOWS_LOAD = "FollowsLoad"
    NO_POD_METRICS = "NoPodMetrics"
    SEVERAL_AUTOSCALERS = "SeveralAutoscalers"
    AT_MAXIMUM = "AtMaximum"
    CANNOT_SCALE = "CannotScale"
    NO_PROMETHEUS_OPERATOR = "NoPrometheusOperator"
    NO_PLACE_FOR_MEMORY = "NoPlaceForMemory"
    UNKNOWN_FIELDS = "UnknownFields"
    # Events alone: something happened, once.
    ROLLOUT_STARTED = "RolloutStarted"
    TRAFFIC_SWITCHED = "TrafficSwitched"
    PROMOTED = "Promoted"
    WITHDRAWN = "Withdrawn"
    SUPERSEDED = "Superseded"
    CANCELLED = "Cancelled"
    SECRETS_CHANGED = "SecretsChanged"
    RESTARTING = "Restarting"
    RETRY = "Retry"
    ROLLING_BACK_TO = "RollingBackTo"
    UNKNOWN_REVISION = "UnknownRevision"
    OVERRIDDEN = "Overridden"
    STATUS_LOST = "StatusLost"
    VERB_SUPERSEDED = "VerbSuperseded"
    NOTHING_TO_ABORT = "NothingToAbort"
    NOTHING_TO_PROMOTE = "NothingToPromote"


PassedOn = NewType("PassedOn", str)
"""A reason that is not made here but passed on: read from the status, where a newer operator may have put one that this
one does not know, or a Gateway's own word for why it does not serve a route."""

AnyReason = Reason | PassedOn


class Place(StrEnum):
    """Where a reason can be met."""

    CONDITION = "condition"
    EVENT = "Event"
    LEDGER = "ledger"  # status.rejected
    HOLD = "hold"  # status.hold
    HISTORY = "history"


class Person(StrEnum):
    """Whether somebody has to do something before it goes on."""

    NO = "no"
    IF_IT_LASTS = "if it lasts"  # the operator tries again by itself; the cause may need someone
    DECIDES = "to decide"  # it waits for someone's word, and nothing is wrong
    NEEDED = "yes"


@dataclass(frozen=True, slots=True)
class About:
    """`meaning`: a clause that follows the reason. `steps`: what to do, each begins with a verb; commands stand in
    backquotes and can be pasted once `{name}` and `{namespace}`, the resource's, are filled in."""

    places: tuple[Place, ...]
    person: Person
    meaning: str
    steps: tuple[str, ...] = ()
