"""Is the candidate healthy, still on its way, to be rejected, or held back by something that is not its fault?

The numbers come from a real kubelet: two pods that exit at once give four terminations within 4 s,
then none until 19 s; an app that fails for its first 6 s and recovers looks the same so far. Hence a later attempt must fail
too, one that began FRESH_ATTEMPT or more after the first one began.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.resource.status_model import shorten

from ..facts import JobState, PodFacts
from .case import Case, Environment, Healthy, Pending, Rejected, Verdict, unless_disturbed
from .control_group import disturbance
from .deadline import fair_until, in_charge, out_of_time, uncounted, why_not_ready
from .migration_failure import own_failure, why_interrupted
from .pod_failures import (
    ADMISSION_TWICE,
    Trouble,
    create_trouble,
    last_end,
    pod_trouble,
    refusal,
    why_waiting,
)
from .pod_history import FRESH_ATTEMPT, fresh_witness_at, starting_pods, terminations

# With a single pod there is no second opinion: the kubelet's own second pull comes about 10 s after the first.
SECOND_PULL = timedelta(seconds=12)
# Quota and admission speak through controllers that retry by themselves; pods on their way out free quota.
CREATE_PATIENCE = timedelta(seconds=5)
# The API server is asked in the pass after the one that saw the refusal. One that does not answer for this long cannot.
ADMISSION_PATIENCE = timedelta(seconds=15)
# One missed probe of one stable pod is no reason to stop a rollout.
CONTROLS_PATIENCE = timedelta(seconds=3)
# No two clocks that are kept differ by more: a time that lies further ahead was taken by one that is not.
SKEW = timedelta(minutes=1)
# A pod that ended after an hour need not prove itself for an hour.
LONGEST_RUN = timedelta(seconds=60)


def classify(case: Case) -> Verdict:
    """Judge the candidate. The order of the checks is the order of how certain they are."""
    if case.first and _settled(case):
        return Healthy()
    for check in (
        _image_unobtainable,
        _config_invalid,
        _pods_refused,
        keeps_ending,
        _migration_failed,
        _migration_without_room,
    ):
        if found := check(case):
            return unless_disturbed(case, found)
    # Before the deadline: a candidate that starves stable must not be given 300 s to do so.
    since = case.candidate.memory.control_group.hurt_since
    if since is not None and case.now - since >= CONTROLS_PATIENCE:
        return Environment(Reason.STABLE_DISTURBED, disturbance(case.candidate, case.stable, case.now))
    if _settled(case):
        return Healthy()
    # A healthy candidate may be held, by a pause, for as long as people like: only an unready one runs out of time.
    return out_of_time(case) or Pending(_next_moment(case), why_not_ready(case.facts, case.wanted))


def _image_unobtainable(case: Case) -> Rejected | Environment | None:
    pods = starting_pods(case.facts, case.migration)
    for trouble in (Trouble.IMAGE_NOT_FOUND, Trouble.IMAGE_DENIED):
        seen = [p for p in pods if pod_trouble(p) is trouble]
        since = case.candidate.memory.failures.pull_error_since
        if not seen or since is None or case.now < since + _pull_patience(case, len(seen)):
            continue
        message = shorten(seen[0].waiting_message or seen[0].waiting_reason)
        # Running pods do not pull: expired credentials are nothing against the revision.
        denied = trouble is Trouble.IMAGE_DENIED
        return Environment(Reason(trouble), message) if denied else Rejected(Reason(trouble), message)
    return None


def _pull_patience(case: Case, opinions: int) -> timedelta:
    """How long the image may be missing: reported by two pods, only as long as the user grants."""
    grace = timedelta(seconds=case.rollout.image_not_found_grace_seconds)
    return grace if opinions >= 2 else max(grace, SECOND_PULL)


def _config_invalid(case: Case) -> Rejected | None:
    seen = [p for p in case.facts.active if pod_trouble(p) is Trouble.CONFIG_INVALID]
    if len(seen) >= 2 or any(case.now - p.created_at >= CREATE_PATIENCE for p in seen):
        return Rejected(
            Reason.CONTAINER_CONFIG_INVALID, shorten(f"{seen[0].waiting_reason}: {seen[0].waiting_message}")
        )
    return None


def _pods_refused(case: Case) -> Rejected | Environment | None:
    """Pods that cannot even be created, of the Deployment or of the migrations Job."""
    message = refusal(case.facts, case.migration)
    trouble = create_trouble(message)
    if trouble in (None, Trouble.MAY_PASS) or case.now - case.candidate.step_started_at < CREATE_PATIENCE:
        return None
    if trouble is Trouble.ADMISSION_REFUSED:
        return _refused_by_admission(case, message)
    return Environment(Reason(trouble), shorten(message))


def _refused_by_admission(case: Case, message: str) -> Rejected | Environment | None:
    """A policy that admits stable's pods and not these has something against this revision, if it stays with it."""
    known = case.candidate.memory.failures
    reason, asked, since = Reason.ADMISSION_REFUSED, case.admission, known.refused_since or case.now
    first = known.admission_refused_at
    due = since if first is None else first + ADMISSION_TWICE
    if asked is None:
        unanswered = case.now >= due + ADMISSION_PATIENCE
        return Environment(reason, shorten(message)) if unanswered else None
    if not asked.candidate_refused:
        return None
    if not asked.stable_accepted:
        return Environment(
            reason, shorten(f"{message}; pods of the stable revision would be refused as well")
        )
    return Rejected(reason, shorten(asked.candidate_refused)) if first and case.now >= due else None


