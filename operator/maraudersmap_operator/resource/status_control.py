"""The control group: the stable revision, its pods, and what they suffer with and without a candidate beside them."""

from __future__ import annotations

from pydantic import Field

from .status_model import MicroTime, StatusModel, Time

MAX_CONTROLS = 20
MAX_UNREST = 30


class ControlPod(StatusModel):
    """A pod of the stable revision that was ready when the candidate started: what it suffers is not the candidate's
    fault alone."""

    pod: str = Field(description="UID of the pod.")
    terminations: int = Field(default=0, description="Its container terminations at that moment.")


class Unrest(StatusModel):
    """A pod of the stable revision that was ready and was not, or whose container ended, while nothing was on trial."""

    pod: str = Field(description="UID of the pod.")
    since: MicroTime = Field(description="When it was first seen unready.")
    until: MicroTime | None = Field(default=None, description="When it was seen ready again, or gone.")
    ended: int = Field(default=0, description="Container terminations seen in between.")


class StableMemory(StatusModel):
    pods: tuple[ControlPod, ...] = Field(
        default=(), max_length=MAX_CONTROLS, description="Its pods that have been seen ready."
    )
    unrest: tuple[Unrest, ...] = Field(
        default=(), max_length=MAX_UNREST, description="What they suffered lately, the newest last."
    )


class StableRevision(StatusModel):
    revision: str = Field(description="Hash of the last revision that came through its bake.")
    image: str = Field(description="Its image.")
    since: Time = Field(description="When it became stable.")
    memory: StableMemory = Field(
        default=StableMemory(), description="What the engine remembers of it; nothing here is for people."
    )


class Baseline(StatusModel):
    """How the stable revision fared in the ten minutes before the candidate started: what it suffers anyway."""

    at_once: int = Field(default=0, description="The most of its pods that were unready at the same time.")
    longest_seconds: float = Field(default=0, description="The longest that one of them was unready.")
    ended: int = Field(default=0, description="Container terminations in those ten minutes.")


class ControlGroup(StatusModel):
    """What the candidate is compared with: how stable's pods fared before it started, and since."""

    pods: tuple[ControlPod, ...] = Field(
        default=(),
        max_length=MAX_CONTROLS,
        description="The control group: pods of stable that were ready at the start, or in the place of one that was.",
    )
    baseline: Baseline = Field(default=Baseline(), description="What stable suffered before the start.")
    undisturbed: bool = Field(
        default=False, description="Someone asked for it in spite of what the stable revision suffers."
    )
    hurt_since: MicroTime | None = Field(
        default=None, description="Since when a pod of the control group is unready or has restarted."
    )
