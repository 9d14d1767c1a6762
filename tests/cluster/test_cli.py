"""`kubectl marauders` as ordinary users have it: a role in one namespace, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dev.kube import Kubectl
from tests.cluster import budgets
from tests.cluster.scenario import NAME, Scenario, small_spec

SECONDS = str(int(budgets.PROMOTED))
ONLY_THE_RESOURCE = {"apiGroups": ["hogwarts.edu"], "resources": ["maraudersmaps"], "verbs": ["get", "list"]}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a kubeconfig of their own; kubectl finds the plugin on the PATH."""

    kubectl: str
    kubeconfig: Path

    def __call__(self, *args: str, code: int = 0) -> str:
        """What `kubectl marauders ...` prints, on both streams. It must end with `code`."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [self.kubectl, "marauders", *args],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path},
            capture_output=True,
            text=True,
            timeout=budgets.PROMOTED + 60,
            check=False,
        )
        assert done.returncode == code, f"{args}: ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "-o", "json"))


def user(scenario: Scenario, name: str, role: str, folder: Path) -> User:
    """A service account of the namespace with that role in it, and the namespace as its context's."""
    kubectl = scenario.kubectl
    scenario.do("create", "serviceaccount", name)
    scenario.do("create", "rolebinding", name, role, f"--serviceaccount={scenario.namespace}:{name}")
    token = scenario.do("create", "token", name, "--duration=1h").strip()
    config = kubectl.json("config", "view", "--raw", "--minify", "--flatten")
    config["users"] = [{"name": name, "user": {"token": token}}]
    context = {"cluster": config["clusters"][0]["name"], "user": name, "namespace": scenario.namespace}
    config["contexts"] = [{"name": name, "context": context}]
    config["current-context"] = name
    path = folder / f"{name}.kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    return User(kubectl.program, path)


@pytest.fixture(scope="module")
def editor(small: Scenario, tmp_path_factory: pytest.TempPathFactory) -> User:
    return user(small, "editor", "--clusterrole=edit", tmp_path_factory.mktemp("editor"))


def test_a_rollback_is_reported_explained_and_tried_again(small: Scenario, editor: User) -> None:
    # given
    small.is_ready()
    assert "2 of 2 pods ready" in editor("status", NAME)
    bad = f"{small.good.rsplit(':', 1)[0]}:never-pushed"
    # when
    small.edit(image=bad)
    # then watching ends with it
    assert "RolledBack" in editor("status", NAME, "--for=rolled-back", "--timeout", SECONDS)
    # and it is shown why, what differs, and what happened
    printed = editor("explain", NAME)
    assert "ImageNotFound: the registry answers that this image or tag does not exist" in printed
    assert f"kubectl marauders retry {NAME} -n {small.namespace}" in printed
    difference = editor.json("diff", NAME)["changes"]
    assert difference == [
        {"path": "spec.containers[api].image", "old": json.dumps(small.good), "new": json.dumps(bad)}
    ]
    history = editor.json("history", NAME)
    assert [r["outcome"] for r in history["rollouts"]][:1] == ["RolledBack"]
    assert history["recorded"][-1]["roles"] == ["rejected: ImageNotFound"]
    # and waiting for what cannot come by itself ends at once
    assert "does not get ready by itself" in editor("status", NAME, "--for=ready", code=1)
    # when it is tried again, then the operator takes it up, and rejects it once more
    assert editor.json("retry", NAME)["takenUp"] is True
    editor("status", NAME, "--for=rolled-back", "--timeout", SECONDS)
    # when the spec is corrected, then nothing is left to retry
    small.edit(image=small.good)
    editor("status", NAME, "--for=ready", "--timeout", SECONDS)
    assert "nothing is rejected or held" in editor("retry", NAME, code=1)


def test_a_rollout_is_paused_resumed_aborted_tried_again_and_undone(small: Scenario, editor: User) -> None:
    # given
    small.is_ready()
    before = small.status()["stable"]["revision"]
    # when it is paused, then a change waits, and what differs can be seen before it begins
    editor("pause", NAME)
    small.edit(config={"logLevel": "debug"})
    small.until_phase("Paused", budgets.NOTICED)
    assert "config" in editor("diff", NAME)
    assert "kubectl marauders resume" in editor("explain", NAME)
    # when it goes on and is aborted, then the candidate is rejected
    editor("resume", NAME)
    candidate = small.until_step("Witnesses")["revision"]
    assert editor.json("abort", NAME)["takenUp"] is True
    editor("status", NAME, "--for=rolled-back", "--timeout", SECONDS)
    assert small.status()["rejected"][0]["reason"] == "Aborted"
    assert small.status()["serving"] == before
    # when it gets another try, then it becomes stable
    editor("retry", NAME)
    editor("status", NAME, "--for=ready", "--timeout", SECONDS)
    assert small.status()["stable"]["revision"] == candidate
    # when it is undone, then the one before serves, and the spec is as it was
    wanted = small.resource()["spec"]
    editor("undo", NAME)
    editor("status", NAME, "--for=rolled-back", "--timeout", SECONDS)
    assert small.status()["serving"] == before
    assert small.resource()["spec"] == wanted
    assert "asked for by undo" in editor("status", NAME)
    # when the spec's revision is asked for again, then it comes back
    editor("retry", NAME)
    editor("status", NAME, "--for=ready", "--timeout", SECONDS)
    assert small.status()["serving"] == candidate


def test_a_restart_replaces_every_pod_and_no_request_fails(small: Scenario, editor: User) -> None:
    # given
    small.is_ready()
    revision = small.status()["serving"]
    before = {p["metadata"]["uid"] for p in small.pods(revision)}
    with small.probed() as prober:
        # when
        editor("restart", NAME)
        # then
        small.until_true(
            lambda: not before & {p["metadata"]["uid"] for p in small.pods(revision)},
            "new pods",
            budgets.PROMOTED,
        )
        editor("status", NAME, "--for=ready", "--timeout", SECONDS)
        counts = prober.read()
    assert counts.failed == 0, counts.failures
    assert small.status()["serving"] == revision


def test_with_little_rights_it_shows_what_it_may_and_changes_nothing(small: Scenario, tmp_path: Path) -> None:
    # given somebody who may read the resource alone
    small.is_ready()
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": [ONLY_THE_RESOURCE],
    }
    small.kubectl.apply(role, namespace=small.namespace)
    reader = user(small, "reader", "--role=reader", tmp_path)
    # then
    printed = reader("status", NAME)
    assert "pods unknown" in printed
    assert "note: pods are left out: you may not list them" in printed
    assert "Ready" in reader("explain", NAME)
    assert "you may not do in this namespace" in reader("diff", NAME, code=1)
    assert "the API server refuses" in reader("pause", NAME, code=1)
    assert small.resource()["spec"]["rollout"].get("paused", False) is False
    # and a slip in the name is answered with the right one
    assert f"there is {NAME}" in reader("status", "marauders-mop", code=1)


def test_nobody_without_rights_sees_anything(scenario: Scenario, kubectl: Kubectl, tmp_path: Path) -> None:
    # given
    scenario.resource_exists(small_spec(scenario.good))
    stranger = user(scenario, "stranger", "--clusterrole=system:public-info-viewer", tmp_path)
    # then
    assert "the API server refuses" in stranger("status", NAME, code=1)
