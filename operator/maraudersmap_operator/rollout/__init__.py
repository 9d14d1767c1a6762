"""The brain, pure: what makes a revision, how to judge one, what to do next. No I/O, no clock, no kopf."""

from .decide import decide
from .facts import (
    JobState,
    MigrationFacts,
    Need,
    Observed,
    PodFacts,
    RecordedRevision,
    RevisionFacts,
    Target,
    Termination,
)
from .plan import (
    Action,
    Autoscaled,
    Decision,
    Deploy,
    KeepEvidence,
    MarkMigrated,
    Migrate,
    Note,
    NoteType,
    Record,
    Retire,
    RouteTo,
    ScaleTo,
    StoreStatus,
)
from .report import report_refusal
from .revision import name_revision, revision_hash, revision_inputs

__all__ = [
    "Action",
    "Autoscaled",
    "Decision",
    "Deploy",
    "JobState",
    "KeepEvidence",
    "MarkMigrated",
    "Migrate",
    "MigrationFacts",
    "Need",
    "Note",
    "NoteType",
    "Observed",
    "PodFacts",
    "Record",
    "RecordedRevision",
    "Retire",
    "RevisionFacts",
    "RouteTo",
    "ScaleTo",
    "StoreStatus",
    "Target",
    "Termination",
    "decide",
    "name_revision",
    "report_refusal",
    "revision_hash",
    "revision_inputs",
]
