"""The Helm chart makes the objects that kustomize makes, says what is wrong with values, and never takes data away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev.cluster.host import go_tools
from dev.cluster.host.paths import CHECKOUT
from dev.kube import Kubectl
from dev.operator_objects import CRD, NAME, NAMESPACE, Object, key, rendered
from tests.cluster.objects import comparable
from tests.cluster.scenario import manifest

pytestmark = pytest.mark.extended

CHART = CHECKOUT / "manifests" / "chart" / "marauders-map-operator"
IMAGE = "marauders-map-operator:0.1.0"
DEFINITION = ("CustomResourceDefinition", "", CRD)


@dataclass(frozen=True, slots=True)
class Helm:
    program: str
    kubeconfig: str = ""

    def __call__(self, *args: str) -> str:
        access = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        done = subprocess.run([self.program, *access, *args], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout

    def refuses(self, *args: str) -> str:
        """The answer to values that are wrong."""
        with pytest.raises(AssertionError) as refused:
            self("template", "marauders", str(CHART), *args)
        return str(refused.value)

    def objects(self, *args: str, chart: Path = CHART) -> dict[tuple[str, str, str], Object]:
        """What the chart makes, as the release `marauders` in the operator's namespace."""
        text = self("template", "marauders", str(chart), "-n", NAMESPACE, *args)
        return comparable([o for o in yaml.safe_load_all(text) if o])


@pytest.fixture(scope="module")
def helm() -> Helm:
    return Helm(str(go_tools.published("helm")))


def _by_kustomize(kubectl: Kubectl, folder: Path, *namespaces: str) -> dict[tuple[str, str, str], Object]:
    """Without the Namespace, which is `helm install --create-namespace`'s."""
    objects = comparable(rendered(kubectl, folder, IMAGE, env={}, namespaces=namespaces))
    del objects["Namespace", "", NAMESPACE]
    return objects


def _without_policy(objects: dict[tuple[str, str, str], Object]) -> dict[tuple[str, str, str], Object]:
    """The one thing that the chart adds: Helm leaves the definition where it is."""
    annotations = objects[DEFINITION]["metadata"].pop("annotations")
    assert annotations == {"helm.sh/resource-policy": "keep"}
    return objects


@pytest.mark.parametrize("namespaces", [(), ("marauders-demo",), ("potions", "charms")], ids=len)
def test_it_makes_what_kustomize_makes(
    helm: Helm, kubectl: Kubectl, tmp_path: Path, namespaces: tuple[str, ...]
) -> None:
    values = [f"--set=watchNamespaces={{{','.join(namespaces)}}}"] if namespaces else []
    assert _without_policy(helm.objects(*values)) == _by_kustomize(kubectl, tmp_path, *namespaces)


def test_a_packaged_chart_makes_the_same(helm: Helm, tmp_path: Path) -> None:
    helm("package", str(CHART), "-d", str(tmp_path))
    (package,) = tmp_path.glob("*.tgz")
    assert helm.objects(chart=package) == helm.objects()


def test_linting_finds_nothing(helm: Helm) -> None:
    helm("lint", "--strict", "--quiet", str(CHART))
    helm("lint", "--strict", "--quiet", str(CHART), "--set=watchNamespaces={a,b}")


