"""`status`: a resource, its conditions, its revisions and their pods, as a tree."""

from __future__ import annotations

from datetime import datetime

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import Condition, ConditionType, Phase

from .ages import ago, short
from .snapshot import Pod, Snapshot
from .tree import Node, Span, Tone, node

# True is the bad case (kstatus' abnormal-true); of the rest, False is. Progressing is neither.
ABNORMAL = frozenset({ConditionType.STALLED, ConditionType.ROLLED_BACK, ConditionType.RECONCILING})
# Good neither nor bad: the cluster simply does not have it.
HARMLESS = frozenset({Reason.NO_PROMETHEUS_OPERATOR})
PHASE_TONES = {
    Phase.READY: Tone.GOOD,
    Phase.ROLLED_BACK: Tone.BAD,
    Phase.STALLED: Tone.BAD,
    Phase.DEGRADED: Tone.BAD,
    Phase.SUSPENDED: Tone.DIM,
}


def status_tree(snapshot: Snapshot, now: datetime) -> Node:
    """The whole picture. `now` is aware UTC, for ages only."""
    status = snapshot.status
    phase = snapshot.phase or "not seen by the operator yet"
    tone = PHASE_TONES.get(status.phase, Tone.WARN) if status.phase else Tone.WARN
    parts = [node(status.message)] if status.message else []
    if not snapshot.observed:
        parts.append(node(Span("the operator has not acted on the newest spec yet", Tone.WARN)))
    if snapshot.deleting:
        parts.append(node(Span("it is being deleted", Tone.WARN)))
    if (pin := status.pin) is not None and not snapshot.sent_back:
        instead = f"{pin.revision} is wanted instead of {pin.against}, until the spec's pods change (undo)"
        parts.append(node(Span(instead, Tone.WARN)))
    if status.url:
        parts.append(node(Span("reachable at ", Tone.DIM), status.url))
    if status.conditions:
        width = max(len(c.type) for c in status.conditions)
        shown = {status.message}
        conditions = [_condition(c, width, now, shown) for c in status.conditions]
        parts.append(node("Conditions", children=conditions))
    parts += [_revision(snapshot, r, now) for r in revisions(snapshot)]
    parts += [node(Span(f"note: {n}", Tone.WARN)) for n in snapshot.notes]
    return node(Span(snapshot.full_name, Tone.STRONG), "  ", Span(phase, tone), children=parts)


def revisions(snapshot: Snapshot) -> list[str]:
    """Those that matter now: stable, the one the spec asks for, the serving one, any with pods; oldest first."""
    status = snapshot.status
    named = [
        status.stable.revision if status.stable else "",
        "" if status.serving == SHARED else status.serving,
        snapshot.contender,
        status.pin.revision if status.pin else "",
    ]
    found = dict.fromkeys(r for r in (*named, *(p.revision for p in snapshot.pods or ())) if r)
    last = len(found) + max((r.number for r in snapshot.records or ()), default=0)
    numbers = {r.revision: r.number for r in snapshot.records or ()}
    return sorted(found, key=lambda r: numbers.get(r, last))


def roles(snapshot: Snapshot, revision: str) -> tuple[str, ...]:
    """What a revision is at this moment, in the words of the documentation."""
    status = snapshot.status
    found = []
    if status.stable is not None and status.stable.revision == revision:
        found.append("stable")
    if status.candidate is not None and status.candidate.revision == revision:
        verdict = status.candidate.verdict
        found.append(
            f"candidate: {verdict.reason}, being taken back"
            if verdict
            else f"candidate: {status.candidate.step}"
        )
    if status.serving == revision:
        found.append("serving")
    elif status.serving == SHARED and revision in (
        r.revision for r in (status.stable, status.candidate) if r
    ):
        found.append("serving a share")
    if (entry := status.rejection(revision)) is not None:
        found.append(f"rejected: {entry.reason}")
    if status.hold is not None and status.hold.revision == revision:
        found.append(f"held: {status.hold.reason}")
    if status.pin is not None and status.pin.revision == revision:
        found.append("asked for by undo")
    if status.pin is not None and status.pin.against == revision:
        found.append("asked for by the spec")
    return tuple(found) or ("retired",)


