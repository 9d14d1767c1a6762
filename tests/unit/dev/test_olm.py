"""The bundle for OLM is the installation in another form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev import olm
from dev.operator_objects import BASE, NAME

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
FILES = [p for p in sorted(BASE.glob("*.yaml")) if p.name != "kustomization.yaml"]
CSV = f"manifests/{olm.PACKAGE}.clusterserviceversion.yaml"


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    """What `make install` applies, but for the image's tag."""
    files = [*FILES, *sorted((ROOT / "crds").glob("hogwarts*.yaml"))]
    return [o for f in files for o in yaml.safe_load_all(f.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def files(objects: list[Object]) -> dict[str, Object]:
    example = yaml.safe_load(olm.EXAMPLE.read_text(encoding="utf-8"))
    return olm.bundle(objects, "1.2.3", "registry.example/operator:1.2.3", example)


def only(objects: list[Object], kind: str, name: str = NAME) -> Object:
    [found] = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def test_the_rights_are_those_of_the_installation(objects: list[Object], files: dict[str, Object]) -> None:
    """Each rule once; what a Role cannot give is the only right to the whole cluster."""
    strategy = files[CSV]["spec"]["install"]["spec"]
    [namespaced], [cluster] = strategy["permissions"], strategy["clusterPermissions"]
    shipped = (
        only(objects, "ClusterRole")["rules"] + only(objects, "Role", f"{NAME}-leader-election")["rules"]
    )
    assert sorted(map(str, namespaced["rules"] + cluster["rules"])) == sorted(map(str, shipped))
    assert [rule["resources"] for rule in cluster["rules"]] == [["nodes"]]
    account = only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    assert namespaced["serviceAccountName"] == cluster["serviceAccountName"] == account


def test_the_deployment_differs_in_who_names_the_namespaces(
    objects: list[Object], files: dict[str, Object]
) -> None:
    [deployment] = files[CSV]["spec"]["install"]["spec"]["deployments"]
    shipped = only(objects, "Deployment")
    [ours] = deployment["spec"]["template"]["spec"]["containers"]
    [theirs] = shipped["spec"]["template"]["spec"]["containers"]
    variables = {v["name"]: v for v in ours["env"]}
    assert variables.pop("WATCH_NAMESPACES") == {
        "name": "WATCH_NAMESPACES",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['olm.targetNamespaces']"}},
    }
    assert variables == {v["name"]: v for v in theirs["env"] if v["name"] != "WATCH_NAMESPACES"}
    assert {k: v for k, v in ours.items() if k != "env"} == {k: v for k, v in theirs.items() if k != "env"}
    assert (deployment["name"], deployment["label"]) == (NAME, shipped["metadata"]["labels"])


def test_every_image_that_it_may_run_is_named(files: dict[str, Object]) -> None:
    [deployment] = files[CSV]["spec"]["install"]["spec"]["deployments"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    named = {i["image"] for i in files[CSV]["spec"]["relatedImages"]}
    evaluation = {v["value"] for v in container["env"] if v["name"].startswith("EVALUATION_")}
    assert named == {container["image"], *evaluation}


def test_what_goes_beside_it_names_no_namespace(objects: list[Object], files: dict[str, Object]) -> None:
    """OLM puts it where the operator is. Its account and namespace are OLM's own; of policies older OLMs know nothing."""
    beside = {(f["kind"], f["metadata"]["name"]) for f in files.values() if "kind" in f}
    left_out = {"Namespace", "ServiceAccount", "Deployment", "Role", "RoleBinding", "ClusterRoleBinding"}
    expected = {
        (o["kind"], o["metadata"]["name"])
        for o in objects
        if o["kind"] not in left_out | {"NetworkPolicy"} and o != only(objects, "ClusterRole")
    }
    assert beside == expected | {("ClusterServiceVersion", "marauders-map-operator.v1.2.3")}
    assert all("namespace" not in f["metadata"] for f in files.values() if "kind" in f)


def test_the_level_is_the_one_that_the_document_claims(files: dict[str, Object]) -> None:
    """All of level 2, not all of level 3."""
    assert files[CSV]["metadata"]["annotations"]["capabilities"] == "Seamless Upgrades"
    maturity = (ROOT / "docs" / "maturity.md").read_text(encoding="utf-8")
    met = dict(re.findall(r"^\| (\d)\. [^|]+\| ([^|;]+?)[;|]", maturity, re.MULTILINE))
    assert (met["1"].strip(), met["2"].strip()) == ("all 10", "all 5")
    assert not met["3"].startswith("all")


def test_the_example_is_a_whole_resource(files: dict[str, Object]) -> None:
    [example] = json.loads(files[CSV]["metadata"]["annotations"]["alm-examples"])
    [owned] = files[CSV]["spec"]["customresourcedefinitions"]["owned"]
    assert example["kind"] == owned["kind"]
    assert example["apiVersion"].endswith(f"/{owned['version']}")


def test_the_image_of_the_bundle_has_the_same_words_as_its_metadata(files: dict[str, Object]) -> None:
    for key, value in files["metadata/annotations.yaml"]["annotations"].items():
        assert f"LABEL {key}={value}\n" in olm.dockerfile()
