"""Git, the operator and a rejected commit. Helm 4 delivers: it applies on the server and waits by kstatus, as Flux does.

Git changes -> applied -> the operator rolls back -> the delivery fails, and there is nothing to correct
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dev.cluster.host import go_tools
from dev.kube import KubectlFailed
from tests.cluster.own_operator import left_alone
from tests.cluster.scenario import Scenario, manifest, small_spec
from tests.unit.gitops.test_argocd import run

pytestmark = pytest.mark.extended

Object = dict[str, Any]
COMPARER = "comparer"
"""Of its own: as the one that applied it, it would ask for the deliverer's labels to be removed."""
CHART = {"apiVersion": "v2", "name": "delivery", "version": "0.1.0"}
DELIVERY_SECONDS = 900
"""Far above what a delivery takes: one that ends at this limit has not been judged."""

UNSEEN_SECONDS = 10
"""How long a delivery waits for an operator that is not there."""


@dataclass(frozen=True, slots=True)
class Git:
    """A repository with one resource in it, and what brings it to the cluster."""

    scenario: Scenario
    folder: Path

    def commit(self, image: str) -> Object:
        """The resource as it is written from now on."""
        resource = manifest(small_spec(image))
        (self.folder / "templates").mkdir(exist_ok=True)
        (self.folder / "Chart.yaml").write_text(json.dumps(CHART), encoding="utf-8")
        (self.folder / "templates" / "map.yaml").write_text(json.dumps(resource), encoding="utf-8")
        return resource

    def deliver(self, seconds: int = DELIVERY_SECONDS) -> str:
        """Apply, and wait until all is ready; what was wrong, empty for nothing."""
        where = [f"--kubeconfig={self.scenario.kubectl.kubeconfig}", f"--namespace={self.scenario.namespace}"]
        options = ["--install", "--wait=watcher", f"--timeout={seconds}s"]
        command = [str(go_tools.published("helm")), *where, "upgrade", *options, "delivery", str(self.folder)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=2 * DELIVERY_SECONDS, check=False
        )
        return done.stderr if done.returncode else ""

    def drift(self, resource: Object) -> str:
        """What an apply of the resource would change now, by the API server's own dry run; empty for nothing."""
        compare = ("diff", "--server-side", "--force-conflicts", f"--field-manager={COMPARER}", "-f", "-")
        try:
            return self.scenario.do(*compare, input=json.dumps(resource))
        except KubectlFailed as failed:
            # 1: they differ. Anything else is no comparison.
            if failed.returncode != 1:
                raise
            return str(failed.stdout)


@pytest.fixture
def git(scenario: Scenario, tmp_path: Path) -> Git:
    return Git(scenario, tmp_path)


def test_a_rejected_commit_fails_the_delivery_and_is_no_drift(
    git: Git, scenario: Scenario, crashing_image: str
) -> None:
    # given a delivery that ends when the service is ready, and not before
    git.commit(scenario.good)
    assert git.deliver() == ""
    assert scenario.status().get("phase") == "Ready"
    # when a commit brings an image that crashes
    bad = git.commit(crashing_image)
    failed = git.deliver()
    # then the delivery fails as soon as the revision is rejected, with the operator's words, not at its timeout
    status = scenario.status()
    assert status["phase"] == "RolledBack"
    assert status["message"] in failed
    assert "deadline exceeded" not in failed
    # and Argo CD would show the same
    resource = scenario.resource()
    assert run("health.lua", resource) == {"status": "Degraded", "message": status["message"]}
    # and there is nothing to correct: what Git asks for is what the resource asks for
    entry = scenario.until_rejected(crashing_image)
    assert git.drift(bad) == ""
    # when it is delivered again
    assert status["message"] in git.deliver()
    # then the rejected revision is not tried again, and the spec is as it was
    again = scenario.resource()
    assert again["metadata"]["generation"] == resource["metadata"]["generation"]
    assert again["status"]["rejected"] == resource["status"]["rejected"]
    assert not scenario.pods(entry["revision"])
    # when the commit is reverted, all is well without a rollout
    history = again["status"]["history"]
    git.commit(scenario.good)
    assert git.deliver() == ""
    assert scenario.status().get("phase") == "Ready"
    assert [h for h in scenario.status()["history"] if h["outcome"] == "Promoted"] == [
        h for h in history if h["outcome"] == "Promoted"
    ]
    assert run("health.lua", scenario.resource())["status"] == "Healthy"


def test_a_resource_that_nobody_looks_at_is_not_ready(git: Git, scenario: Scenario) -> None:
    """No operator has written a status yet: a delivery waits for that, instead of taking nothing for good."""
    git.commit(scenario.good)
    with left_alone(scenario):
        failed = git.deliver(seconds=UNSEEN_SECONDS)
    assert "status: InProgress" in failed
    assert "latest observed generation is 0" in failed


def test_what_a_person_changes_is_drift(git: Git, scenario: Scenario) -> None:
    """Else the comparison above would show nothing."""
    resource = git.commit(scenario.good)
    scenario.do("apply", "--server-side", "-f", "-", input=json.dumps(resource))
    assert git.drift(resource) == ""
    scenario.edit(replicas=3)
    assert "replicas: 3" in git.drift(resource)
