"""What the side-by-side bench makes of what it sees: moments, ends, and the tools' own words."""

from __future__ import annotations

from typing import Any

import pytest
from bench.rollback import report
from bench.rollback.cases import CASES, OLD, Case, Kind
from bench.rollback.contenders import CONTENDERS
from bench.rollback.measure import Result, noted, over
from bench.rollback.watch import Pod, View

BAD = next(c for c in CASES if c.kind is Kind.BAD)
GOOD = next(c for c in CASES if c.kind is Kind.GOOD)
NEW = f"new-{BAD.name}"
BEFORE = Result("argo-bluegreen-tuned", BAD.name)
TOOL = CONTENDERS[BEFORE.contender]
ABORTED = {"metadata": {"generation": 2}, "status": {"abort": True, "message": "RolloutAborted: deadline"}}
QUIET = {"metadata": {"generation": 2}, "status": {"phase": "Progressing"}}


def view(*serving: str, found: dict[str, Any] | None = None, new: int = 0, selector: str = "old") -> View:
    """Three old pods at most, `new` live ones; the Service selects by the label `color`."""
    pods = [Pod(f"o{n}", OLD, {"color": "old"}, live=True) for n in range(3)]
    pods += [Pod(f"n{n}", NEW, {"color": "new"}, live=True) for n in range(new)]
    return View(0.0, tuple(pods), tuple(sorted(serving)), {"color": selector}, found)


def after(result: Result, seen: View, seconds: float) -> Result:
    return noted(result, TOOL, seen, seconds, NEW)


def test_a_tool_that_says_nothing_has_restored_nothing() -> None:
    """Traffic that never left the old revision is no restore: the tool may still send it to the new one."""
    result = after(BEFORE, view(OLD, OLD, OLD, found=QUIET, new=3), 5)
    assert (result.reported, result.restored, result.gone) == (None, None, None)


def test_restored_before_the_bad_pods_are_gone() -> None:
    """A Service that cannot select the bad pods makes the traffic certain while they still run."""
    result = after(BEFORE, view(OLD, OLD, OLD, found=ABORTED, new=3), 60)
    assert (result.reported, result.restored, result.gone) == (60, 60, None)
    assert result.reason == "RolloutAborted: deadline"
    result = after(result, view(OLD, OLD, OLD, found=ABORTED), 91)
    assert (result.reported, result.restored, result.gone) == (60, 60, 91)


def test_not_restored_while_a_bad_pod_can_get_traffic() -> None:
    """Unready now is not out of traffic: the Service selects it."""
    result = after(BEFORE, view(OLD, OLD, OLD, found=ABORTED, new=1, selector="new"), 60)
    assert (result.reported, result.restored) == (60, None)


def test_not_restored_while_old_pods_are_missing() -> None:
    result = after(BEFORE, view(OLD, OLD, found=ABORTED), 60)
    assert (result.reported, result.restored) == (60, None)


def test_a_ready_bad_pod_met_users() -> None:
    result = after(BEFORE, view(OLD, OLD, OLD, NEW, found=QUIET, new=1), 4)
    assert result.met_users
    assert result.switched is None


def test_promoted_needs_all_traffic_and_the_tools_word() -> None:
    healthy = {
        "metadata": {"generation": 2},
        "status": {"observedGeneration": "2", "phase": "Healthy", "currentPodHash": "a", "stableRS": "a"},
    }
    assert after(BEFORE, view(NEW, NEW, OLD, found=healthy, new=2), 8).promoted is None
    result = after(BEFORE, view(NEW, NEW, NEW, found=QUIET, new=3), 9)
    assert (result.switched, result.promoted) == (9, None)
    result = after(result, view(NEW, NEW, NEW, found=healthy, new=3), 12)
    assert (result.switched, result.promoted) == (9, 12)


@pytest.mark.parametrize(
    ("case", "result", "seconds", "ended"),
    [
        (BAD, BEFORE, 179.0, False),
        (BAD, BEFORE, 180.0, True),
        # A bad revision that was promoted may still be taken back.
        (BAD, Result("x", "y", switched=9, promoted=12), 60.0, False),
        (BAD, Result("x", "y", reported=60, restored=60), 70.0, False),
        (BAD, Result("x", "y", reported=60, restored=60, gone=91), 92.0, True),
        (BAD, Result("x", "y", reported=60, restored=60), 101.0, True),
        (GOOD, Result("x", "y", switched=9, promoted=12), 12.0, True),
        (GOOD, Result("x", "y", switched=9), 12.0, False),
    ],
)
def test_when_a_case_is_over(case: Case, result: Result, seconds: float, ended: bool) -> None:
    assert over(result, case, seconds, cap=180) is ended


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        (
            "deployment-tuned",
            {
                "conditions": [
                    {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
                ]
            },
            "ProgressDeadlineExceeded",
        ),
        (
            "deployment-tuned",
            {"conditions": [{"type": "Progressing", "status": "True", "reason": "x"}]},
            None,
        ),
        ("argo-canary-default", {"phase": "Degraded", "message": "deadline"}, "deadline"),
        ("argo-canary-default", {"phase": "Progressing"}, None),
        ("flagger-tuned", {"phase": "Failed"}, "Failed"),
        ("flagger-tuned", {"phase": "Progressing"}, None),
        ("ours-default", {"candidate": {"verdict": {"reason": "CrashLoop"}}}, "CrashLoop"),
        ("ours-default", {"rejected": [{"reason": "ImageNotFound"}]}, "ImageNotFound"),
        ("ours-default", {"hold": {"reason": "Environment"}}, "Environment"),
        ("ours-default", {"candidate": {"step": "Witnesses"}}, None),
    ],
)
def test_the_tools_words(name: str, status: dict[str, Any], words: str | None) -> None:
    assert CONTENDERS[name].rejection({"metadata": {"generation": 1}, "status": status}) == words


def test_every_tool_and_case_has_its_row() -> None:
    """The page shows what was never reported as such, and counts an innocent revision taken back as false."""
    slow = next(c.name for c in CASES if c.kind is Kind.INNOCENT)
    results = [
        Result("argo-bluegreen-default", BAD.name, watched=183.2, sent=1800, load=7.4),
        Result("ours-default", BAD.name, reported=2.5, restored=2.6, gone=3.1, watched=6.1, sent=60),
        Result("argo-bluegreen-tuned", slow, reported=61.0, restored=61.0, watched=70, sent=700),
    ]
    text = report.tables(results, "a machine")
    assert (
        "| Argo Rollouts blue-green | default | > 183 s | > 183 s | > 183 s | no | 0 | 0 | 1800 | 7 |" in text
    )
    assert "| Marauder's Map | default | 1 of 1 | 2.6 s | 0 of 60 (0.0 %) | 0 of 0 |" in text
    assert "**yes, after 61.0 s**" in text
    assert "| Argo Rollouts blue-green | tuned | 0 of 0 | - | - | 1 of 1 |" in text
