"""`make install` on the checkout's own cluster and elsewhere: which images the operator is given."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from dev import install
from dev.cluster.host.console import Problem
from dev.kube import Kubectl

KUBECTL = Kubectl("kubectl", "")
LOCAL = {"EVALUATION_POSTGRES_IMAGE": "registry:5000/pg:1", "EVALUATION_REDIS_IMAGE": "registry:5000/redis:1"}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `make cluster` has written down, and its kubeconfig; KUBECONFIG is not set."""
    state = {"postgres_image": "registry:5000/pg:1", "redis_image": "registry:5000/redis:1"}
    (tmp_path / "cluster.json").write_text(json.dumps(state))
    monkeypatch.setattr("dev.install.SUMMARY", tmp_path / "cluster.json")
    monkeypatch.setattr("dev.kube.SUMMARY", tmp_path / "cluster.json")
    monkeypatch.setattr("dev.cluster.lifecycle.cluster.KUBECONFIG", tmp_path / "kubeconfig")
    monkeypatch.setenv("MARAUDERS_OPERATOR_IMAGE", "registry:5000/operator:built")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path / "kubeconfig"


def asked_for(
    monkeypatch: pytest.MonkeyPatch, image: str = "", env: tuple[str, ...] = ()
) -> tuple[str, dict[str, str]]:
    seen: list[tuple[str, dict[str, str]]] = []

    def rendered(_: Kubectl, __: Path, image: str, *, env: dict[str, str], **___: Any) -> list[Any]:
        seen.append((image, env))
        return []

    monkeypatch.setattr("dev.install.rendered", rendered)
    install.wanted(KUBECTL, argparse.Namespace(image=image, env=list(env), namespaces=()))
    return seen[0]


def test_another_operator_on_the_own_cluster_keeps_its_databases_images(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an evaluation database that is made there afterwards asks for an image that it may not get."""
    assert asked_for(monkeypatch, "registry:5000/operator:2") == ("registry:5000/operator:2", LOCAL)
    assert asked_for(monkeypatch) == ("registry:5000/operator:built", LOCAL)
    # and the same when its kubeconfig has been exported, as the quick start has it
    monkeypatch.setenv("KUBECONFIG", str(own))
    assert asked_for(monkeypatch, "registry:5000/operator:2") == ("registry:5000/operator:2", LOCAL)
    assert asked_for(monkeypatch) == ("registry:5000/operator:built", LOCAL)


def test_what_a_person_sets_goes_first(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, env = asked_for(monkeypatch, env=("EVALUATION_REDIS_IMAGE=mine:1",))
    assert env == LOCAL | {"EVALUATION_REDIS_IMAGE": "mine:1"}


def test_on_another_cluster_the_images_of_this_one_are_not_taken(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(own.with_name("another")))
    assert asked_for(monkeypatch, "registry.example/operator:2") == ("registry.example/operator:2", {})
    with pytest.raises(Problem, match="which image"):
        asked_for(monkeypatch)