def keeps_ending(case: Case) -> Rejected | None:
    """The crash-loop rule, which holds under traffic too."""
    count = terminations(case.candidate, case.now)
    limit = max(case.rollout.max_failures, max(case.wanted, case.facts.size) / 2)
    if count < limit or not case.candidate.memory.failures.late_failure:
        return None
    ends = Counter(t.reason for p in case.facts.active for t in p.last_terminations)
    reason = Reason.OOM_KILLED if ends and ends.most_common(1)[0][0] == "OOMKilled" else Reason.CRASH_LOOP
    return Rejected(reason, shorten(f"containers ended {count} times; {last_end(case.facts.active)}"))


def _migration_failed(case: Case) -> Rejected | Environment | None:
    migration = case.migration
    if migration is None or migration.state is not JobState.FAILED or migration.interrupted:
        return None
    if migration.attempt != case.candidate.memory.migrations.attempt:
        return None  # an earlier attempt's; the next one has just been asked for
    if case.candidate.step is not Step.MIGRATING:
        return None  # it has been seen to end well: what the Job reports later is of its pod, or its deadline
    if cause := own_failure(case.candidate, migration, case.migration_limit):
        return Rejected(Reason.MIGRATION_FAILED, shorten(cause))
    return Environment(Reason.MIGRATION_INTERRUPTED, shorten(why_interrupted(case.candidate, migration)))


def _migration_without_room(case: Case) -> Environment | None:
    """Its pod waits for a node as long as pods of the candidate would be let wait. The Job's own deadline is no help: it
    would look like a failure of the revision."""
    migration = case.migration
    if migration is None or migration.state is not JobState.RUNNING or case.now < _migration_deadline(case):
        return None
    if not any(pod_trouble(p) is Trouble.NO_CAPACITY for p in migration.pods):
        return None
    return Environment(Reason.INSUFFICIENT_CAPACITY, why_waiting(migration.pods))


def _migration_deadline(case: Case) -> datetime:
    return case.candidate.step_started_at + timedelta(seconds=case.rollout.progress_deadline_seconds)


def _settled_at(case: Case) -> list[datetime]:
    least = timedelta(seconds=case.rollout.min_ready_seconds)
    proven = case.candidate.memory.progress.proven_at or case.now
    # Not every kubelet reports since when.
    ready = [(p, p.ready_since or proven) for p in case.facts.active if p.ready]
    return sorted(
        (since if since <= case.now + SKEW else proven) + max(least, _longest_run(p)) for p, since in ready
    )


def _longest_run(pod: PodFacts) -> timedelta:
    """How long it has worked before it ended: it must do better than that before it counts again."""
    runs = (t.finished_at - t.started_at for t in pod.last_terminations if t.started_at and t.finished_at)
    return min(max(runs, default=timedelta(0)), LONGEST_RUN)


def _settled(case: Case) -> bool:
    moments = _settled_at(case)
    return 0 < case.wanted <= len(moments) and moments[case.wanted - 1] <= case.now


def _next_moment(case: Case) -> datetime:
    """When the passing of time alone could change the verdict."""
    candidate, memory, rollout = case.candidate, case.candidate.memory, case.rollout
    failures, hurt_since = memory.failures, memory.control_group.hurt_since
    moments = [
        memory.progress.progressed_at + timedelta(seconds=rollout.progress_deadline_seconds),
        candidate.started_at + timedelta(seconds=rollout.timeout_seconds) + uncounted(candidate, case.now),
        candidate.step_started_at + CREATE_PATIENCE,
        _migration_deadline(case),
        *_settled_at(case),
        *(fair_until(case, p) for p in in_charge(case) if p.ran_since and not p.ready),
        *(p.created_at + CREATE_PATIENCE for p in case.facts.active if p.waiting_reason),
    ]
    if failures.pull_error_since:
        moments += [failures.pull_error_since + _pull_patience(case, opinions) for opinions in (1, 2)]
    if failures.refused_since:
        moments += [failures.refused_since + ADMISSION_PATIENCE]
    if failures.admission_refused_at:
        due = failures.admission_refused_at + ADMISSION_TWICE
        moments += [due, due + ADMISSION_PATIENCE]
    if hurt_since:
        moments.append(hurt_since + CONTROLS_PATIENCE)
    if fresh := fresh_witness_at(candidate):
        moments.append(fresh)
    return min((m for m in moments if m > case.now), default=case.now + FRESH_ATTEMPT)
