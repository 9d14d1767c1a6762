"""The operator must be let through to the pods whose metrics it reads."""

from pathlib import Path

import yaml

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.resource import MaraudersMapSpec

BASE = Path(__file__).parents[4] / "manifests" / "operator" / "base"
OWNER = Owner("map", "demo", "uid-1")


def peers(*arguments: str, **policy: object) -> list[dict[str, object]]:
    spec = MaraudersMapSpec.model_validate(
        {"image": "api:1", "database": {"evaluation": {}}, "networkPolicy": policy}
    )
    made = children.network_policy(OWNER, spec, *arguments)
    assert made is not None
    found: list[dict[str, object]] = made["spec"]["ingress"][0].get("from", [])
    return found


def test_the_shipped_operator_may_reach_the_api_where_namespaces_are_named() -> None:
    deployment = yaml.safe_load((BASE / "deployment.yaml").read_text())
    assert peers(allowedNamespaces=["ingress-nginx"])[-1] == {
        "namespaceSelector": {
            "matchLabels": {"kubernetes.io/metadata.name": deployment["metadata"]["namespace"]}
        },
        "podSelector": {"matchLabels": deployment["spec"]["selector"]["matchLabels"]},
    }


def test_an_operator_installed_elsewhere_is_let_through_from_there() -> None:
    [*_, peer] = peers("wizards", allowedNamespaces=["ingress-nginx"])
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "wizards"}}


def test_where_everybody_may_nobody_is_named() -> None:
    assert peers() == []
