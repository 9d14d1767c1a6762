"""What the operator remembers of the comparison between two revisions: `.status.candidate.analysis`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from maraudersmap_operator.resource.analysis import MAX_QUERIES
from maraudersmap_operator.resource.status_model import MicroTime, StatusModel

MAX_BUCKETS = 12
CALLER_GROUPS = 16
MAX_QUERY_ERROR = 256
MAX_DISTURBED = 64

Count = Annotated[int, Field(ge=0)]


class Bucket(StatusModel):
    le: float = Field(description="Upper bound in seconds, inclusive.")
    count: Count = Field(description="Requests that took no longer.")


def _is_empty(counts: tuple[int, ...]) -> bool:
    return not counts


class Tally(StatusModel):
    """Requests that pods have answered. Health checks and scrapes do not count."""

    requests: Count = Field(default=0, description="Answered requests.")
    errors: Count = Field(default=0, description="Of those, with a status of 500 or more.")
    timed: Count = Field(default=0, description="Requests whose duration is known.")
    seconds: float = Field(default=0.0, ge=0, description="Sum of their durations.")
    buckets: tuple[Bucket, ...] = Field(
        default=(),
        max_length=MAX_BUCKETS,
        description="How many of them took no longer than each bound; the bounds ascend.",
    )
    # v0.1.0 has no place for these two; where they are not known they are not stored, and nothing is lost.
    requests_by_callers: tuple[Count, ...] = Field(
        default=(),
        max_length=CALLER_GROUPS,
        exclude_if=_is_empty,
        description="Answered requests of each group of callers; absent where the pods do not report it.",
    )
    errors_by_callers: tuple[Count, ...] = Field(
        default=(),
        max_length=CALLER_GROUPS,
        exclude_if=_is_empty,
        description="Of those, with a status of 500 or more.",
    )


class QueryAnswer(StatusModel):
    """What Prometheus answered last."""

    name: str = Field(description="Name of the query.")
    value: float | None = Field(default=None, description="The number; absent when there was none.")
    error: str = Field(default="", description="Why there was none.", max_length=MAX_QUERY_ERROR)
    bad_looks: Count = Field(default=0, description="Looks in a row at which the number was out of bounds.")


class Comparison(StatusModel):
    """The candidate beside its control group, counted since the current window began."""

    control: Tally = Field(default=Tally(), description="Answers of the stable revision.")
    trial: Tally = Field(default=Tally(), description="Answers of the candidate.")
    error_looks: Count = Field(
        default=0,
        le=3,
        description="Looks of late with too many errors of the candidate, less those without; 3 at most.",
    )
    slow_looks: Count = Field(
        default=0,
        le=3,
        description="Looks of late with too many slow answers of the candidate, less those without; 3 at most.",
    )
    disturbed: str = Field(
        default="",
        max_length=MAX_DISTURBED,
        description="What stable's pods, out of traffic, cannot reach now; such looks do not count.",
    )
    queries: tuple[QueryAnswer, ...] = Field(
        default=(), max_length=MAX_QUERIES, description="What Prometheus answered last."
    )
    compared: bool = Field(
        default=False, description="The window before had enough requests, and nothing against the candidate."
    )
    window: int = Field(default=1, ge=1, description="Number of the window; counting starts again in each.")
    window_started_at: MicroTime = Field(description="When it began.")
    looked_at: MicroTime | None = Field(default=None, description="When the pods were last asked.")
