"""What people have asked for with annotations, and what has been done about it: see rollout/commands.py."""

from __future__ import annotations

from pydantic import Field

from .names import (
    ANNOTATION_ABORT,
    ANNOTATION_PROMOTE,
    ANNOTATION_RESTART,
    ANNOTATION_RETRY,
    ANNOTATION_ROLLBACK_TO,
)
from .status_model import MicroTime, StatusModel


class Pin(StatusModel):
    """An earlier revision asked for by hogwarts.edu/rollback-to; it ends when the spec asks for something else."""

    revision: str = Field(description="Hash of the revision that is wanted instead of the spec's.")
    against: str = Field(description="Hash of the spec's revision when it was asked for.")


class WaitingVerb(StatusModel):
    """A new value of a verb's annotation that could not act yet. It does for as long as the spec asks for the same."""

    verb: str = Field(description="`retry` or `rollback-to`.")
    token: str = Field(description="The annotation's value.")
    asked_of: str = Field(
        description="Hash of what the spec asked for when the value was first seen, contents of ConfigMaps left out."
    )


class Tokens(StatusModel):
    """The last value acted upon of each verb's annotation."""

    retry: str = Field(default="", description=f"Last value of {ANNOTATION_RETRY} acted upon.")
    promote: str = Field(default="", description=f"Last value of {ANNOTATION_PROMOTE} acted upon.")
    promoted_at: MicroTime | None = Field(
        default=None, description=f"When {ANNOTATION_PROMOTE} last let go on."
    )
    abort: str = Field(default="", description=f"Last value of {ANNOTATION_ABORT} acted upon.")
    rollback_to: str = Field(default="", description=f"Last value of {ANNOTATION_ROLLBACK_TO} acted upon.")
    restart: str = Field(default="", description=f"Last value of {ANNOTATION_RESTART} acted upon.")
    waiting: tuple[WaitingVerb, ...] = Field(
        default=(), max_length=2, description="Values that have been seen and could not act yet."
    )
