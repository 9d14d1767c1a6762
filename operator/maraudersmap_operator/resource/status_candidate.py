"""The revision on trial: `.status.candidate`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from .place import place_of
from .policy import Strategy
from .status_analysis import Comparison
from .status_control import MAX_CONTROLS, Baseline, ControlPod, TerminationRecord
from .status_model import MAX_MESSAGE, MicroTime, StatusModel, Time

MAX_TERMINATION_RECORDS = 30


class Step(StrEnum):
    """Where a candidate stands in its strategy."""

    MIGRATING = "Migrating"
    WITNESSES = "Witnesses"
    SHARING = "Sharing"
    FULL_SIZE = "FullSize"
    BAKING = "Baking"


class CandidateVerdict(StatusModel):
    reason: str = Field(
        description="A CamelCase word: ImageNotFound, CrashLoop, ProgressDeadlineExceeded, ..."
    )
    message: str = Field(description="What was seen.", max_length=MAX_MESSAGE)
    detected_at: MicroTime = Field(description="When the verdict was reached.")
    environment: bool = Field(
        default=False, description="Not the revision's fault: it is tried again later and enters no ledger."
    )


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
