"""What became of revisions that are not on trial: rejected, waiting for another try, or over."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .names import ANNOTATION_RETRY
from .status_model import MAX_MESSAGE, StatusModel, Time

MAX_REJECTED = 10
MAX_HISTORY = 20
MAX_LOG_LINES = 12
MAX_LOG_LINE = 240
MAX_POD_EVENTS = 5


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
        description=f"It had traffic too often to be tried by itself: until {ANNOTATION_RETRY} or a new spec.",
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
