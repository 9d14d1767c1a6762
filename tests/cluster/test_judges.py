"""Argo CD's and kstatus' own code judges what the engine leaves behind in every phase.

`tests/unit/gitops` has the same files run by another interpreter, in seconds; here it is the one that Argo CD has, and what
Argo CD does with their results. It needs no cluster.
"""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any

import pytest
import yaml
from dev import gitops
from dev.judges import ask as judge
from dev.judges.ask import CannotJudge, ask
from tests.unit.gitops.situations import STORIES, situations
from tests.unit.gitops.test_argocd import HEALTH, UNSEEN, VERBS, snapshot

from maraudersmap_operator.cli.verbs import CannotAct, request

pytestmark = pytest.mark.extended

Object = dict[str, Any]
SETTINGS: dict[str, str] = yaml.safe_load(gitops.settings())["data"]
KSTATUS = {
    "fresh": "InProgress",
    "pending": "InProgress",
    "deploying": "InProgress",
    "ready": "Current",
    "rolling-out": "InProgress",
    "waiting-for-promotion": "InProgress",
    "sharing": "InProgress",
    "baking": "InProgress",
    "promoted": "Current",
    "rolled-back": "Failed",
    "undone": "Failed",
    "degraded": "InProgress",
    "stalled": "Failed",
    "held": "InProgress",
    "paused": "InProgress",
    "suspended": "InProgress",
    "not-seen": "InProgress",
}


@pytest.fixture(scope="module")
def resources() -> dict[str, Object]:
    return asyncio.run(situations())


def test_argo_cd_judges_the_health_of_every_phase(resources: dict[str, Object]) -> None:
    answers = ask(*(judge.health(resources[name], SETTINGS) for name in STORIES))
    judged = dict(zip(STORIES, answers, strict=True))
    assert {name: answer["status"] for name, answer in judged.items()} == HEALTH
    messages = {name: answer["message"] for name, answer in judged.items() if name not in UNSEEN}
    assert messages == {name: resources[name]["status"]["message"] for name in messages}


def test_kstatus_judges_every_phase(resources: dict[str, Object]) -> None:
    answers = ask(*(judge.kstatus(resources[name]) for name in STORIES))
    judged = dict(zip(STORIES, answers, strict=True))
    assert {name: answer["status"] for name, answer in judged.items()} == KSTATUS
    # what failed says why in the operator's words
    assert judged["rolled-back"]["message"] == resources["rolled-back"]["status"]["message"]


def test_argo_cd_compares_the_spec_and_not_what_the_operator_writes(resources: dict[str, Object]) -> None:
    """Git has what someone wrote; the status is on top, in every phase."""
    git = {name: _as_written(resources[name]) for name in STORIES}
    answers = ask(*(judge.diff(git[name], resources[name]) for name in STORIES))
    assert {name for name, a in zip(STORIES, answers, strict=True) if a["outOfSync"]} == set()
    # and it would notice another spec
    git["ready"]["spec"]["replicas"] = 7
    [changed] = ask(judge.diff(git["ready"], resources["ready"]))
    assert changed["outOfSync"]


def test_argo_cd_offers_the_buttons_that_the_plugin_would_accept(resources: dict[str, Object]) -> None:
    answers = ask(*(judge.actions(resources[name], SETTINGS) for name in STORIES))
    offered = {name: answer["offered"] for name, answer in zip(STORIES, answers, strict=True)}
    assert offered == {name: _accepted(resources[name]) for name in STORIES}


def test_a_button_sends_one_annotation_and_nothing_else(resources: dict[str, Object]) -> None:
    """Every button of every phase that offers it; what Argo CD sends is a merge patch of what the Lua returned."""
    pressed = [
        (name, action)
        for name in STORIES
        for action, offered in _accepted(resources[name]).items()
        if offered
    ]
    answers = ask(*(judge.action(action, resources[name], SETTINGS) for name, action in pressed))
    for (name, action), answer in zip(pressed, answers, strict=True):
        [impacted] = answer["impacted"]
        assert impacted["operation"] == "patch"
        patch = impacted["patch"]
        [value] = patch["metadata"]["annotations"].values()
        asked = request(VERBS[action], snapshot(resources[name]), value.rpartition("/")[2])
        assert patch == asked.patch, (name, action)


def test_code_that_argo_cd_would_not_run_is_found(resources: dict[str, Object]) -> None:
    """Else the tests above would show little: its interpreter has no libraries that reach out of it."""
    key = next(name for name in SETTINGS if ".health." in name)
    with pytest.raises(CannotJudge, match="attempt to index a non-table object"):
        ask(judge.health(resources["ready"], {key: 'return {status = io.read("*a")}'}))


def _as_written(resource: Object) -> Object:
    written = deepcopy(resource)
    written.pop("status", None)
    meta = written["metadata"]
    kept = ("name", "namespace", "labels", "annotations")
    written["metadata"] = {key: meta[key] for key in kept if key in meta}
    return written


def _accepted(resource: Object) -> dict[str, bool]:
    accepted = {}
    for action, verb in VERBS.items():
        try:
            request(verb, snapshot(resource), "t")
            accepted[action] = True
        except CannotAct:
            accepted[action] = False
    return accepted
