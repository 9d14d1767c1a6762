"""The shipped roles allow what the operator does with each kind, and no reading of Secrets by the dozen."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from maraudersmap_operator.cluster.kinds import (
    CONTROLLER_REVISION,
    ENDPOINT_SLICE,
    EVENT,
    HTTP_ROUTE,
    MARAUDERSMAP,
    MONITORING,
    OBSERVED,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)

BASE = Path(__file__).parents[4] / "manifests" / "operator" / "base"
READ = {"get", "list", "watch"}
MANAGE = READ | {"create", "update", "delete"}
# Beyond managing: what a field of its own is written for, what is asked by dry run, what stands in its own way.
BESIDES = {SERVICE: {"patch"}, CONTROLLER_REVISION: {"patch"}, POD: {"create", "delete"}}
# What nothing ever asks for: see tests/unit/operator/rights.
WITHOUT = {CONTROLLER_REVISION: {"update"}, SERVICE_ACCOUNT: {"delete"}}


def rules() -> list[dict[str, Any]]:
    documents = yaml.safe_load_all((BASE / "role.yaml").read_text())
    [role] = [document for document in documents if document["kind"] == "ClusterRole"]
    found: list[dict[str, Any]] = role["rules"]
    return found


def verbs(group: str, resource: str) -> set[str]:
    return {
        verb
        for rule in rules()
        if group in rule["apiGroups"] and resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("kind", OBSERVED, ids=lambda kind: kind.kind)
def test_every_watched_kind_may_be_watched_and_children_managed(kind: Kind) -> None:
    wanted = READ if kind in (POD, ENDPOINT_SLICE, REPLICA_SET) else MANAGE
    assert verbs(kind.group, kind.plural) == (wanted | BESIDES.get(kind, set())) - WITHOUT.get(kind, set())


def test_routes_are_managed_but_never_watched() -> None:
    """The kind may not be there: a watch on it would end in an error, again and again."""
    assert verbs(HTTP_ROUTE.group, HTTP_ROUTE.plural) == MANAGE - {"watch"}


@pytest.mark.parametrize("kind", MONITORING, ids=lambda kind: kind.kind)
def test_monitoring_is_managed_and_never_listed(kind: Kind) -> None:
    """For the same reason."""
    assert verbs(kind.group, kind.plural) == MANAGE - {"watch", "list"}


def test_secrets_are_never_listed_or_watched() -> None:
    assert verbs(SECRET.group, SECRET.plural) == {"get", "create", "patch"}


def test_the_spec_is_never_written() -> None:
    """A GitOps tool that owns it must never meet the operator there."""
    assert verbs(MARAUDERSMAP.group, MARAUDERSMAP.plural) == READ
    assert verbs(MARAUDERSMAP.group, "maraudersmaps/status") == {"patch"}


def test_events_are_written_and_read() -> None:
    assert verbs(EVENT.group, EVENT.plural) == {"get", "list", "create", "patch"}


def test_no_rule_is_a_wildcard() -> None:
    for rule in rules():
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_the_operator_runs_under_the_restricted_standard() -> None:
    deployment = yaml.safe_load((BASE / "deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert deployment["spec"]["replicas"] == 2
    assert pod["securityContext"]["runAsUser"] == 10002
    assert container["securityContext"]["readOnlyRootFilesystem"]
    namespace = yaml.safe_load((BASE / "namespace.yaml").read_text())
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
