"""A revision's name lasts: over releases of the operator, over their defaults, and over other spellings of the same."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from maraudersmap_operator.resource import MaraudersMapSpec, parse
from maraudersmap_operator.resource.model import Model
from maraudersmap_operator.rollout import name_revision, revision_hash, revision_inputs
from maraudersmap_operator.rollout.revision import POD_FIELDS
from maraudersmap_operator.rollout.revision_defaults import FROZEN, written

from .verdict.test_environment import ready_world

# Computed by release 0.1.0 from the same specs. They never change: another name is another rollout.
HASHES = {
    "minimal": "q8hgv5tl",
    "external": "5z6r92p9",
    "amounts as they are by default": "q8hgv5tl",
    "other amounts": "bsmmqpwt",
    "everything": "qr2bf99z",
}
SPECS: dict[str, dict[str, Any]] = {
    "minimal": {"image": "map:1", "database": {"evaluation": {}}},
    "external": {
        "image": "map:1",
        "database": {"external": {"secretRef": {"name": "db", "key": "url"}}},
        "cache": {"external": {"secretRef": {"name": "redis", "key": "url"}}},
        "jwtSecret": {"secretRef": {"name": "jwt", "key": "value"}},
        "pullPolicy": "Always",
        "pullSecrets": [{"name": "registry"}],
    },
    "amounts as they are by default": {
        "image": "map:1",
        "database": {"evaluation": {"storage": {"size": "5Gi"}}},
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"cpu": 1}},
    },
    "other amounts": {
        "image": "map:1",
        "database": {"evaluation": {}},
        "resources": {"requests": {"cpu": "0.5", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    },
    "everything": {
        "image": "registry.example.com/map@sha256:" + "0" * 64,
        "replicas": 5,
        "database": {"evaluation": {"storage": {"retention": "Retain"}}},
        "cache": {"evaluation": {"maxMemory": "64Mi"}},
        "config": {
            "logLevel": "debug",
            "corsOrigins": ["https://map.hogwarts.edu"],
            "rateLimits": {"anonymous": 100, "authenticated": 50},
            "trustedProxies": 1,
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            ],
            "configMapRefs": [{"name": "owl"}],
        },
        "probes": {"liveness": {"periodSeconds": 10}, "readiness": {"periodSeconds": 10}},
        "podTemplate": {
            "labels": {"team": "map"},
            "annotations": {"note": "x"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [
                {"key": "k", "value": "v", "effect": "NoExecute", "tolerationSeconds": 0},
                {"operator": "Exists"},
            ],
            "affinity": {"nodeAffinity": {"x": [1, {"y": None}]}},
            "priorityClassName": "high",
        },
        "availability": {
            "podDisruptionBudget": {"maxUnavailable": "25%"},
            "topologySpread": {"topologyKeys": [], "whenUnsatisfiable": "DoNotSchedule"},
            "drainSeconds": 10,
            "terminationGraceSeconds": 30,
        },
    },
}


def inputs(spec: dict[str, Any]) -> dict[str, Any]:
    digests = {r["name"]: "abc" for r in spec.get("config", {}).get("configMapRefs", ())}
    return revision_inputs(parse({"metadata": {"name": "map", "namespace": "t"}, "spec": spec}).spec, digests)


@pytest.mark.parametrize("what", SPECS)
def test_the_names_of_release_0_1_0_hold(what: str) -> None:
    assert revision_hash(inputs(SPECS[what])) == HASHES[what]


def models(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models(part)


def reached(model: type[Model], only: tuple[str, ...] = ()) -> dict[str, type[Model]]:
    """The model and all that its fields are made of, by name."""
    found = {model.__name__: model}
    for name, field in model.model_fields.items():
        if not only or name in only:
            for part in models(field.annotation):
                found |= reached(part)
    return found


def test_every_default_that_a_name_leaves_out_is_frozen() -> None:
    """A field that is new belongs in the table, with the default that it came with."""
    missing = []
    for known, model in reached(MaraudersMapSpec, POD_FIELDS).items():
        for name, field in model.model_fields.items():
            inside = model is not MaraudersMapSpec or name in POD_FIELDS
            if inside and field.default is not PydanticUndefined and name not in FROZEN[known]:
                missing.append(f"{known}.{name}")
    assert missing == []


def test_a_default_that_changes_renames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither who wrote nothing, nor who wrote what the default was, nor who wrote what it is now."""

    class Patience(Model):
        seconds: int = 3  # 10 when the field came

    monkeypatch.setitem(FROZEN, "Patience", {"seconds": 10})
    assert written(Patience()) == {}
    assert written(Patience(seconds=10)) == {}
    assert written(Patience(seconds=3)) == {"seconds": 3}


