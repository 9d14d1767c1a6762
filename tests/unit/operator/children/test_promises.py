"""What must hold for every child of every resource; the golden files show the rest."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.operator.children.test_golden import CASES, every_object

from maraudersmap_operator import children
from maraudersmap_operator.children import Images, Manifest, Owner
from maraudersmap_operator.resource import MaraudersMapSpec, parse
from maraudersmap_operator.resource.names import Component

OWNER = Owner("m" * 40, "demo", "uid-1")
REVISION = "zzzzzzzz"
IMAGES = Images(postgres="postgres:16", redis="redis:7")
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")

ALL = [
    pytest.param(manifest, id=f"{path.stem}-{manifest['kind']}-{manifest['metadata']['name']}")
    for path in CASES
    for manifest in every_object(yaml.safe_load(path.read_text())["input"])
]


def spec(**fields: Any) -> MaraudersMapSpec:
    return MaraudersMapSpec.model_validate({"image": "api:1", "database": {"evaluation": {}}, **fields})


@pytest.mark.parametrize("manifest", ALL)
def test_names_and_labels_fit_the_cluster(manifest: Manifest) -> None:
    assert DNS_LABEL.fullmatch(manifest["metadata"]["name"])
    labels = manifest["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "maraudersmap-operator"
    assert all(len(value) <= 63 for value in labels.values())


@pytest.mark.parametrize("manifest", ALL)
def test_only_what_the_retention_keeps_has_no_owner(manifest: Manifest) -> None:
    kept = manifest["kind"] == "Secret" and manifest["metadata"]["name"] == "marauders-map-postgres"
    if "ownerReferences" in manifest["metadata"]:
        [reference] = manifest["metadata"]["ownerReferences"]
        assert reference["controller"]
    else:
        assert kept


@pytest.mark.parametrize("manifest", ALL)
def test_a_gitops_tool_never_prunes_what_the_retention_keeps(manifest: Manifest) -> None:
    """An object without owner that carries the label by which Argo CD can track would be taken for a leftover."""
    kept = [manifest["metadata"]] if "ownerReferences" not in manifest["metadata"] else []
    spec = manifest.get("spec", {})
    if spec.get("persistentVolumeClaimRetentionPolicy", {}).get("whenDeleted") == "Retain":
        kept += [claim["metadata"] for claim in spec["volumeClaimTemplates"]]
    for metadata in kept:
        assert metadata["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false"
        assert metadata["annotations"]["argocd.argoproj.io/compare-options"] == "IgnoreExtraneous"


@pytest.mark.parametrize("manifest", ALL)
def test_the_api_deployment_never_carries_replicas(manifest: Manifest) -> None:
    """An apply that carried it would undo the autoscaler; one that dropped it later would set it to 1."""
    component = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
    if component == Component.API:
        assert "replicas" not in manifest.get("spec", {})


@pytest.mark.parametrize("manifest", ALL)
def test_every_pod_keeps_to_the_restricted_standard(manifest: Manifest) -> None:
    template = manifest.get("spec", {}).get("template")
    if template is None:
        return
    pod = template["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert set(container["resources"]) == {"requests", "limits"}


def test_building_twice_gives_the_same_and_shares_nothing() -> None:
    """A caller may change what it got: the next one must not see it."""
    affinity = {"nodeAffinity": {"preferred": [{"weight": 1}]}}
    resource = spec(podTemplate={"affinity": affinity, "labels": {"team": "a"}})
    first = children.pod_template(OWNER, resource, REVISION)
    untouched = deepcopy(first)
    deployment = children.deployment(OWNER, REVISION, first)
    deployment["spec"]["template"]["spec"]["containers"].clear()
    first["spec"]["affinity"]["nodeAffinity"].clear()
    first["metadata"]["labels"].clear()
    assert children.pod_template(OWNER, resource, REVISION) == untouched


def test_selectors_find_exactly_the_pods_of_the_revision() -> None:
    resource = spec()
    labels = children.pod_template(OWNER, resource, REVISION)["metadata"]["labels"]
    here = children.service(OWNER, resource, REVISION)["spec"]["selector"]
    elsewhere = children.service(OWNER, resource, "bbbbbbbb")["spec"]["selector"]
    nowhere = children.preview_service(OWNER, resource, None)["spec"]["selector"]
    assert here.items() <= labels.items()
    assert not elsewhere.items() <= labels.items()
    assert not nowhere.items() <= labels.items()


def test_migrations_never_receive_traffic() -> None:
    resource = spec()
    template = children.pod_template(OWNER, resource, REVISION)
    job = children.job(OWNER, resource, REVISION, 12, template)
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not children.service(OWNER, resource, REVISION)["spec"]["selector"].items() <= labels.items()


def test_the_disruption_budget_guards_exactly_what_serves() -> None:
    """Over both Deployments of a rollout, a crashing candidate would block every drain."""
    resource = spec()
    budget = children.disruption_budget(OWNER, resource, REVISION)
    assert budget is not None
    selector = children.service(OWNER, resource, REVISION)["spec"]["selector"]
    assert budget["spec"]["selector"] == {"matchLabels": selector}


def test_users_labels_cannot_displace_the_operators() -> None:
    """Refused at apply; and even if it were not, the operator's win."""
    resource = spec(podTemplate={"labels": {"team": "a"}})
    object.__setattr__(resource.pod_template, "labels", {"hogwarts.edu/revision": "mine"})
    labels = children.pod_template(OWNER, resource, REVISION)["metadata"]["labels"]
    assert labels["hogwarts.edu/revision"] == REVISION


