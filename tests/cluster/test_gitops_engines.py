"""Flux's and Argo CD's own engines deliver to a real cluster: what they apply, compare, wait for and prune.

Git changes -> the tool applies -> the operator rolls back -> the tool sees a failure, and nothing to correct
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from dev import gitops
from dev.judges import ask as judge
from dev.judges.ask import Delivery, ask
from tests.cluster import budgets
from tests.cluster.scenario import INSTANCE, KINDS, NAME, Scenario, manifest, merged, small_spec

pytestmark = pytest.mark.extended

Object = dict[str, Any]
SETTINGS: dict[str, str] = yaml.safe_load(gitops.settings())["data"]
SUBJECT = "MaraudersMap/{}/" + NAME
RETAINED = {"database": {"evaluation": {"storage": {"retention": "Retain"}}}}
ARGO = "argocd.argoproj.io/"
KEPT = f"{ARGO}sync-options"


def committed(scenario: Scenario, spec: Object) -> Object:
    """The resource as Git has it."""
    resource = manifest(spec)
    resource["metadata"]["namespace"] = scenario.namespace
    return resource


def delivery(scenario: Scenario) -> Delivery:
    return Delivery(scenario.kubectl.kubeconfig, scenario.namespace, NAME)


def test_a_rejected_commit_fails_flux_once_and_is_no_drift(scenario: Scenario, crashing_image: str) -> None:
    flux, subject = delivery(scenario), SUBJECT.format(scenario.namespace)
    good = committed(scenario, small_spec(scenario.good))
    # given
    created, waited = ask(flux.apply([good]), flux.wait([good], seconds=int(budgets.READY)))
    assert created["actions"] == {subject: "created"}
    assert waited["failed"] == ""
    # when a commit brings an image that crashes
    bad = committed(scenario, merged(small_spec(scenario.good), {"image": crashing_image}))
    applied, failed = ask(flux.apply([bad]), flux.wait([bad], seconds=int(budgets.READY)))
    assert applied["actions"] == {subject: "configured"}
    # then the delivery fails as soon as the revision is rejected, not at its timeout
    assert failed["failed"] == f"failed early due to stalled resources: [{subject} status: 'Failed']"
    entry = scenario.until_rejected(crashing_image)
    live = scenario.resource()
    health, kstatus, drift = ask(judge.health(live, SETTINGS), judge.kstatus(live), flux.drift([bad]))
    message = live["status"]["message"]
    assert (health["status"], health["message"]) == ("Degraded", message)
    assert (kstatus["status"], kstatus["message"]) == ("Failed", message)
    assert entry["message"] in message
    # and there is nothing to correct: what Git asks for is what the resource asks for
    assert drift["actions"] == {subject: "unchanged"}
    [again] = ask(flux.apply([bad]))
    assert again["actions"] == {subject: "unchanged"}
    # nor does a sync that happens again bring the revision back
    assert scenario.status()["phase"] == "RolledBack"
    assert not scenario.pods(entry["revision"])
    # when the commit is reverted, all is well without a rollout
    reverted, waited = ask(flux.apply([good]), flux.wait([good], seconds=int(budgets.READY)))
    assert reverted["actions"] == {subject: "configured"}
    assert waited["failed"] == ""
    [health] = ask(judge.health(scenario.resource(), SETTINGS))
    assert health["status"] == "Healthy"
    assert not scenario.pods(entry["revision"])


def test_a_rejected_commit_is_in_sync_and_degraded_in_argo_cd(
    scenario: Scenario, crashing_image: str
) -> None:
    argo = delivery(scenario)
    # given
    good = committed(scenario, small_spec(scenario.good))
    [synced] = ask(argo.sync([good], seconds=120))
    assert {r["status"] for r in synced["results"].values()} == {"Synced"}
    scenario.until_phase("Ready", budgets.READY)
    # when
    bad = committed(scenario, merged(small_spec(scenario.good), {"image": crashing_image}))
    [before] = ask(argo.live_diff(bad))
    ask(argo.sync([bad], seconds=120))
    scenario.until_rejected(crashing_image)
    # then
    live = scenario.resource()
    server, client, health = ask(argo.live_diff(bad), judge.diff(bad, live), judge.health(live, SETTINGS))
    assert before["outOfSync"]
    assert not server["outOfSync"]
    assert not client["outOfSync"]
    assert (health["status"], health["message"]) == ("Degraded", live["status"]["message"])


def test_what_a_person_changes_is_drift(scenario: Scenario) -> None:
    """Else the comparisons above would show nothing."""
    flux, subject = delivery(scenario), SUBJECT.format(scenario.namespace)
    git = committed(scenario, small_spec(scenario.good))
    ask(flux.apply([git]))
    scenario.edit(replicas=3)
    drift, argo = ask(flux.drift([git]), flux.live_diff(git))
    assert drift["actions"] == {subject: "configured"}
    assert argo["outOfSync"] is True


def test_no_sync_prunes_what_keeps_data(scenario: Scenario) -> None:
    """Argo CD tracks by label, and an Application has the resource's own name: all children look like its own."""
    argo = delivery(scenario)
    git = committed(scenario, merged(small_spec(scenario.good), RETAINED))
    tracked = f"{NAME}:hogwarts.edu/MaraudersMap:{scenario.namespace}/{NAME}"
    git["metadata"]["labels"] = {INSTANCE: NAME, f"{ARGO}instance": NAME}
    git["metadata"]["annotations"] = {f"{ARGO}tracking-id": tracked}
    stray = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "stray", "labels": {INSTANCE: NAME}},
    }
    # given
    scenario.kubectl.apply(stray, namespace=scenario.namespace)
    ask(argo.sync([git], seconds=120))
    scenario.until_phase("Ready", budgets.READY)
    children, kept = scenario.children(), _kept(scenario)
    assert {kind for kind, _ in kept} == {"PersistentVolumeClaim", "Secret"}
    # and what Argo CD has marked the resource with is on no child
    assert _marks(scenario) == {KEPT, f"{ARGO}compare-options"}
    # when it syncs with pruning, beside everything that the operator made
    [synced] = ask(argo.sync([git], seconds=120))
    # then what is nobody's went the first time, and nothing goes now
    assert "ConfigMap/stray" not in children
    assert {r["status"] for r in synced["results"].values()} <= {"Synced", "PruneSkipped"}, synced
    assert scenario.children() == children
    # when the resource is removed from Git
    [pruned] = ask(argo.sync([], seconds=300))
    assert pruned["results"][f"MaraudersMap/{NAME}"]["status"] == "Pruned"
    scenario.until_true(lambda: not scenario.find_all("deployments,services"), "all is gone", budgets.GONE)
    [after] = ask(argo.sync([], seconds=120))
    # then the data and its password stay, whatever is synced
    assert {name: r["message"] for name, r in after["results"].items()} == {
        f"{kind}/{name}": "ignored (no prune)" for kind, name in kept
    }
    assert _kept(scenario) == kept


def _kept(scenario: Scenario) -> set[tuple[str, str]]:
    """Kind and name of what says that it is kept."""
    return {
        (o["kind"], o["metadata"]["name"])
        for o in scenario.find_all("secrets,persistentvolumeclaims")
        if (o["metadata"].get("annotations") or {}).get(KEPT) == "Prune=false"
    }


def _marks(scenario: Scenario) -> set[str]:
    """Labels and annotations of Argo CD's own on any child or pod."""
    found = [o["metadata"] for o in scenario.find_all(f"{KINDS},pods,replicasets,endpointslices")]
    marks = [*(m["labels"] for m in found), *(m.get("annotations") or {} for m in found)]
    return {key for keys in marks for key in keys if key.startswith(ARGO)}
