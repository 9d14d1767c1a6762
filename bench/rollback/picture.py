"""`make picture`: docs/rollback.svg, one bad image under each tool as the bench has measured it, for the README.

Nothing is measured for it, and nothing is chosen but the case: it draws bench/rollback/results.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
PICTURE = ROOT / "docs" / "rollback.svg"
CASE = "crash-at-start"
TITLE = "An image that crashes at start: when is it taken back?"
NAMES = {
    "deployment-default": "Deployment, defaults",
    "deployment-tuned": "Deployment, tuned",
    "argo-canary-default": "Argo Rollouts, defaults",
    "argo-canary-tuned": "Argo Rollouts, tuned",
    "flagger-default": "Flagger, defaults",
    "flagger-tuned": "Flagger, tuned",
    "ours-default": "Marauder's Map, defaults",
}
LEFT, RIGHT, TOP, ROW = 190, 300, 64, 26
SECONDS, A_SECOND = 180, 2  # shown, and pixels for each
UNKNOWN, OURS, THEIRS = "#c9a25d", "#7a2a2a", "#5a6b7b"

Result = Mapping[str, Any]


def draw(results: list[Result]) -> str:
    """The picture as SVG. Raises KeyError when a tool has no result of the case."""
    of = {result["contender"]: result for result in results if result["case"] == CASE}
    rows = [part for n, name in enumerate(NAMES) for part in _row(TOP + n * ROW, name, of[name])]
    width, height = LEFT + SECONDS * A_SECOND + RIGHT, TOP + len(NAMES) * ROW + 46
    days = sorted({of[name]["at"][:10] for name in NAMES})
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                'font-family="sans-serif" font-size="12" role="img">'
            ),
            f"<title>{escape(TITLE)}</title>",
            f'<rect width="{width}" height="{height}" fill="#fffdf7"/>',
            f'<text x="16" y="26" font-size="16" font-weight="bold">{escape(TITLE)}</text>',
            (
                '<text x="16" y="46" fill="#555">Seconds from the patch until every ready endpoint is an old pod again, '
                "and the tool itself says that the revision is bad</text>"
            ),
            *rows,
            *_axis(TOP + len(NAMES) * ROW + 4),
            (
                f'<text x="16" y="{height - 10}" fill="#555">Measured {" to ".join(days)} with make bench-rollback; '
                "settings, and what is unfair: docs/rollback-benchmark.md</text>"
            ),
            "</svg>",
            "",
        ]
    )


def _row(y: int, name: str, result: Result) -> Iterator[str]:
    restored, failed = result["restored"], result["failed_new"] + result["failed_kept"]
    end = min(restored or result["watched"], SECONDS)
    colour = UNKNOWN if restored is None else OURS if name.startswith("ours") else THEIRS
    yield f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(NAMES[name])}</text>'
    yield f'<rect x="{LEFT}" y="{y + 3}" width="{end * A_SECOND:.0f}" height="{ROW - 8}" fill="{colour}"/>'
    yield (
        f'<text x="{LEFT + end * A_SECOND + 6:.0f}" y="{y + 15}">{_said(result, restored)}, '
        f"{failed} of {result['sent']} requests failed</text>"
    )


def _said(result: Result, restored: float | None) -> str:
    if restored is not None:
        return f"{restored:.0f} s"
    reported = result["reported"]
    return (
        f"not within {result['watched']:.0f} s" if reported is None else f"only reported ({reported:.0f} s)"
    )


def _axis(y: int) -> Iterator[str]:
    for second in range(0, SECONDS + 1, 30):
        x = LEFT + second * A_SECOND
        yield f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{y}" stroke="#bbb" stroke-dasharray="2 3"/>'
        yield f'<text x="{x}" y="{y + 14}" text-anchor="middle" fill="#555">{second} s</text>'


if __name__ == "__main__":
    PICTURE.write_text(draw(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    print(PICTURE.relative_to(ROOT))
