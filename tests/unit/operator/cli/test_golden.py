"""What people read, word by word. `UPDATE_GOLDEN=1 pytest tests/unit/operator/cli` writes it again; review reads the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maraudersmap_operator.cli.difference import compare, difference_lines
from maraudersmap_operator.cli.explain import explain, explanation_lines
from maraudersmap_operator.cli.history import history_lines
from maraudersmap_operator.cli.snapshot import Snapshot
from maraudersmap_operator.cli.status import status_tree
from maraudersmap_operator.cli.tree import plain

from . import given

GOLDEN = Path(__file__).parent / "golden"
EVIDENCE = {
    "pod": "map-api-zxwvts56-1",
    "exitCode": 78,
    "reason": "Error",
    "logs": ["starting", "JWT_SECRET: at least 32 bytes are needed"],
    "events": ["BackOff: Back-off restarting failed container"],
}
WAITING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}}
FORBIDDEN = "pods are left out: you may not list them in namespace 'owlery'"

ENDED_TWICE = {
    "progress": {"progressedAt": given.before_micro(12)},
    "failures": {"terminations": [{"pod": "u", "count": 2, "lastAt": given.before(5)}]},
}

CASES: dict[str, Snapshot] = {
    "ready": given.snapshot(given.resource(given.healthy())),
    "rolled-back": given.snapshot(
        given.resource(given.rolled_back(evidence=EVIDENCE), image=given.BAD),
        events=(
            given.event("RolloutStarted", "Revision zxwvts56 starts", 110),
            given.event("RolledBack", "Rolled back from zxwvts56 to bcdfgh24", 90, "Warning", 2),
        ),
    ),
    "on-trial": given.snapshot(
        given.resource(
            given.on_trial(memory=ENDED_TWICE),
            image=given.BAD,
        ),
        pods=(*given.SERVING, given.pod(given.NEXT, 1, ready=False, restarts=2, **WAITING)),
    ),
    "baking": given.snapshot(
        given.resource(given.on_trial("Baking"), image=given.BAD),
        pods=(*given.SERVING, given.pod(given.NEXT, 1), given.pod(given.NEXT, 2)),
    ),
    "held": given.snapshot(given.resource(given.held(), image=given.BAD)),
    "database-away": given.snapshot(
        given.resource(given.without_its_database()),
        pods=(given.pod(given.STABLE, 1, ready=False), given.pod(given.STABLE, 2, ready=False)),
        events=(given.event("Unhealthy", "Readiness probe failed: statuscode: 503", 9, "Warning", 6),),
    ),
    "newer-operator": given.snapshot(given.resource(given.from_a_newer_operator())),
    "sent-back": given.snapshot(given.resource(given.sent_back(), image=given.BAD)),
    "not-seen": given.snapshot(given.resource(), pods=(), records=()),
    "forbidden": given.snapshot(
        given.resource(given.healthy(), generation=2), pods=None, records=None, notes=(FORBIDDEN,)
    ),
}


def rendered(snapshot: Snapshot) -> str:
    parts = [
        ("status", plain(status_tree(snapshot, given.NOW))),
        ("explain", explanation_lines(explain(snapshot, given.NOW))),
        ("history", history_lines(snapshot, given.NOW)),
    ]
    if snapshot.records and len(snapshot.records) > 1:
        parts.append(("diff", difference_lines(compare(snapshot, ()))))
    return "\n".join(
        "\n".join((f"$ kubectl marauders {verb} map -n owlery", *lines, "")) for verb, lines in parts
    )


@pytest.mark.parametrize("name", CASES)
def test_the_words(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = rendered(CASES[name])

    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")

    assert text == path.read_text(encoding="utf-8"), "run with UPDATE_GOLDEN=1 and review the difference"
