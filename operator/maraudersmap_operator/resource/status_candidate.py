"""The revision on trial: `.status.candidate`. What a person reads of it comes first, the engine's own memory last."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .place import place_of
from .policy import Strategy
from .status_memory import CandidateMemory
from .status_model import MAX_MESSAGE, MicroTime, StatusModel


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
    strategy: Strategy = Field(
        default=Strategy.BLUE_GREEN, description="How it gets its traffic; the spec's at its start."
    )
    started_at: MicroTime = Field(description="When the operator first acted on it.")
    step: Step = Field(description="Where it stands: Migrating, Witnesses, Sharing, FullSize or Baking.")
    step_started_at: MicroTime = Field(description="When the step began.")
    canary_step: int = Field(default=0, description="While Sharing: which of rollout.steps, from 0.")
    had_traffic: bool = Field(default=False, description="Users' requests have reached it.")
    verdict: CandidateVerdict | None = Field(
        default=None, description="The verdict that is being carried out."
    )
    memory: CandidateMemory = Field(
        description="What the engine remembers of it; nothing here is for people."
    )

    @property
    def place(self) -> str:
        """Where it stands, in the word that `hogwarts.edu/promote` names."""
        return place_of(self.step, self.strategy, self.canary_step)

    @property
    def serves_alone(self) -> bool:
        """An exchange is complete, and has left stable no pods."""
        return self.strategy is Strategy.ROLLING and self.step is Step.BAKING
