"""Migrations that failed: was it they, or what was done to them?"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.status_candidate import CandidateRevision

from ..facts import EXIT_UNREACHABLE, KILLED, MigrationFacts
from .case import FAIR_SHARE


def own_failure(candidate: CandidateRevision, migration: MigrationFacts, limit: timedelta) -> str:
    """What the revision's own migrations did to fail, as a sentence; empty when whatever failed was not they.

    `limit`: the time that one attempt may take.
    """
    code, ran = migration.exit_code, candidate.memory.migrations.ran_at
    if code is not None and code not in (0, EXIT_UNREACHABLE, *KILLED):
        return f"exit code {code}: {migration.message}"
    # Killed, or gone with its pod: by the Job's own deadline, of which it had its share.
    if (
        code != 0
        and migration.out_of_time
        and ran is not None
        and migration.finished_at
        and migration.finished_at - ran >= limit * FAIR_SHARE
    ):
        return f"not done after {limit.total_seconds():g} s: {migration.message}"
    if code in KILLED and any(t.reason == "OOMKilled" for p in migration.pods for t in p.last_terminations):
        return f"exit code {code} (OOMKilled): {migration.message}"
    return ""


def why_interrupted(candidate: CandidateRevision, migration: MigrationFacts) -> str:
    """Why an attempt failed that is not to blame for it, in one sentence."""
    injected = next((p.injected for p in migration.pods if p.injected), "")
    known = candidate.memory.migrations
    ran = "before they were done" if known.ran_at else "before its migrations ran"
    why = injected or known.waited or migration.message
    return f"the Job ended {ran}{': ' + why if why else ''}"
