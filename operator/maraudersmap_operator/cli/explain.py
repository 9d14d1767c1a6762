"""`explain`: why a resource is as it is, on what evidence, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from maraudersmap_operator.resource.names import LABEL_COMPONENT, LABEL_INSTANCE, SHARED, Component
from maraudersmap_operator.resource.reasons import About, Reason
from maraudersmap_operator.resource.status import ConditionType, Phase
from maraudersmap_operator.resource.status_outcomes import RejectedRevision

from .advice import advice, known
from .ages import ago, short
from .output import Format, Output
from .snapshot import NOT_READY, Pod, Snapshot

MOST_EVENTS = 8
# What the facts name when it does not hold.
TELLING = (
    ConditionType.AVAILABLE,
    ConditionType.DATABASE_READY,
    ConditionType.MIGRATIONS_READY,
    ConditionType.ROUTE_READY,
)
# Readiness asks for what the API cannot do without, and no one but the pods knows which of it is away.
WHAT_PODS_MISS = (
    (
        "its pods run and report that they are not ready: what they miss, such as the database, and since when, is in "
        f"their log: `kubectl logs -n {{namespace}} -l {LABEL_INSTANCE}={{name}},{LABEL_COMPONENT}={Component.API} -c api "
        "--tail=-1 --since=1h --prefix | grep dependency`"
    ),
    (
        "what one of them misses now: `kubectl port-forward -n {namespace} pod/{pod} 4001`, and meanwhile "
        "`curl http://127.0.0.1:4001/health/ready`"
    ),
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """`verdict` is one sentence; `reason` the operator's word for it, the key of the advice."""

    namespace: str
    name: str
    phase: str
    verdict: str
    reason: str
    meaning: str
    message: str
    evidence: tuple[str, ...]
    logs: tuple[str, ...]
    events: tuple[str, ...]
    next_steps: tuple[str, ...]
    notes: tuple[str, ...]


def show(snapshot: Snapshot, output: Output, now: datetime) -> None:
    explanation = explain(snapshot, now)
    if output.format is Format.JSON:
        output.json(explanation)
    else:
        output.lines(explanation_lines(explanation))


def explain(snapshot: Snapshot, now: datetime) -> Explanation:
    """The one cause that matters most now. `now` is aware UTC, for ages."""
    reason, verdict, message = _cause(snapshot, now)
    about = advice(reason)
    entry = snapshot.rejection
    kept = entry.evidence if entry is not None else None
    facts = _facts(snapshot, entry, now)
    if kept is not None and kept.exit_code is not None:
        facts.append(
            f"a container of it ended with exit code {kept.exit_code}"
            + (f" ({kept.reason})" if kept.reason else "")
        )
    steps = _steps(snapshot, about)
    return Explanation(
        namespace=snapshot.namespace,
        name=snapshot.name,
        phase=snapshot.phase or "Unseen",
        verdict=verdict,
        reason=reason,
        meaning=about.meaning,
        message=message,
        evidence=tuple(facts),
        logs=kept.logs if kept else (),
        events=(*(kept.events if kept else ()), *_events(snapshot, now)),
        next_steps=tuple(s.format(name=snapshot.name, namespace=snapshot.namespace) for s in steps),
        notes=snapshot.notes,
    )


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.namespace}/{explanation.name} is {explanation.phase}: {explanation.verdict}"
    yield ""
    yield f"Why: {explanation.reason}: {explanation.meaning}."
    if explanation.message:
        yield f"     {explanation.message}"
    for title, lines in (
        ("Evidence", explanation.evidence),
        ("Last log lines", explanation.logs),
        ("Events", explanation.events),
        ("What to do", explanation.next_steps),
        ("Notes", explanation.notes),
    ):
        if lines:
            yield ""
            yield f"{title}:"
            yield from (f"  - {line}" if title != "Last log lines" else f"  | {line}" for line in lines)


def _cause(snapshot: Snapshot, now: datetime) -> tuple[str, str, str]:
    """Reason, verdict and the operator's message, the most pressing first."""
    status = snapshot.status
    entry, candidate, hold = snapshot.rejection, status.candidate, status.hold
    serves = f"{status.stable.image} ({status.stable.revision}) serves" if status.stable else "nothing serves"
    if not snapshot.phase:
        return "Pending", "the operator has not seen it yet", "is the operator running?"
    if candidate is not None and candidate.verdict is not None:
        verdict = candidate.verdict
        why = "cannot be tried here and now" if verdict.environment else "is judged bad"
        return verdict.reason, f"{_named(candidate)} {why} and is being taken back", verdict.message
    if snapshot.sent_back and status.pin is not None and candidate is None:
        return (
            "RolledBackTo",
            f"{serves}, asked for by `undo` instead of {status.pin.against}",
            status.message,
        )
    if entry is not None and status.phase is Phase.ROLLED_BACK:
        return (
            entry.reason,
            f"{_named(entry)} was rejected {ago(entry.rejected_at, now)}; {serves}",
            entry.message,
        )
    if hold is not None:
        when = f"next try in {short(hold.retry_at - now)}"
        if hold.stuck:
            when = f"it had traffic in {hold.traffic_attempts} tries and is not tried again by itself"
        return hold.reason, f"revision {hold.revision} is held, not rejected: {when}; {serves}", hold.message
    reason = _ready_reason(snapshot)
    if candidate is not None:
        since = short(now - candidate.started_at)
        return (
            reason,
            f"{_named(candidate)} is on trial for {since}, at step {candidate.step}",
            status.message,
        )
    return reason, serves if status.stable else "no revision is stable yet", status.message


