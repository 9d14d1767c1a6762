"""What Argo CD is given, run over what the engine leaves behind: the health of each phase, and the buttons beside it."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import yaml
from dev import gitops
from lupa import lua51
from tests.unit.gitops.situations import STORIES, Object, situations

from maraudersmap_operator.cli.snapshot import Record, snapshot_of
from maraudersmap_operator.cli.verbs import CannotAct, Verb, request
from maraudersmap_operator.resource.status import Phase

HEALTH = {
    "fresh": "Progressing",
    "pending": "Progressing",
    "deploying": "Progressing",
    "ready": "Healthy",
    "rolling-out": "Progressing",
    "waiting-for-promotion": "Suspended",
    "sharing": "Suspended",
    "baking": "Progressing",
    "promoted": "Healthy",
    "rolled-back": "Degraded",
    "undone": "Degraded",
    "degraded": "Degraded",
    "stalled": "Degraded",
    "held": "Progressing",
    "paused": "Suspended",
    "suspended": "Suspended",
    "not-seen": "Progressing",
}
UNSEEN = ("fresh", "not-seen")
"""The operator has not looked at them since their spec was written."""
VERBS = {
    "promote": Verb.PROMOTE,
    "abort": Verb.ABORT,
    "retry": Verb.RETRY,
    "undo": Verb.UNDO,
    "restart": Verb.RESTART,
}


@pytest.fixture(scope="module")
def resources() -> dict[str, Object]:
    return asyncio.run(situations())


def run(name: str, resource: Object) -> Any:
    """The result of a file's code with `obj` as Argo CD's own interpreter has it: Lua 5.1 without a string library."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.execute(
        "getmetatable('').__index = nil; string, io, debug, math, coroutine = nil, nil, nil, nil, nil"
    )
    lua.globals().obj = lua.table_from(resource, recursive=True)
    return _plain(lua.execute((gitops.FOLDER / name).read_text(encoding="utf-8")))


def _plain(value: Any) -> Any:
    if lua51.lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if keys and keys == list(range(1, len(keys) + 1)):
        return [_plain(value[k]) for k in keys]
    return {k: _plain(value[k]) for k in keys}


def snapshot(resource: Object) -> Any:
    """As the plugin sees it, with every revision of the history recorded."""
    seen = snapshot_of(resource)
    records = {h.revision: Record(h.revision, 1, h.image) for h in seen.status.history}
    return replace(seen, records=tuple(records.values()))


def test_every_phase_is_among_the_situations(resources: dict[str, Object]) -> None:
    phases = {r["status"].get("phase") for name, r in resources.items() if name != "fresh"}
    assert phases == {str(phase) for phase in Phase}


@pytest.mark.parametrize("name", STORIES)
def test_health_is_what_the_phase_says(resources: dict[str, Object], name: str) -> None:
    judged = run("health.lua", resources[name])
    assert judged["status"] == HEALTH[name]
    if name not in UNSEEN:
        assert judged["message"] == resources[name]["status"]["message"]


def test_health_before_the_first_pass_and_of_an_unknown_phase(resources: dict[str, Object]) -> None:
    """An operator of a later release may have phases that this file does not know."""
    new = {"metadata": {"generation": 1}, "spec": {}}
    assert run("health.lua", new)["status"] == "Progressing"
    later = deepcopy(resources["ready"])
    later["status"]["phase"] = "Apparating"
    assert run("health.lua", later)["status"] == "Unknown"


@pytest.mark.parametrize("name", STORIES)
def test_the_buttons_are_what_the_plugin_would_accept(resources: dict[str, Object], name: str) -> None:
    offered = run("actions/discovery.lua", resources[name])
    accepted = {}
    for action, verb in VERBS.items():
        try:
            request(verb, snapshot(resources[name]), "t")
            accepted[action] = True
        except CannotAct:
            accepted[action] = False
    assert {action: not offered[action]["disabled"] for action in offered} == accepted


def test_nothing_is_offered_for_what_is_being_deleted(resources: dict[str, Object]) -> None:
    leaving = deepcopy(resources["promoted"])
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert all(a["disabled"] for a in run("actions/discovery.lua", leaving).values())


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("promote", "waiting-for-promotion"),
        ("promote", "sharing"),
        ("promote", "baking"),
        ("abort", "rolling-out"),
        ("retry", "rolled-back"),
        ("retry", "held"),
        ("undo", "promoted"),
        ("restart", "ready"),
    ],
)
def test_an_action_writes_what_the_plugin_writes(
    resources: dict[str, Object], action: str, name: str
) -> None:
    """One annotation and nothing else; the spec above all, which is Git's."""
    before = resources[name]
    after = run(f"actions/{action}.lua", before)
    annotations = after["metadata"].pop("annotations")
    [(key, value)] = [(k, v) for k, v in annotations.items() if v != _annotations(before).get(k)]
    token = value.rpartition("/")[2]
    asked = request(VERBS[action], snapshot(before), token)
    assert asked.patch == {"metadata": {"annotations": {key: value}}}
    rest = deepcopy(before)
    rest["metadata"].pop("annotations", None)
    assert _without_empty(after) == _without_empty(rest)


def _annotations(resource: Object) -> dict[str, str]:
    return dict(resource["metadata"].get("annotations") or {})


def _without_empty(value: Any) -> Any:
    """Lua does not tell an empty list from an empty map."""
    if isinstance(value, dict):
        kept = {k: _without_empty(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in ({}, [])}
    return [_without_empty(v) for v in value] if isinstance(value, list) else value


def test_the_settings_are_made_from_the_files() -> None:
    assert gitops.SETTINGS.read_text(encoding="utf-8") == gitops.settings(), "run `make gitops`"


def test_the_settings_carry_the_files_whole() -> None:
    data = yaml.safe_load(gitops.settings())["data"]
    health = data["resource.customizations.health.hogwarts.edu_MaraudersMap"]
    assert health == (gitops.FOLDER / "health.lua").read_text(encoding="utf-8")
    actions = yaml.safe_load(data["resource.customizations.actions.hogwarts.edu_MaraudersMap"])
    files = {"discovery": actions["discovery.lua"]} | {
        d["name"]: d["action.lua"] for d in actions["definitions"]
    }
    folder = gitops.FOLDER / "actions"
    assert files == {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.lua")}
