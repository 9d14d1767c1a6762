"""The four verdicts, and what one rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from maraudersmap_operator.resource.policy import Rollout
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import CandidateRevision
from maraudersmap_operator.resource.status_model import shorten

from ..facts import Admission, MigrationFacts, RevisionFacts
from .control_group import disturbance, failing_start

# No suffering of stable explains these: they lie in the image or the template.
IN_THE_TEMPLATE = frozenset({Reason.IMAGE_NOT_FOUND, Reason.CONTAINER_CONFIG_INVALID})
# A database that is away looks like this in a good revision, too.
NEEDS_CONTROLS = frozenset({Reason.CRASH_LOOP, Reason.PROGRESS_DEADLINE_EXCEEDED, Reason.ROLLOUT_TIMEOUT})
# How much of a deadline a pod's own container must have had before it is to blame for not having made it.
FAIR_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Healthy:
    """Every wanted pod has been ready for long enough."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Nothing to hold against it yet. `until`: when the passing of time alone could change that."""

    until: datetime
    message: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The revision is bad, whenever and wherever it is tried."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The revision cannot be tried here and now; that is nothing against it."""

    reason: Reason
    message: str


Verdict = Healthy | Pending | Rejected | Environment


@dataclass(frozen=True, slots=True)
class Case:
    """What a verdict rests on. Call `remember` on the candidate first."""

    candidate: CandidateRevision
    facts: RevisionFacts
    stable: RevisionFacts  # the control group; empty without a stable revision
    migration: MigrationFacts | None
    admission: Admission | None
    rollout: Rollout
    wanted: int
    now: datetime
    migration_limit: timedelta
    # What its own database has suffered since the candidate started, as a sentence; empty: nothing.
    database: str
    # Why stable proves nothing about the Secrets as they are now, as a sentence; empty: it does, or pods read none.
    secrets: str = ""
    first: bool = False  # no stable revision yet: nothing is rejected, becoming ready is all that counts


def unless_disturbed(case: Case, found: Rejected | Environment) -> Rejected | Environment:
    """What stable suffers as well cannot be held against the candidate, unless it lies in its image or template; nor what
    a cause that both share looks like, while neither is well; nor what became of it without its database."""
    if isinstance(found, Environment) or found.reason in IN_THE_TEMPLATE:
        return found
    if case.database:
        return Environment(Reason.DATABASE_DISTURBED, shorten(f"{found.message}; {case.database}"))
    if suffering := disturbance(case.candidate, case.stable, case.now):
        return Environment(Reason.STABLE_DISTURBED, shorten(f"{found.message}; {suffering}"))
    if found.reason in NEEDS_CONTROLS and not case.first and _is_sick(case):
        alone = "no pod of the stable revision is ready to compare with"
        return Environment(Reason.NO_CONTROL_GROUP, shorten(f"{found.message}; {alone}"))
    if found.reason in NEEDS_CONTROLS and (suffering := failing_start(case.stable)):
        return Environment(Reason.STABLE_DISTURBED, shorten(f"{found.message}; {suffering}"))
    if found.reason in NEEDS_CONTROLS and not case.first and case.secrets:
        return Environment(Reason.NO_CONTROL_GROUP, shorten(f"{found.message}; {case.secrets}"))
    return found


def _is_sick(case: Case) -> bool:
    """Stable should have pods, and none of them is ready. An exchange that is complete has left it none, and what is alone
    with the users gets no second try for that; nor for a batch that starts to go back to, until that has had its time."""
    stable = case.stable
    if stable.size == 0 or stable.ready:
        return False
    fair = timedelta(seconds=case.rollout.progress_deadline_seconds) * FAIR_SHARE
    return not case.candidate.serves_alone or any(
        p.ran_since and case.now - p.ran_since >= fair for p in stable.active
    )
