"""From v0.1.0 to this release in the middle of a rollout, and back: nothing re-rolls or is forgotten, no request fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from dev.cluster.host.console import Problem
from dev.cluster.host.paths import CHECKOUT
from dev.images_built import image_of
from dev.kube import Kubectl, await_established
from dev.misbehaving_image import ensure_broken_image
from dev.operator_install import images_in_use
from dev.operator_objects import CRD
from dev.released import FIRST, files_of, operator_image
from tests.cluster import budgets
from tests.cluster.conftest import own_namespace
from tests.cluster.own_operator import OwnOperator, left_alone
from tests.cluster.scenario import NAME, Object, Scenario, merged, small_spec

pytestmark = pytest.mark.extended

# Long enough to exchange the operator in the middle of it.
BAKE_SECONDS = 90


class Releases:
    """Exchanges the operator of one namespace."""

    def __init__(self, own: OwnOperator) -> None:
        self._own = own
        self._now = images_in_use()

    def first(self) -> None:
        self._own.install(files_of(FIRST), replace(self._now, operator=operator_image(FIRST)))

    def this(self) -> None:
        self._own.install(CHECKOUT, self._now)


@pytest.fixture(scope="module")
def first_release() -> str:
    """The image of the first release."""
    try:
        return operator_image(FIRST)
    except Problem as problem:
        pytest.fail(f"{problem}: run `{problem.remedy}`", pytrace=False)


@pytest.fixture(scope="module")
def definition(kubectl: Kubectl) -> None:
    """The definition of this release is there. Someone who shares the cluster may have a newer one: that is left."""
    if kubectl.find("get", "crd", CRD) is None:
        kubectl("apply", "--server-side", "-k", str(CHECKOUT / "crds"))
        await_established(kubectl, CRD)


@pytest.fixture
def alone(kubectl: Kubectl, definition: None, first_release: str) -> Iterator[Scenario]:
    """A namespace that only an operator of its own writes to."""
    with own_namespace(kubectl) as name:
        scenario = Scenario(kubectl, name, image_of("api"))
        with left_alone(scenario):
            yield scenario


def running(scenario: Scenario) -> dict[str, str]:
    """Every pod of the resource that is not on its way out nor has ended, by UID."""
    pods = scenario.find_all("pods")
    return {
        p["metadata"]["uid"]: p["metadata"]["name"]
        for p in pods
        if "deletionTimestamp" not in p["metadata"] and p["status"]["phase"] == "Running"
    }


def templates(scenario: Scenario) -> set[str]:
    """One ReplicaSet per template of each Deployment, one ControllerRevision per revision: a re-roll makes another."""
    return {
        f"{o['kind']}/{o['metadata']['name']}" for o in scenario.find_all("replicasets,controllerrevisions")
    }


def in_the_bake(scenario: Scenario, level: str) -> tuple[Object, dict[str, str], set[str]]:
    """A good rollout as far as its bake, with what is there then."""
    scenario.edit(config={"logLevel": level})
    candidate = scenario.until_step("Baking")
    scenario.until_true(
        lambda: len(scenario.pods(candidate["revision"])) == 2, "both pods of the candidate", budgets.NOTICED
    )
    return candidate, running(scenario), templates(scenario)


def memory(scenario: Scenario) -> tuple[list[Object], list[Object]]:
    status = scenario.resource()["status"]
    return status["rejected"], status["history"]


def test_to_this_release_and_back(alone: Scenario) -> None:
    crashing_image = ensure_broken_image()
    releases = Releases(OwnOperator(alone))
    # given: a resource of the first release, with a verdict in its ledger
    releases.first()
    spec = merged(small_spec(alone.good), {"rollout": {"bakeSeconds": BAKE_SECONDS}})
    alone.resource_exists(spec)
    alone.until_phase("Ready", budgets.READY)
    alone.edit(image=crashing_image)
    rejected = alone.until_rejected(crashing_image)
    alone.edit(image=alone.good)
    alone.until_phase("Ready", budgets.PROMOTED)
    ledger, history = memory(alone)
    assert [r["revision"] for r in ledger] == [rejected["revision"]]
    with alone.probed() as prober:
        # when: this release takes over in the middle of a bake
        candidate, pods, made = in_the_bake(alone, "warn")
        before = alone.status()["stable"]["revision"]
        releases.this()
        # then: it goes on with the same rollout, and what runs is left alone
        assert alone.resource()["status"]["candidate"]["revision"] == candidate["revision"]
        assert pods.items() <= running(alone).items()
        status = alone.until_phase("Ready", budgets.PROMOTED)
        assert status["stable"]["revision"] == candidate["revision"]
        assert templates(alone) <= made
        assert {p["metadata"]["uid"] for p in alone.pods(candidate["revision"])} <= set(pods)
        assert status["rejected"] == ledger
        assert [h["revision"] for h in status["history"]] == [
            candidate["revision"],
            *(h["revision"] for h in history),
        ]
        # and the verdict of the first release stands: the same content is the same revision
        alone.edit(image=crashing_image, config={"logLevel": "info"})
        status = alone.until_phase("RolledBack", budgets.NOTICED)
        assert status["rejected"] == ledger
        assert not alone.pods(rejected["revision"])
        # what was before the rollout has its name still
        alone.edit(image=alone.good)
        again = alone.until_step("Witnesses")
        assert again["revision"] == before
        alone.until_phase("Ready", budgets.PROMOTED)
        ledger, history = memory(alone)
        # when: the first release is put back in the middle of another
        candidate, pods, made = in_the_bake(alone, "error")
        releases.first()
        # then
        assert alone.resource()["status"]["candidate"]["revision"] == candidate["revision"]
        assert pods.items() <= running(alone).items()
        status = alone.until_phase("Ready", budgets.PROMOTED)
        assert status["stable"]["revision"] == candidate["revision"]
        assert templates(alone) <= made
        assert {p["metadata"]["uid"] for p in alone.pods(candidate["revision"])} <= set(pods)
        assert status["rejected"] == ledger
        assert [h["revision"] for h in status["history"]][1:] == [h["revision"] for h in history]
        counts = prober.read()
    assert counts.failed == 0, counts.failures
    assert set(alone.api_deployments()) == {f"{NAME}-api-{candidate['revision']}"}
