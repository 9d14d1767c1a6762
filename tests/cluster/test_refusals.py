"""The API server refuses a wrong resource at `kubectl apply`, with a message that says what to write instead."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dev.kube import Kubectl, await_established
from tests.unit.operator.resource.refusals import GOOD_SPEC, REFUSALS, Refusal

CRD = Path(__file__).parents[2] / "crds" / "hogwarts.edu_maraudersmaps.yaml"


INSTALLED = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
def definition(kubectl: Kubectl, request: pytest.FixtureRequest) -> None:
    """The definition of this checkout is installed and served; once a session, whatever the scope of `kubectl`."""
    if INSTALLED in request.session.stash:
        return
    request.session.stash[INSTALLED] = True
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    await_established(kubectl, "maraudersmaps.hogwarts.edu")


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"refusals-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def refusal(kubectl: Kubectl, *args: str, manifest: object = None) -> str:
    """What kubectl says when it fails; it must fail."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl(*args, input=None if manifest is None else yaml.safe_dump(manifest))
    return str(refused.value.stderr)


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.title.replace(" ", "-"))
def test_a_wrong_resource_is_refused_with_the_remedy(kubectl: Kubectl, case: Refusal) -> None:
    said = refusal(kubectl, "create", "--dry-run=server", "-f", "-", manifest=case.manifest)
    assert case.says in said


@pytest.mark.parametrize(
    "change",
    [
        {"storage": {"size": "2Gi"}},
        {"storage": {"retention": "Retain"}},
        {"storage": None},
    ],
    ids=["another-size", "another-retention", "taken-away"],
)
def test_storage_of_the_evaluation_database_cannot_be_changed(
    kubectl: Kubectl, namespace: str, change: dict[str, object]
) -> None:
    # given
    manifest = {
        "apiVersion": "hogwarts.edu/v1alpha1",
        "kind": "MaraudersMap",
        "metadata": {"name": "kept"},
        "spec": GOOD_SPEC | {"database": {"evaluation": {"storage": {"size": "1Gi"}}}, "suspend": True},
    }
    kubectl("-n", namespace, "create", "-f", "-", input=yaml.safe_dump(manifest))
    # when
    patch = yaml.safe_dump({"spec": {"database": {"evaluation": change}}})
    said = refusal(
        kubectl, "-n", namespace, "patch", "mm", "kept", "--type=merge", "--dry-run=server", "-p", patch
    )
    # then
    assert "database.evaluation.storage cannot be changed; delete the resource and create it again" in said


def test_the_reference_is_readable_from_the_cluster(kubectl: Kubectl) -> None:
    said = kubectl("explain", "mm.spec.rollout")
    assert "How a new revision is tried, and when it is given up." in said
    assert "bakeSeconds" in said
