"""The engine's own memory of a candidate: `.status.candidate.memory`.

Written for the next pass, which may be another process's. What a person reads stands beside it in `.status.candidate`.
"""

from __future__ import annotations

from pydantic import Field

from .model import not_filled_in
from .status_analysis import Comparison
from .status_control import ControlGroup
from .status_model import MAX_MESSAGE, MicroTime, StatusModel, Time

MAX_TERMINATION_RECORDS = 30


class Progress(StatusModel):
    """How far the candidate has come, and which time counts for its deadlines."""

    progressed_at: MicroTime = Field(
        description="When pods last became ready, or the step began; the progress deadline counts from here."
    )
    ready_high_water: int = Field(default=0, description="The most pods that were ready at once.")
    proven_at: MicroTime | None = Field(
        default=None, description="When that number last grew: pods made later have proven nothing yet."
    )
    settled_at: MicroTime | None = Field(
        default=None, description="Since when the step has all the pods that it wants, ready for long enough."
    )
    waiting_since: MicroTime | None = Field(
        default=None,
        description="Since when it is healthy and waits for what a step needs besides: traffic, room.",
    )
    led_since: MicroTime | None = Field(
        default=None,
        description="Since when the preview Service leads to pods of it, while a Gateway shares.",
    )
    held_seconds: float = Field(
        default=0, description="Seconds that it was healthy and had to wait; no deadline counts them."
    )
    unwatched_seconds: float = Field(
        default=0, description="Seconds in which no operator looked; no deadline counts them."
    )
    full_size: int = Field(
        default=0,
        description="Pods that served when traffic was first shared; what an exchange has to end at.",
    )


def _is_none(count: int) -> bool:
    return count == 0


class TerminationRecord(StatusModel):
    """Terminations of one pod of the candidate; kept after the pod is gone."""

    pod: str = Field(description="UID of the pod.")
    count: int = Field(description="Container terminations seen: restarts, and one more while it is down.")
    # v0.1.0 has no place for it.
    unseen: int = Field(
        default=0,
        exclude_if=_is_none,
        json_schema_extra=not_filled_in,
        description="Further ones that no one has seen, because the node was reset: they do not count.",
    )
    last_at: Time = Field(description="When the count last grew.")


class Failures(StatusModel):
    """What its pods have failed at so far: evidence for a verdict."""

    first_attempt_at: Time | None = Field(
        default=None, description="When the first of its containers that ended had begun."
    )
    first_failure_at: Time | None = Field(default=None, description="When that container ended.")
    late_failure: bool = Field(
        default=False,
        description="A later attempt, begun 8 s or more after that one began, has failed as well; or two pods that had "
        "worked have ended by themselves, 8 s or more apart.",
    )
    terminations: tuple[TerminationRecord, ...] = Field(
        default=(), max_length=MAX_TERMINATION_RECORDS, description="Container terminations per pod."
    )
    half_down_since: MicroTime | None = Field(
        default=None, description="In the bake: since when fewer than half of its pods are ready."
    )
    pull_error_since: MicroTime | None = Field(default=None, description="Since when the image is not found.")
    refused_since: MicroTime | None = Field(
        default=None, description="Since when its pods are refused by an admission."
    )
    admission_refused_at: MicroTime | None = Field(
        default=None,
        description="When a try of one pod of each revision was first answered with a refusal of this one's alone.",
    )


class MigrationAttempt(StatusModel):
    """The present attempt of its migrations."""

    attempt: int = Field(default=0, description="Attempts of the migrations Job so far.")
    ran_at: MicroTime | None = Field(
        default=None, description="When the container of the present attempt was first seen to have run."
    )
    waited: str = Field(
        default="", max_length=MAX_MESSAGE, description="What kept the present attempt from running."
    )


class CandidateMemory(StatusModel):
    progress: Progress = Field(description="How far it has come, and which time counts for its deadlines.")
    failures: Failures = Field(default=Failures(), description="What its pods have failed at so far.")
    control_group: ControlGroup = Field(
        default=ControlGroup(), description="Pods of stable: what they suffer is not the candidate's alone."
    )
    migrations: MigrationAttempt = Field(
        default=MigrationAttempt(), description="The present attempt of its migrations."
    )
    analysis: Comparison | None = Field(
        default=None, description="Its answers beside those of the stable revision; see docs/analysis.md."
    )
