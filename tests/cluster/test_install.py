"""Installing and uninstalling, on a control plane of the test's own: it has no nodes, so nothing waits for pods."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dev import install
from dev.cluster.host.paths import CHECKOUT
from dev.install import main
from dev.kube import Kubectl
from dev.operator_objects import CRD, key, rendered
from tests.cluster.objects import comparable
from tests.cluster.scenario import manifest

IMAGE = "registry.example.org/me/marauders-map-operator:1.2.3"
OVERLAY = CHECKOUT / "manifests" / "operator" / "overlays" / "namespaced"


def test_the_namespaced_overlay_is_what_make_install_makes_for_its_namespace(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    overlay = comparable(list(yaml.safe_load_all(kubectl("kustomize", str(OVERLAY)))))
    # The overlay makes the namespace that it looks after, too; `make install` wants it to be there.
    del overlay["Namespace", "", "marauders-demo"]
    image = "marauders-map-operator:0.1.0"
    made = rendered(kubectl, tmp_path, image, env={}, namespaces=("marauders-demo",))
    assert comparable(made) == overlay


@pytest.fixture
def run(empty: Kubectl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubectl]:
    """What a person has who runs `make install` with that cluster's kubeconfig."""
    monkeypatch.setitem(os.environ, "KUBECONFIG", empty.kubeconfig)
    monkeypatch.setattr(install, "await_leader", lambda _: None)
    yield empty
    main(["uninstall", "--with-crd", "--with-resources"])


def _rights(kubectl: Kubectl) -> set[tuple[str, str, str]]:
    found = kubectl.json("get", "clusterroles,clusterrolebindings,roles,rolebindings", "-A")["items"]
    return {key(o) for o in found if o["metadata"]["name"] == "marauders-operator"}


@pytest.mark.extended
def test_installing_again_changes_nothing(run: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
    # when
    assert main(["install", "--image", IMAGE]) == 0
    assert "13 made, 0 changed, 0 were as wanted" in capsys.readouterr().err
    # and again
    assert main(["install", "--image", IMAGE]) == 0
    assert "0 made, 0 changed, 13 were as wanted" in capsys.readouterr().err
    # and with another image, which is announced before it is done
    assert main(["install", "--image", f"{IMAGE}4", "--dry-run"]) == 0
    printed = capsys.readouterr().err
    assert "0 objects to make, 1 to change, 12 as wanted" in printed
    assert "changes: Deployment marauders-system/marauders-operator" in printed
    assert main(["install", "--image", f"{IMAGE}4"]) == 0
    printed = capsys.readouterr().err
    assert "changed: Deployment marauders-system/marauders-operator" in printed
    assert "0 made, 1 changed, 12 were as wanted" in printed


@pytest.mark.extended
def test_rights_of_an_earlier_installation_do_not_stay(run: Kubectl) -> None:
    # given
    run("create", "namespace", "potions")
    assert main(["install", "--image", IMAGE]) == 0
    # when
    assert main(["install", "--image", IMAGE, "--namespaces", "potions"]) == 0
    # then
    assert _rights(run) == {(kind, "potions", "marauders-operator") for kind in ("Role", "RoleBinding")}
    # and back
    assert main(["install", "--image", IMAGE]) == 0
    assert _rights(run) == {
        (kind, "", "marauders-operator") for kind in ("ClusterRole", "ClusterRoleBinding")
    }


@pytest.mark.extended
def test_uninstalling_keeps_the_definition_and_every_resource(
    run: Kubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    assert main(["install", "--image", IMAGE]) == 0
    run.apply(manifest({"image": "api:1", "database": {"evaluation": {}}}), namespace="default")
    uid = run.json("-n", "default", "get", CRD, "marauders-map")["metadata"]["uid"]
    # when
    assert main(["uninstall"]) == 0
    # then
    assert run.json("-n", "default", "get", CRD, "marauders-map")["metadata"]["uid"] == uid
    assert run.find("get", "namespace", "marauders-system") is None
    assert _rights(run) == set()
    # and again there is nothing to do
    capsys.readouterr()
    assert main(["uninstall"]) == 0
    assert "nothing is installed" in capsys.readouterr().err
    # and the definition goes only together with a word about the resources
    assert main(["uninstall", "--with-crd"]) == 1
    assert "default/marauders-map" in capsys.readouterr().err
    assert run.find("get", "crd", CRD) is not None
    assert main(["uninstall", "--with-crd", "--with-resources"]) == 0
    assert run.find("get", "crd", CRD) is None


@pytest.mark.extended
def test_saying_what_would_be_done_does_nothing(run: Kubectl, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--image", IMAGE, "--dry-run"]) == 0
    assert "makes: CustomResourceDefinition maraudersmaps.hogwarts.edu" in capsys.readouterr().err
    assert run.find("get", "crd", CRD) is None
