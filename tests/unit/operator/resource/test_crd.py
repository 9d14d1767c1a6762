"""The CustomResourceDefinition is what the models say, in the form that the API server takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from maraudersmap_operator.resource.crd import Unrenderable, custom_resource_definition, render, structural
from maraudersmap_operator.resource.names import ANNOTATION_RETRY, KIND
from maraudersmap_operator.resource.reference import renewed

GENERATED = Path(__file__).parents[4] / "crds" / "hogwarts.edu_maraudersmaps.yaml"


def schema() -> dict[str, Any]:
    [version] = custom_resource_definition()["spec"]["versions"]
    root: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return root


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of the schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(keyword), dict):
            yield from nodes(node[keyword], path + mark)


def test_the_committed_definition_is_what_the_models_give() -> None:
    assert GENERATED.read_text() == render(), "run `make crds` and commit the result"


def test_the_text_is_yaml_of_the_definition() -> None:
    assert yaml.safe_load(render()) == custom_resource_definition()


def test_every_field_has_a_type_and_a_description() -> None:
    for path, node in nodes(schema()):
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        if path and path != ".metadata" and not path.endswith(("[]", "{}")):
            assert node.get("description"), path


def test_nothing_is_in_it_that_a_structural_schema_may_not_have() -> None:
    forbidden = {"$ref", "$defs", "title", "allOf", "oneOf", "const", "nullable", "prefixItems"}
    for path, node in nodes(schema()):
        assert not forbidden & set(node), path
        assert node.get("additionalProperties") is not False, path
        if "anyOf" in node:
            assert node["x-kubernetes-int-or-string"], path


def test_what_users_write_is_bounded_so_that_rules_stay_cheap() -> None:
    for path, node in nodes(schema()["properties"]["spec"]):
        match node.get("type"):
            case "array":
                assert "maxItems" in node, path
            case "string":
                assert "maxLength" in node or "enum" in node or "pattern" in node, path
            case "object" if "additionalProperties" in node:
                assert "maxProperties" in node, path


def test_a_part_with_defaults_is_filled_in_when_it_is_absent() -> None:
    """Rules compare fields that the user left out: the API server must have put the defaults there."""
    spec = schema()["properties"]["spec"]["properties"]
    for name in ("config", "probes", "networkPolicy", "migrations"):
        assert spec[name]["default"] == {}, name
    assert spec["resources"]["properties"]["requests"]["default"] == {}
    assert spec["autoscaling"]["properties"]["targetCPUUtilizationPercentage"]["default"] == 70


def test_a_resource_that_nobody_has_looked_at_is_not_taken_for_ready() -> None:
    """kstatus calls a resource without any status Current, and one whose generation was not observed InProgress."""
    version = custom_resource_definition()["spec"]["versions"][0]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    assert status["default"] == {"observedGeneration": 0}


def test_a_default_beside_a_rule_is_written_out() -> None:
    """When the definition is installed, the API server tries the rules on the default as it stands there."""
    spec = schema()["properties"]["spec"]["properties"]
    assert spec["cache"]["default"] == {"disabled": False}
    assert spec["resources"]["default"] == {
        "requests": {"cpu": "500m", "memory": "256Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }
    assert spec["autoscaling"]["default"]["targetCPUUtilizationPercentage"] == 70


def test_every_rule_says_what_to_write() -> None:
    rules = [rule for _, node in nodes(schema()) for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) >= 12
    for rule in rules:
        assert len(rule["message"]) > 30


@pytest.mark.parametrize(
    ("annotation", "says"), [(str | int, "choice of types"), (Any, "has no type"), (dict[str, Any], "values")]
)
def test_a_model_that_says_too_much_stops_the_generation(annotation: Any, says: str) -> None:
    model = type("Loose", (BaseModel,), {"__annotations__": {"field": annotation}})
    with pytest.raises(Unrenderable, match=says):
        structural(model)


def test_names_are_those_of_the_contract() -> None:
    names = custom_resource_definition()["spec"]["names"]
    assert (names["kind"], names["shortNames"], names["categories"]) == (KIND, ["mm"], ["marauders"])
    assert ANNOTATION_RETRY == "hogwarts.edu/retry"


def test_the_document_has_every_field() -> None:
    document = GENERATED.parents[1] / "docs" / "resource.md"
    text = document.read_text()
    assert text == renewed(text), "run `make crds` and commit the result"