def _ready_reason(snapshot: Snapshot) -> str:
    """The reason of the Ready condition, as far as it adds to the phase."""
    condition = snapshot.status.condition(ConditionType.READY)
    if condition is None or condition.status == "True" or not known(condition.reason):
        return snapshot.phase
    return condition.reason


def _named(revision: object) -> str:
    return f"revision {getattr(revision, 'revision', '')} ({getattr(revision, 'image', '')})"


def _facts(snapshot: Snapshot, entry: RejectedRevision | None, now: datetime) -> list[str]:
    status = snapshot.status
    facts = [] if snapshot.observed else ["the operator has not acted on the newest spec yet"]
    if entry is not None:
        facts.append(
            f"seen {entry.detect_seconds:g} s after the rollout began; "
            f"all traffic on stable after {entry.restore_seconds:g} s"
        )
    if (candidate := status.candidate) is not None:
        memory = candidate.memory
        ended = sum(t.count for t in memory.failures.terminations)
        facts.append(
            f"most pods of the candidate that were ready at once: {memory.progress.ready_high_water}"
        )
        if ended:
            facts.append(f"containers of the candidate ended {ended} times")
    facts.append(
        f"{status.replicas.ready} of {status.replicas.desired} pods of the serving revision are ready"
    )
    for pod in snapshot.pods or ():
        if not pod.ready and not pod.terminating:
            detail = f": {pod.message}" if pod.message else ""
            again = f", {pod.restarts} restarts" if pod.restarts else ""
            facts.append(f"pod {pod.name} of {pod.revision} is not ready: {pod.reason}{detail}{again}")
    for kind in TELLING:
        condition = status.condition(kind)
        if condition is not None and condition.status == "False":
            since = short(now - condition.last_transition_time)
            facts.append(f"{kind} is False for {since} ({condition.reason}): {condition.message}")
    database = status.condition(ConditionType.DATABASE_READY)
    if _silent(snapshot) and database is not None and database.reason == Reason.EXTERNAL:
        facts.append(
            f"{database.type} is {database.status} (External): the operator knows where the database is, not whether "
            "it answers"
        )
    return facts


def _silent(snapshot: Snapshot) -> list[Pod]:
    """Pods that should serve, whose containers run, and that report by themselves that they are not ready."""
    status = snapshot.status
    available = status.condition(ConditionType.AVAILABLE)
    if status.phase is not Phase.DEGRADED and (available is None or available.status == "True"):
        return []  # a pod that has just been added is no trouble
    return [
        p
        for p in snapshot.pods or ()
        if p.reason == NOT_READY and not p.terminating and status.serving in (p.revision, SHARED)
    ]


def _events(snapshot: Snapshot, now: datetime) -> list[str]:
    """The newest last."""
    return [
        f"{ago(e.at, now)} {e.type} {e.about} {e.reason}: {e.message}"
        + (f" (x{e.count})" if e.count > 1 else "")
        for e in (snapshot.happenings or ())[-MOST_EVENTS:]
    ]


def _steps(snapshot: Snapshot, about: About) -> list[str]:
    steps = list(about.steps)
    if silent := _silent(snapshot):
        steps += (step.replace("{pod}", silent[0].name) for step in WHAT_PODS_MISS)
    hold = snapshot.status.hold
    if hold is not None and hold.stuck:
        steps = [s for s in steps if "by itself" not in s]
        steps.append(
            "once the cause is gone: `kubectl marauders retry {name} -n {namespace}`, or change the spec"
        )
    if snapshot.paused and not any("resume" in s for s in steps):
        steps.append(
            "spec.rollout.paused is true: `kubectl marauders resume {name} -n {namespace}` before anything can go on"
        )
    if snapshot.rejection is not None and snapshot.status.stable is not None:
        stable = snapshot.status.stable.image
        back = (
            "set the spec back to what it was before"
            if stable == snapshot.image
            else f"set spec.image back to {stable}"
        )
        steps.append(f"to end it for good, {back}")
        steps.append("see what changed: `kubectl marauders diff {name} -n {namespace}`")
    return steps
