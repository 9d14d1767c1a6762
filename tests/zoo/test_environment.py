"""What says nothing about the revision: traffic stays on stable, the ledger stays empty, it is tried again later."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

import pytest
from dev.cluster.images import base_images, sources
from dev.cluster.network import registry
from tests.cluster import budgets
from tests.zoo.cage import Cage


@pytest.mark.parametrize("status", [401, 403])
def test_registry_refuses_the_credentials(zoo: Callable[[str], Cage], cluster: str, status: int) -> None:
    """As with an expired pull secret: running pods do not pull, so they cannot bear witness."""
    cage = zoo("BlueGreen")
    repository, _, tag = cage.good.rpartition("/")[2].partition(":")
    fresh = registry.push(cluster, f"{repository}:{tag}", repository, f"fresh-{uuid.uuid4().hex[:8]}")
    with cage.trial(f"registry answers {status}") as trial:
        images = base_images.PUBLIC if sources.public_images() else base_images.ensure_local()
        registry.fail_with(cluster, status, python_image=images.build)
        trial.edit(image=fresh)
        hold = trial.until_withdrawn()
        registry.heal(cluster)
        cage.annotate("hogwarts.edu/retry", uuid.uuid4().hex)
        trial.until_promoted()
    assert hold["reason"] == "ImagePullDenied"


def test_quota_is_full(zoo: Callable[[str], Cage]) -> None:
    cage = zoo("BlueGreen")
    with cage.trial("quota exhausted") as trial:
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "full"},
            # The database, three pods of stable, the prober, and the migrations' pod while it lives.
            "spec": {"hard": {"count/pods": "6"}},
        }
        cage.kubectl.apply(quota, namespace=cage.namespace)
        try:
            trial.misbehave("")
            hold = trial.until_withdrawn()
        finally:
            cage.do("delete", "resourcequota", "full")
        cage.annotate("hogwarts.edu/retry", uuid.uuid4().hex)
        trial.until_promoted()
    assert hold["reason"] == "QuotaExceeded"


def test_no_node_is_large_enough(zoo: Callable[[str], Cage]) -> None:
    with zoo("BlueGreen").trial("no node has room") as trial:
        requests = {"requests": {"cpu": "64"}, "limits": {"cpu": "64"}}
        trial.misbehave("", resources=requests, rollout={"progressDeadlineSeconds": 20})
        hold = trial.until_withdrawn()
    assert hold["reason"] == "InsufficientCapacity"


def test_candidate_takes_the_database_from_stable(zoo: Callable[[str], Cage]) -> None:
    """Its locks make stable unready: taken away at once, and stable serves again. Users do notice: it is their database."""
    cage = zoo("BlueGreen")
    with cage.trial("candidate starves stable of the database", failed_percent=100) as trial:
        trial.misbehave("locks")
        hold = trial.until_withdrawn(available=False)
        cage.until_true(
            lambda: cage.condition("Available")[0] == "True", "stable answers again", budgets.HEALED
        )
    assert hold["reason"] == "StableDisturbed"


@pytest.mark.parametrize("kind", ["secret", "configmap"])
def test_missing_reference_holds_the_candidate_back(zoo: Callable[[str], Cage], kind: str) -> None:
    """Not tried before it is there: the condition names it, nothing else happens."""
    cage = zoo("BlueGreen")
    name = f"late-{uuid.uuid4().hex[:8]}"
    ref = {"secret": "secretKeyRef", "configmap": "configMapKeyRef"}[kind]
    env = [
        {"name": "EXTRA", "valueFrom": {ref: {"name": name, "key": "value"}}},
        {"name": "TRIAL", "value": name},
    ]
    with cage.trial(f"missing {kind}, created later") as trial:
        trial.edit(config={"env": env})
        cage.until_true(lambda: name in cage.condition("Ready")[2], "the condition names it", budgets.NOTICED)
        body = {
            "apiVersion": "v1",
            "kind": {"secret": "Secret", "configmap": "ConfigMap"}[kind],
            "metadata": {"name": name},
        }
        content = {"stringData" if kind == "secret" else "data": {"value": "there"}}
        cage.do("apply", "-f", "-", input=json.dumps(body | content))
        trial.until_promoted()
