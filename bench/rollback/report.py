"""The results kept in results.json, and the tables that docs/rollback-benchmark.md gets from them."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from bench.rollback.cases import CASES, Kind
from bench.rollback.contenders import CONTENDERS
from bench.rollback.measure import Result
from dev.cluster.host.console import Problem
from dev.cluster.host.paths import CHECKOUT, STATE, write_whole

RESULTS = Path(__file__).with_name("results.json")
PAGE = CHECKOUT / "docs" / "rollback-benchmark.md"
_BEGIN = "<!-- results: written by `make bench-rollback`, do not edit -->"
_END = "<!-- end of results -->"
_LOCK = STATE / "bench-rollback.lock"
"""Tools are measured at once, perhaps by two runs, and each keeps its results as they come."""


def keep(new: Iterable[Result]) -> list[Result]:
    """Put the results in place of earlier ones of the same tool and case; all that there are, in order."""
    STATE.mkdir(exist_ok=True)
    with _LOCK.open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _keep(new)


def _keep(new: Iterable[Result]) -> list[Result]:
    known = {(r.contender, r.case): r for r in load()} | {(r.contender, r.case): r for r in new}
    order = [(name, case.name) for case in CASES for name in CONTENDERS]
    results = [known[key] for key in order if key in known]
    text = json.dumps([{**asdict(r), "failures": list(r.failures)} for r in results], indent=1)
    write_whole(RESULTS, text + "\n")
    return results


def load() -> list[Result]:
    """What earlier runs left."""
    if not RESULTS.exists():
        return []
    names = {f.name for f in fields(Result)}
    results = []
    for entry in json.loads(RESULTS.read_text(encoding="utf-8")):
        known: dict[str, Any] = {k: v for k, v in entry.items() if k in names}
        results.append(Result(**{**known, "failures": tuple(known.get("failures", ()))}))
    return results


def write_page(results: list[Result], machine: str) -> None:
    """Replace the tables of the page. Raises Problem when the page lost its marks."""
    text = PAGE.read_text(encoding="utf-8")
    head, begin, rest = text.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise Problem(f"{PAGE.name} lacks the marks between which the tables go")
    write_whole(PAGE, f"{head}{_BEGIN}\n\n{tables(results, machine)}\n{_END}{tail}")


def tables(results: list[Result], machine: str) -> str:
    """Markdown: a summary, then a table for each case."""
    return "\n".join([machine, "", *_settings(), "", *_summary(results), *_per_case(results)])


def _settings() -> Iterable[str]:
    yield "| tool | settings | what that means |"
    yield "| --- | --- | --- |"
    for contender in CONTENDERS.values():
        yield f"| {contender.tool} | {contender.settings} | {contender.described} |"


def _summary(results: list[Result]) -> Iterable[str]:
    bad = [c.name for c in CASES if c.kind is Kind.BAD]
    innocent = [c.name for c in CASES if c.kind is not Kind.BAD]
    yield "### In short"
    yield ""
    yield "| tool | settings | bad revisions taken back | slowest restore | failed requests over these | good ones given up |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, contender in CONTENDERS.items():
        of = {r.case: r for r in results if r.contender == name}
        tried = [of[c] for c in bad if c in of]
        others = [of[c] for c in innocent if c in of]
        if not tried and not others:
            continue
        back = [r.restored for r in tried if r.restored is not None]
        sent, failed = sum(r.sent for r in tried), sum(_failed(r) for r in tried)
        share = f"{failed} of {sent} ({100 * failed / sent:.1f} %)" if sent else "-"
        slowest = f"{max(back):.1f} s" if back and len(back) == len(tried) else "-"
        false = sum(r.reported is not None for r in others)
        yield (
            f"| {contender.tool} | {contender.settings} | {len(back)} of {len(tried)} | {slowest} | {share} "
            f"| {false} of {len(others)} |"
        )
    yield ""


def _per_case(results: list[Result]) -> Iterable[str]:
    for case in CASES:
        rows = [r for r in results if r.case == case.name]
        if not rows:
            continue
        yield f"### {case.name}: {case.what}"
        yield ""
        yield from _bad_table(rows) if case.kind is Kind.BAD else _other_table(rows)
        yield ""


def _bad_table(rows: list[Result]) -> Iterable[str]:
    yield (
        "| tool | settings | reported after | restored after | bad pods gone after | bad pods met users "
        "| failed, new connections | failed, kept connection | of requests | load | the tool's words |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for r in rows:
        contender = CONTENDERS[r.contender]
        times = " | ".join(_after(r, moment) for moment in (r.reported, r.restored, r.gone))
        yield (
            f"| {contender.tool} | {contender.settings} | {times} | {'yes' if r.met_users else 'no'} "
            f"| {r.failed_new} | {r.failed_kept} | {r.sent} | {_load(r)} | {_words(r)} |"
        )


def _other_table(rows: list[Result]) -> Iterable[str]:
    yield (
        "| tool | settings | given up by mistake | all traffic on it after | done by its own report after "
        "| failed, new connections | failed, kept connection | of requests | load | the tool's words |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for r in rows:
        contender = CONTENDERS[r.contender]
        reported = "no" if r.reported is None else f"**yes, after {r.reported:.1f} s**"
        times = " | ".join(_after(r, moment) for moment in (r.switched, r.promoted))
        yield (
            f"| {contender.tool} | {contender.settings} | {reported} | {times} | {r.failed_new} | {r.failed_kept} "
            f"| {r.sent} | {_load(r)} | {_words(r)} |"
        )


def _after(result: Result, moment: float | None) -> str:
    return f"{moment:.1f} s" if moment is not None else f"> {result.watched:.0f} s"


def _load(result: Result) -> str:
    return "-" if result.load is None else f"{result.load:.0f}"


def _failed(result: Result) -> int:
    return result.failed_new + result.failed_kept


def _words(result: Result) -> str:
    return result.reason.replace("|", "/").replace("\n", " ")[:90]