def image_of(snapshot: Snapshot, revision: str) -> str:
    """Its image as far as anybody remembers; empty otherwise."""
    status = snapshot.status
    record = snapshot.record(revision)
    remembered = (record, status.stable, status.candidate, *status.rejected, *status.history)
    return next((r.image for r in remembered if r is not None and r.revision == revision and r.image), "")


def _revision(snapshot: Snapshot, revision: str, now: datetime) -> Node:
    pods = snapshot.pods_of(revision)
    what = roles(snapshot, revision)
    bad = any(w.startswith(("rejected", "held")) or "being taken back" in w for w in what)
    tone = Tone.BAD if bad else Tone.GOOD if any(w.startswith("serving") for w in what) else Tone.WARN
    active = [p for p in pods if not p.terminating]
    count = f"{sum(p.ready for p in active)} of {len(active)} pods ready" if active else "no pods"
    if snapshot.pods is None:
        count = "pods unknown"
    record = snapshot.record(revision)
    number = f" (number {record.number})" if record else ""
    lines = [node(Span("image ", Tone.DIM), image)] if (image := image_of(snapshot, revision)) else []
    candidate, hold = snapshot.status.candidate, snapshot.status.hold
    if candidate is not None and candidate.revision == revision:
        lines.append(
            node(
                Span(
                    f"began {ago(candidate.started_at, now)}, step {ago(candidate.step_started_at, now)}",
                    Tone.DIM,
                )
            )
        )
    if hold is not None and hold.revision == revision:
        until = short(hold.retry_at - now)
        following = "the next one is yours to ask for" if hold.stuck else f"next try in {until}"
        lines.append(node(Span(f"tried {hold.attempts} times, {following}", Tone.WARN)))
    lines += [_pod(p, now) for p in pods]
    return node(
        "Revision ", Span(revision, Tone.STRONG), f"{number}  ", Span(", ".join(what), tone), f"  {count}", children=lines
    )  # fmt: skip


def _pod(pod: Pod, now: datetime) -> Node:
    mark = Span("✓ ", Tone.GOOD) if pod.ready else Span("✗ ", Tone.DIM if pod.terminating else Tone.BAD)
    state = "terminating" if pod.terminating else "ready" if pod.ready else pod.reason or "not ready"
    restarts = f"{pod.restarts} restart{'' if pod.restarts == 1 else 's'}"
    where = f"  on {pod.node}" if pod.node else ""
    because = [node(Span(pod.message, Tone.DIM))] if pod.message and not pod.ready else []
    return node(
        mark, pod.name, "  ", Span(state, Tone.GOOD if pod.ready else Tone.WARN),
        Span(f"  {restarts}  {short(now - pod.created_at)} old{where}", Tone.WARN if pod.restarts else Tone.DIM),
        children=because,
    )  # fmt: skip


def _condition(condition: Condition, width: int, now: datetime, shown: set[str]) -> Node:
    """One line; its message below when it is bad news that has not been shown yet."""
    tone = _tone(condition)
    mark = {Tone.GOOD: "✓", Tone.BAD: "✗"}.get(tone, "·")
    since = short(now - condition.last_transition_time)
    below = []
    if tone is Tone.BAD and condition.message and condition.message not in shown:
        shown.add(condition.message)
        below.append(node(Span(condition.message, Tone.DIM)))
    return node(
        Span(f"{mark} ", tone), f"{condition.type:<{width}}  {condition.status:<7}  ",
        Span(condition.reason, tone), Span(f"  for {since}", Tone.DIM), children=below,
    )  # fmt: skip


def _tone(condition: Condition) -> Tone:
    holds = condition.status == "True"
    if (
        condition.type == ConditionType.PROGRESSING
        or condition.status == "Unknown"
        or condition.reason in HARMLESS
    ):
        return Tone.DIM
    if condition.type == ConditionType.RECONCILING:
        return Tone.WARN if holds else Tone.GOOD
    return Tone.BAD if holds == (condition.type in ABNORMAL) else Tone.GOOD
