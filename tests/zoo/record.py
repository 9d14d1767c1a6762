"""The table of what the zoo measured, written to docs/failure-zoo.md when a run is over."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dev.prober import Counts

REPORT = Path(__file__).resolve().parent.parent.parent / "docs" / "failure-zoo.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds count from the edit; None where there is nothing to tell."""

    strategy: str
    case: str
    outcome: str
    detect: float | None
    restore: float | None
    counts: Counts

    def __str__(self) -> str:
        told = [f"{v:.1f}" if v is not None else "" for v in (self.detect, self.restore)]
        share = 100 * self.counts.failed / max(self.counts.sent, 1)
        failed = f"{self.counts.failed_new} + {self.counts.failed_kept}"
        cells = (self.strategy, self.case, self.outcome, *told, str(self.counts.sent), failed, f"{share:.2f}")
        return f"| {' | '.join(cells)} |"


def write(rows: list[Row]) -> None:
    """Replace the measured part of the report. Partial runs replace it too: the date says of when it is."""
    head = (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}, {len(rows)} scenarios of one run.\n\n"
        "| strategy | scenario | outcome | told to stop after s | restored after s | requests | failed, new + kept | % |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    table = head + "\n".join(map(str, sorted(rows, key=lambda r: (r.strategy, r.case))))
    text = REPORT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    REPORT.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")