def test_values_reach_the_deployment(helm: Helm, tmp_path: Path) -> None:
    # given
    digest = f"sha256:{'a' * 64}"
    values: dict[str, Any] = {
        "image": {"repository": "registry:5000/operator", "digest": digest, "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "env": {"LOG_LEVEL": "debug", "FURTHER": "x"},
        "replicas": 3,
        "resources": {"requests": {"cpu": "1"}},
        "priorityClassName": "high",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    # when
    spec = helm.objects("-f", str(tmp_path / "values.yaml"))["Deployment", NAMESPACE, "marauders-operator"][
        "spec"
    ]
    # then
    pod, meta = spec["template"]["spec"], spec["template"]["metadata"]
    (container,) = pod["containers"]
    assert spec["replicas"] == 3
    assert container["image"] == f"registry:5000/operator@{digest}"
    assert container["imagePullPolicy"] == "Always"
    assert container["resources"] == values["resources"]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert (env["LOG_LEVEL"], env["FURTHER"], env["WATCH_NAMESPACES"]) == ("debug", "x", "")
    for name in ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity"):
        assert pod[name] == values[name]
    assert meta["annotations"]["a"] == "b"
    assert meta["labels"] == {"app.kubernetes.io/name": "maraudersmap-operator", "c": "d"}


def test_the_production_overlay_is_the_chart_with_a_class_and_zones(helm: Helm, kubectl: Kubectl) -> None:
    """The class itself is the cluster's, like the namespace: the chart names one that is there."""
    overlay = CHECKOUT / "manifests" / "operator" / "overlays" / "production"
    objects = comparable([o for o in yaml.safe_load_all(kubectl("kustomize", str(overlay))) if o])
    del objects["Namespace", "", NAMESPACE]
    made = objects.pop(("PriorityClass", "", NAME))
    assert 0 < made["value"] < 10**9, "those above are the system's"
    spread = objects["Deployment", NAMESPACE, NAME]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [constraint["topologyKey"] for constraint in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    assert spread.pop() == {**spread[0], "topologyKey": "topology.kubernetes.io/zone"}
    assert _without_policy(helm.objects(f"--set=priorityClassName={NAME}")) == objects


def test_another_namespace_is_the_one_of_every_object_and_subject(helm: Helm) -> None:
    text = helm("template", "marauders", str(CHART), "-n", "elsewhere")
    assert NAMESPACE not in text
    assert "namespace: elsewhere" in text


def test_what_a_cluster_has_once_can_be_left_out(helm: Helm) -> None:
    kinds = {k for k, _, _ in helm.objects("--set=crds.install=false", "--set=userRoles.create=false")}
    assert "CustomResourceDefinition" not in kinds
    assert kinds & {"ClusterRole", "ClusterRoleBinding"} == {"ClusterRole", "ClusterRoleBinding"}
    assert not any(
        name.startswith("maraudersmaps-") for _, _, name in helm.objects("--set=userRoles.create=false")
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("replicaCount=3", "additional properties 'replicaCount' not allowed"),
        ("replicas=0", "at '/replicas'"),
        ("image.repository=registry/operator:1.2", "at '/image/repository'"),
        ("image.digest=sha256:abc", "at '/image/digest'"),
        ("watchNamespaces={Potions}", "at '/watchNamespaces/0'"),
        ("env.WATCH_NAMESPACES=a", "WATCH_NAMESPACES"),
        ("crds.keep=false", "additional properties 'keep' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(helm: Helm, value: str, says: str) -> None:
    assert says in helm.refuses(f"--set={value}")


@pytest.fixture
def release(helm: Helm, empty: Kubectl) -> Iterator[Helm]:
    """Helm on an API server of the test's own, which has no nodes; afterwards nothing of the release is left."""
    yield Helm(helm.program, empty.kubeconfig)
    empty("delete", "namespace", NAMESPACE, "--ignore-not-found")
    empty("delete", "crd", CRD, "--ignore-not-found")


def test_an_upgrade_takes_the_definition_along_and_uninstalling_leaves_it(
    release: Helm, empty: Kubectl, tmp_path: Path
) -> None:
    # given: an older release, whose definition does not know spec.suspend
    release("package", str(CHART), "-d", str(tmp_path))
    (package,) = tmp_path.glob("*.tgz")
    subprocess.run(["tar", "xzf", str(package), "-C", str(tmp_path)], check=True)
    (file,) = (tmp_path / CHART.name / "files" / "crds").iterdir()
    definition = yaml.safe_load(file.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del schema["properties"]["suspend"]
    file.write_text(yaml.safe_dump(definition))
    place = ("-n", NAMESPACE, "--create-namespace")
    release("upgrade", "--install", "marauders", str(tmp_path / CHART.name), *place)
    assert "suspend" not in _spec_fields(empty)
    empty.apply(manifest({"image": "api:1", "database": {"evaluation": {}}}), namespace="default")
    uid = empty.json("-n", "default", "get", CRD, "marauders-map")["metadata"]["uid"]
    # when
    release("upgrade", "--install", "marauders", str(CHART), *place)
    # then
    assert "suspend" in _spec_fields(empty)
    # and when it is taken away
    release("uninstall", "marauders", "-n", NAMESPACE)
    # then
    assert empty.json("-n", "default", "get", CRD, "marauders-map")["metadata"]["uid"] == uid
    left = empty.json("-n", NAMESPACE, "get", "deployments,services,serviceaccounts,networkpolicies")["items"]
    assert [key(o) for o in left if o["metadata"]["name"].startswith("marauders")] == []
    # and it can come back
    release("upgrade", "--install", "marauders", str(CHART), *place)
    release("uninstall", "marauders", "-n", NAMESPACE)


def _spec_fields(kubectl: Kubectl) -> set[str]:
    definition = kubectl.json("get", "crd", CRD)
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"]["properties"])
