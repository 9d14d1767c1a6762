"""What an installation of the operator is made of, from the files that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from dev.operator_objects import (
    BASE,
    NAMESPACE,
    Object,
    _kustomization,
    as_yaml,
    for_namespaces,
    key,
    with_env,
)


@pytest.fixture(scope="module")
def base() -> list[Object]:
    """The files of the base, as they are."""
    files = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    paths = [BASE / name for name in files if name.endswith(".yaml")]
    return [document for path in paths for document in yaml.safe_load_all(path.read_text())]


def _env(objects: list[Object]) -> dict[str, str | None]:
    (deployment,) = (o for o in objects if o["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {e["name"]: e.get("value") for e in container["env"]}


def test_without_namespaces_everything_is_as_it_ships(base: list[Object]) -> None:
    assert for_namespaces(base, ()) == base


def test_rights_become_roles_of_the_namespaces_and_of_nothing_else(base: list[Object]) -> None:
    objects = for_namespaces(base, ("potions", "charms"))
    # then
    cluster_wide = {key(o)[0::2] for o in objects if o["kind"].startswith("ClusterRole")}
    assert cluster_wide == {("ClusterRole", "maraudersmaps-viewer"), ("ClusterRole", "maraudersmaps-editor")}
    by_key = {key(o): o for o in objects}
    (rules,) = (o["rules"] for o in base if key(o) == ("ClusterRole", "", "marauders-operator"))
    for namespace in ("potions", "charms"):
        assert by_key["Role", namespace, "marauders-operator"]["rules"] == rules
        binding = by_key["RoleBinding", namespace, "marauders-operator"]
        assert binding["roleRef"]["kind"] == "Role"
        assert [s["namespace"] for s in binding["subjects"]] == [NAMESPACE]
    assert _env(objects)["WATCH_NAMESPACES"] == "potions,charms"


def test_a_setting_replaces_the_base_s_and_a_further_one_is_added(base: list[Object]) -> None:
    before = _env(base)
    after = _env(with_env(base, {"LOG_LEVEL": "debug", "FURTHER": "x"}))
    assert after == before | {"LOG_LEVEL": "debug", "FURTHER": "x"}
    assert _env(base) == before


@pytest.mark.parametrize(
    ("image", "changed"),
    [
        ("operator:1.2.3", {"newName": "operator", "newTag": "1.2.3"}),
        ("registry:5000/me/operator:1.2.3", {"newName": "registry:5000/me/operator", "newTag": "1.2.3"}),
        ("registry:5000/operator", {"newName": "registry:5000/operator", "newTag": "latest"}),
        (f"r/o@sha256:{'0' * 64}", {"newName": "r/o", "digest": f"sha256:{'0' * 64}"}),
    ],
)
def test_an_image_is_named_as_kustomize_wants_it(image: str, changed: dict[str, str]) -> None:
    (found,) = _kustomization(Path("/tmp/x"), image)["images"]  # noqa: S108 (nothing is written)
    assert found == {"name": "marauders-map-operator"} | changed


def test_the_file_says_the_same_twice_and_reads_back(base: list[Object]) -> None:
    text = as_yaml(base, "one\ntwo")
    assert text.startswith("# one\n# two\n")
    assert text == as_yaml(base, "one\ntwo")
    assert list(yaml.safe_load_all(text)) == base


@pytest.mark.parametrize(
    ("namespaces", "selector"),
    [
        (("potions",), {"matchLabels": {"kubernetes.io/metadata.name": "potions"}}),
        (
            ("potions", "charms"),
            {
                "matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["potions", "charms"]}
                ]
            },
        ),
    ],
)
def test_the_operator_reaches_pods_of_its_namespaces_only(
    base: list[Object], namespaces: tuple[str, ...], selector: Object
) -> None:
    (policy,) = (o for o in for_namespaces(base, namespaces) if o["kind"] == "NetworkPolicy")
    peers = [to for rule in policy["spec"]["egress"] for to in rule.get("to", ()) if "podSelector" in to]
    assert [peer["namespaceSelector"] for peer in peers] == [selector]
