"""`history`: past rollouts, and which of their revisions one can go back to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from maraudersmap_operator.resource.status_model import rfc3339
from maraudersmap_operator.resource.status_outcomes import HistoryEntry

from .ages import short
from .output import Format, Output
from .snapshot import Snapshot
from .status import roles


def show(snapshot: Snapshot, output: Output, now: datetime) -> None:
    if output.format is Format.JSON:
        output.json(
            {
                "namespace": snapshot.namespace,
                "name": snapshot.name,
                "rollouts": snapshot.status.history,
                "recorded": None
                if snapshot.records is None
                else [
                    {
                        "revision": r.revision,
                        "number": r.number,
                        "image": r.image,
                        "roles": roles(snapshot, r.revision),
                    }
                    for r in snapshot.records
                ],
                "notes": snapshot.notes,
            }
        )
    else:
        output.lines(history_lines(snapshot, now))


def history_lines(snapshot: Snapshot, now: datetime) -> Iterator[str]:
    """Rollouts, the newest first, then the recorded revisions."""
    rollouts = snapshot.status.history
    if rollouts:
        yield from table(
            ("ENDED", "REVISION", "OUTCOME", "REASON", "TOOK", "IMAGE"), [_row(h, now) for h in rollouts]
        )
    else:
        yield f"no rollout of {snapshot.full_name} has ended yet"
    yield ""
    if snapshot.records is None:
        yield from (f"note: {n}" for n in snapshot.notes)
    elif snapshot.records:
        yield "Recorded revisions (`diff` compares them, `undo --to` goes back to one):"
        yield from table(
            ("NUMBER", "REVISION", "IS", "IMAGE"),
            [
                (str(r.number), r.revision, ", ".join(roles(snapshot, r.revision)), r.image)
                for r in reversed(snapshot.records)
            ],
        )
    else:
        yield "No revision is recorded."


def _row(entry: HistoryEntry, now: datetime) -> tuple[str, ...]:
    took = short(timedelta(seconds=entry.duration_seconds))
    ended = f"{rfc3339(entry.ended_at)} ({short(now - entry.ended_at)} ago)"
    return (ended, entry.revision, str(entry.outcome), entry.reason or "-", took, entry.image)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        yield "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
