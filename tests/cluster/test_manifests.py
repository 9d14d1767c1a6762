"""The shipped overlays of a service, rendered by kubectl's own kustomize and judged by a real API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dev.cluster.host.paths import CHECKOUT
from dev.kube import Kubectl
from dev.operator_objects import NAMESPACE
from tests.cluster.conftest import RESTRICTED
from tests.cluster.scenario import Scenario
from tests.unit.manifests.overlay import OVERLAYS, resource_of

OPERATOR = CHECKOUT / "manifests" / "operator" / "overlays"


def _rendered(kubectl: Kubectl, overlay: Path) -> dict[str, Any]:
    documents = list(yaml.safe_load_all(kubectl("kustomize", str(overlay))))
    assert sorted(d["kind"] for d in documents) == ["MaraudersMap", "Namespace"]
    return {d["kind"]: d for d in documents}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: str(overlay.name))
def test_an_overlay_renders_what_the_api_server_accepts(scenario: Scenario, overlay: Path) -> None:
    # when
    rendered = _rendered(scenario.kubectl, overlay)
    # then: the unit tests speak of the same resource
    assert rendered["MaraudersMap"] == resource_of(overlay)
    # and its namespace admits restricted pods only
    namespace = rendered["Namespace"]["metadata"]
    assert namespace["name"] == rendered["MaraudersMap"]["metadata"]["namespace"]
    assert RESTRICTED.items() <= namespace["labels"].items()
    # and the API server knows every field of both
    rendered["MaraudersMap"]["metadata"]["namespace"] = scenario.namespace
    _accepted(scenario.kubectl, *rendered.values())


@pytest.mark.parametrize("overlay", ["namespaced", "production"])
def test_an_overlay_of_the_operator_is_accepted(kubectl: Kubectl, operator: str, overlay: str) -> None:
    """By a dry run: its namespace is the shared operator's."""
    assert operator == NAMESPACE
    documents = list(yaml.safe_load_all(kubectl("kustomize", str(OPERATOR / overlay))))
    _accepted(kubectl, *(d for d in documents if d["metadata"].get("namespace") in (None, NAMESPACE)))


def _accepted(kubectl: Kubectl, *documents: dict[str, Any]) -> None:
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    kubectl("apply", *options, "-f", "-", input=yaml.safe_dump_all(documents))