def test_a_pod_may_start_for_as_long_as_the_progress_deadline() -> None:
    resource = spec(rollout={"progressDeadlineSeconds": 900})
    [container] = children.pod_template(OWNER, resource, REVISION)["spec"]["containers"]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 900


def test_missing_references_are_named_by_their_field() -> None:
    """The condition that says which Secret is missing also says where it is asked for."""
    resource = MaraudersMapSpec.model_validate(
        {
            "image": "api:1",
            "pullSecrets": [{"name": "registry"}],
            "database": {"external": {"secretRef": {"name": "db", "key": "url"}}},
            "cache": {"external": {"secretRef": {"name": "cache", "key": "url"}}},
            "jwtSecret": {"secretRef": {"name": "jwt", "key": "key"}},
            "config": {
                "env": [
                    {"name": "PLAIN", "value": "1"},
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "extra", "key": "a"}}},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "b"}}},
                ],
                "configMapRefs": [{"name": "more"}],
            },
        }
    )
    assert [(ref.name, ref.key, ref.field) for ref in children.referenced_secrets(resource)] == [
        ("registry", None, "spec.pullSecrets[0]"),
        ("db", "url", "spec.database.external.secretRef"),
        ("cache", "url", "spec.cache.external.secretRef"),
        ("jwt", "key", "spec.jwtSecret.secretRef"),
        ("extra", "a", "spec.config.env[1].valueFrom.secretKeyRef"),
    ]
    assert [(ref.name, ref.key, ref.field) for ref in children.referenced_config_maps(resource)] == [
        ("settings", "b", "spec.config.env[2].valueFrom.configMapKeyRef"),
        ("more", None, "spec.config.configMapRefs[0]"),
    ]
    assert not children.generated_keys(resource)


def test_a_copied_config_map_is_named_by_its_content() -> None:
    source = {"metadata": {"name": "settings"}, "data": {"A": "1"}}
    same = {"metadata": {"name": "other"}, "data": {"A": "1"}}
    changed = {"metadata": {"name": "settings"}, "data": {"A": "2"}}
    copy = children.config_map_copy(OWNER, source)
    assert copy["immutable"] is True
    assert copy["data"] == {"A": "1"}
    assert copy["metadata"]["name"] == children.config_map_copy(OWNER, same)["metadata"]["name"]
    assert copy["metadata"]["name"] != children.config_map_copy(OWNER, changed)["metadata"]["name"]


def test_nothing_is_run_beside_the_api_when_all_is_external() -> None:
    ref = {"secretRef": {"name": "db", "key": "url"}}
    resource = MaraudersMapSpec.model_validate(
        {"image": "api:1", "database": {"external": ref}, "cache": {"external": ref}}
    )
    assert children.evaluation_objects(OWNER, resource, IMAGES) == ()
    assert children.evaluation_cache(OWNER, resource, IMAGES) == ()


def test_the_cache_of_an_earlier_release_is_made_exactly_as_it_was() -> None:
    """Anything else would exchange its pod when the operator is upgraded."""
    case = yaml.safe_load((Path(__file__).parent / "open_cache.yaml").read_text())
    resource = parse(case["input"])
    owner = Owner(resource.name, resource.namespace, resource.uid)
    assert list(children.evaluation_cache(owner, resource.spec, IMAGES, ["redis"])) == case["objects"]
