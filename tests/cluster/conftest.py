"""The cluster, the operator on it, and namespaces: from here every cluster test takes them.

The cluster is the one that `make cluster` brought up (kind), or that the user named by KUBECONFIG when calling make.
Without one the tests fail with the remedy; they are never skipped.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from bench.fleet.plane import Plane
from dev.cluster.host.console import Problem
from dev.cluster.host.paths import STATE
from dev.cluster.network import registry
from dev.images_built import image_of
from dev.kube import Kubectl, KubectlFailed, connect, summary, wait_for
from dev.misbehaving_image import ensure_broken_image
from dev.operator_install import SELECTOR, images_in_use, install
from dev.operator_objects import NAMESPACE as OPERATOR_NAMESPACE
from pytest_kind import KindCluster
from tests.cluster.scenario import Scenario, small_spec

PLANE_READY_SECONDS = 120.0
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


@pytest.fixture(scope="session")
def kind_cluster() -> KindCluster | None:
    """pytest-kind's handle on the cluster of this checkout; None for a cluster that the user named."""
    try:
        state = summary()
    except Problem as problem:
        pytest.fail(f"{problem}: run `{problem.remedy}`", pytrace=False)
    if not state["kind_bin"]:
        return None
    # Its constructor makes a folder `.pytest-kind` wherever it stands.
    with contextlib.chdir(STATE):
        return KindCluster(
            state["name"],
            Path(state["kubeconfig"]),
            image=state["kind_image"],
            kind_path=Path(state["kind_bin"]),
            kubectl_path=Path(state["kubectl_bin"]),
        )


@pytest.fixture(scope="session")
def kubectl(kind_cluster: KindCluster | None) -> Kubectl:
    """`kubectl(*args, input=None) -> str` on the cluster. Raises CalledProcessError with kubectl's words."""
    try:
        found = connect()
    except Problem as problem:
        pytest.fail(f"{problem}: run `{problem.remedy}`", pytrace=False)
    if kind_cluster is not None:
        return Kubectl(str(kind_cluster.kubectl_path), str(kind_cluster.kubeconfig_path))
    return found


@pytest.fixture(scope="session")
def empty(kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl on an API server with nothing on it."""
    with Plane(nodes=False) as plane:
        own = Kubectl(kubectl.program, str(plane.kubeconfig))
        wait_for(lambda: _is_ready(own) or None, "a ready API server", seconds=PLANE_READY_SECONDS)
        yield own


def _is_ready(kubectl: Kubectl) -> bool:
    try:
        return kubectl("get", "--raw", "/readyz") == "ok"
    except KubectlFailed:
        return False


@pytest.fixture(scope="session")
def operator(kubectl: Kubectl) -> str:
    """The operator is installed as it ships, with the images built last; the namespace it is in."""
    try:
        install(kubectl, images_in_use())
    except Problem as problem:
        pytest.fail(f"{problem}: run `{problem.remedy or 'make images'}`", pytrace=False)
    return OPERATOR_NAMESPACE


@pytest.fixture(scope="session")
def good_image(operator: str) -> str:
    return image_of("api")


@pytest.fixture(scope="session")
def crashing_image(operator: str) -> str:
    """Migrates, but ends at once when it should serve."""
    return ensure_broken_image()


@contextlib.contextmanager
def own_namespace(kubectl: Kubectl) -> Iterator[str]:
    name = f"mm-test-{uuid.uuid4().hex[:8]}"
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def scenario(kubectl: Kubectl, good_image: str) -> Iterator[Scenario]:
    """A namespace of the test's own, without a resource yet."""
    with own_namespace(kubectl) as name:
        yield Scenario(kubectl, name, good_image)


@pytest.fixture(scope="module")
def small(kubectl: Kubectl, good_image: str) -> Iterator[Scenario]:
    """A small resource that the tests of a module share; start each with `small.is_ready()`."""
    with own_namespace(kubectl) as name:
        shared = Scenario(kubectl, name, good_image)
        shared.resource_exists(small_spec(good_image))
        yield shared


@pytest.fixture(scope="module")
def plain(kubectl: Kubectl, good_image: str) -> Iterator[Scenario]:
    """A plain resource, only an image and a database given, that the tests of a module share."""
    with own_namespace(kubectl) as name:
        shared = Scenario(kubectl, name, good_image)
        shared.resource_exists({"image": good_image, "database": {"evaluation": {}}})
        yield shared


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After a failure, report what the cluster looked like."""
    report = yield
    if not report.failed or not isinstance(item, pytest.Function):
        return report
    for value in item.funcargs.values():
        if isinstance(value, Scenario):
            logs = value.kubectl("-n", OPERATOR_NAMESPACE, "logs", *SELECTOR, "--tail=60", "--prefix")
            report.sections.append((f"namespace {value.namespace}", value.dump()))
            report.sections.append(("the operator's log", logs))
    return report


@pytest.fixture
def cluster() -> Iterator[str]:
    """The name of the cluster whose registry this is; healed afterwards whatever happens."""
    name = summary()["name"]
    assert name, "a cluster named by KUBECONFIG has a registry that is not ours to break: deselect this file"
    yield str(name)
    registry.heal(name)
