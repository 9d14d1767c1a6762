"""The closed set of things a decision may ask for, and the decision itself.

Each action is idempotent: carried out twice, or after a crash in the middle, it ends in the same cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import MaraudersMapStatus


@dataclass(frozen=True, slots=True)
class RecordRevision:
    """Write the ControllerRevision of the target, rendered from the spec as it is now."""

    revision: str


@dataclass(frozen=True, slots=True)
class Migrate:
    """Start the migrations Job of the revision."""

    revision: str
    attempt: int


@dataclass(frozen=True, slots=True)
class MarkMigrated:
    """Note on the ControllerRevision that its migrations are done: Jobs get deleted. `at`: when the Job was made that has
    done them, by the API server's clock, which also has the age of a database's data."""

    revision: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Deploy:
    """Write the revision's Deployment from its ControllerRevision. Never touches replicas."""

    revision: str


@dataclass(frozen=True, slots=True)
class ScaleTo:
    revision: str
    replicas: int


@dataclass(frozen=True, slots=True)
class RouteTo:
    """Point the Service and the disruption budget at the revision, in this order (TrafficTarget has the words)."""

    revision: str


@dataclass(frozen=True, slots=True)
class Weigh:
    """Give the preview Service, which is the candidate's, this percentage of the Gateway's requests."""

    percent: int


@dataclass(frozen=True, slots=True)
class KeepEvidence:
    """Save logs and Events of the revision's worst pod into its ledger entry, while there still is a pod."""

    revision: str


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Write the decision's status now, before the actions that follow."""


@dataclass(frozen=True, slots=True)
class Retire:
    """Delete the revision's Deployment and unfinished migrations Jobs, if any. Its ControllerRevision stays."""

    revision: str


Action = (
    RecordRevision
    | Migrate
    | MarkMigrated
    | Deploy
    | ScaleTo
    | RouteTo
    | Weigh
    | KeepEvidence
    | StoreStatus
    | Retire
)


class NoteType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Note:
    """A Kubernetes Event: something happened, once."""

    type: NoteType
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Autoscaled:
    """What the autoscaler is to do once the actions have run."""

    revision: str = ""  # empty: there is none yet
    least: int = 0  # never fewer pods than this; 0: as the spec has it
    held: bool = False  # an exchange decides about pods: the autoscaler keeps its history and moves nothing


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now.

    `actions` run in order. `status` is what to store when they have been carried out, `withheld` when one of those that
    move traffic (RouteTo, Weigh) has not: all that this pass has learned, with the rollout where it was. `wake_after`:
    look again then even if nothing happens; None waits for a watch event.
    """

    status: MaraudersMapStatus
    withheld: MaraudersMapStatus
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    wake_after: timedelta | None = None
    autoscaled: Autoscaled = Autoscaled()
    previewed: str = ""  # the revision that the preview Service leads to; empty: none
    ask_admission: bool = (
        False  # have one pod of each revision tried, dry, for the next pass (facts.Admission)
    )