@pytest.mark.parametrize(
    "same",
    [
        {"requests": {"cpu": "0.5"}},
        {"requests": {"cpu": 0.5}},
        {"requests": {"cpu": "0.50", "memory": "262144Ki"}, "limits": {"cpu": "1000m"}},
    ],
)
def test_an_amount_that_is_equal_is_the_same_revision(same: dict[str, Any]) -> None:
    """Another spelling of what runs rolls nothing out; a revision of its own would have another name."""
    quiet = inputs(SPECS["minimal"])
    recorded = {revision_hash(quiet): quiet}
    assert name_revision(inputs(SPECS["minimal"] | {"resources": same}), recorded) == revision_hash(quiet)
    more = inputs(SPECS["minimal"] | {"resources": {"requests": {"cpu": "0.6"}}})
    assert name_revision(more, recorded) == revision_hash(more)


@pytest.mark.parametrize(
    "odd",
    [
        {"resources": {"requests": {"ephemeral-storage": "1Gi"}}},
        {"resources": {"claims": [{"name": "gpu"}]}},
        {"resources": {"requests": {"cpu": "half"}}},
        {"resources": "text"},
        {"cache": ["text"]},
    ],
    ids=str,
)
def test_a_record_of_a_newer_release_or_of_a_persons_hand_stands_for_itself(odd: dict[str, Any]) -> None:
    """This release goes on beside it: a resource whose revisions cannot be named gets no pass at all."""
    minimal = inputs(SPECS["minimal"])
    recorded = {"another": minimal | odd}
    assert name_revision(minimal, recorded) == revision_hash(minimal)
    assert name_revision(minimal | odd, recorded) == "another"


def test_another_spelling_starts_no_rollout() -> None:
    """Through the engine."""
    world = ready_world()
    done = len(world.actions)
    world.edit(resources={"requests": {"cpu": "0.5"}}).run(10)
    assert world.actions[done:] == []
    assert world.status.phase == "Ready"


@pytest.mark.parametrize("before", [None, "1Gi"])
@pytest.mark.parametrize("after", [None, "1Gi", "1024Mi", "64Mi"])
def test_the_memory_of_the_evaluation_cache_is_in_no_pod_of_a_revision(
    before: str | None, after: str | None
) -> None:
    """And the name stays that of what was written when it was first recorded: an upgrade rolls nothing out."""

    def sized(memory: str | None) -> dict[str, Any]:
        given = {"cache": {"evaluation": {"maxMemory": memory}}} if memory else {}
        return inputs(SPECS["minimal"] | given)

    recorded = {revision_hash(sized(before)): sized(before)}
    assert name_revision(sized(after), recorded) == revision_hash(sized(before))
    other = inputs(SPECS["minimal"] | {"cache": {"disabled": True}})
    assert name_revision(other, recorded) == revision_hash(other)


def test_another_size_of_the_cache_starts_no_rollout() -> None:
    """Through the engine."""
    world = ready_world()
    done = len(world.actions)
    world.edit(cache={"evaluation": {"maxMemory": "1Gi"}}).run(10)
    assert world.actions[done:] == []
    assert world.status.phase == "Ready"
