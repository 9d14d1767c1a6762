"""The table of what the zoo measured, written to docs/failure-zoo.md when a run is over."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dev.prober import Counts

REPORT = Path(__file__).resolve().parent.parent.parent / "docs" / "failure-zoo.md"
FIRST_CELLS = ("| BlueGreen", "| Canary", "| Rolling")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds count from the edit; None where there is nothing to report."""

    strategy: str
    case: str
    outcome: str
    detect: float | None
    restore: float | None
    counts: Counts

    def __str__(self) -> str:
        seconds = [f"{v:.1f}" if v is not None else "" for v in (self.detect, self.restore)]
        share = 100 * self.counts.failed / max(self.counts.sent, 1)
        failed = f"{self.counts.failed_new} + {self.counts.failed_kept}"
        cells = (
            self.strategy,
            self.case,
            self.outcome,
            *seconds,
            str(self.counts.sent),
            failed,
            f"{share:.2f}",
        )
        return f"| {' | '.join(cells)} |"


def write(rows: list[Row]) -> None:
    """Put the rows into the report; those of scenarios that this run left out stay."""
    text = REPORT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    kept = {_key(line): line for line in old.splitlines() if line.startswith(FIRST_CELLS)}
    kept |= {_key(str(row)): str(row) for row in rows}
    head = (
        f"Last run {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}.\n\n"
        "| strategy | scenario | outcome | detected after s | restored after s | requests | failed, new + kept | % |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    table = head + "\n".join(kept[key] for key in sorted(kept))
    REPORT.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _key(line: str) -> tuple[str, str]:
    cells = [cell.strip() for cell in line.split("|")]
    return cells[1], cells[2]
