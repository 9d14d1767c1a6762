"""Whatever somebody changes or deletes among the children is put right."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cluster import budgets
from tests.cluster.scenario import NAME, Object, Scenario


@pytest.fixture(scope="module")
def scaled(small: Scenario) -> Scenario:
    """With an autoscaler, which can drift too."""
    small.is_ready(autoscaling={"enabled": True, "minReplicas": 2, "maxReplicas": 3})
    return small


def _value(obj: Object | None, path: str) -> Any:
    value: Any = obj
    for step in path.split("."):
        if value is None:
            return None
        value = value[int(step)] if isinstance(value, list) else value.get(step)
    return value


@pytest.mark.parametrize(
    ("kind", "name", "patch", "path"),
    [
        ("service", f"{NAME}-api", '{"spec":{"selector":{"app.kubernetes.io/component":"cache"}}}',
         "spec.selector"),
        ("hpa", f"{NAME}-api-hpa", '{"spec":{"maxReplicas":50}}', "spec.maxReplicas"),
        ("pdb", f"{NAME}-api", '{"spec":{"maxUnavailable":5}}', "spec.maxUnavailable"),
        ("networkpolicy", f"{NAME}-api", '{"spec":{"ingress":[]}}', "spec.ingress"),
    ],
)  # fmt: skip
def test_an_edited_child_is_put_right(scaled: Scenario, kind: str, name: str, patch: str, path: str) -> None:
    # given
    before = scaled.get(kind, name)
    assert before is not None
    # when
    scaled.do("patch", kind, name, "--type=merge", "-p", patch)
    # then
    wanted = _value(before, path)

    def right() -> bool:
        live = scaled.get(kind, name)
        return bool(_value(live, path) == wanted)

    scaled.until_true(right, f"{kind} {name} as before", budgets.NOTICED)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("service", f"{NAME}-api"),
        ("service", f"{NAME}-postgres"),
        ("hpa", f"{NAME}-api-hpa"),
        ("pdb", f"{NAME}-api"),
        ("networkpolicy", f"{NAME}-postgres"),
        ("serviceaccount", f"{NAME}-api"),
    ],
)
def test_a_deleted_child_comes_back(scaled: Scenario, kind: str, name: str) -> None:
    # given
    before = scaled.get(kind, name)
    assert before is not None
    # when
    scaled.do("delete", kind, name)

    # then
    def back() -> bool:
        live = scaled.get(kind, name)
        return live is not None and bool(live["metadata"]["uid"] != before["metadata"]["uid"])

    scaled.until_true(back, f"{kind} {name} back", budgets.NOTICED)


def test_a_deleted_deployment_comes_back_as_it_was(scaled: Scenario) -> None:
    # given
    stable = scaled.until_phase("Ready", budgets.HEALED)["stable"]["revision"]
    name = f"{NAME}-api-{stable}"
    before = scaled.get("deployment", name)
    assert before is not None
    # when
    scaled.do("delete", "deployment", name)
    # then
    scaled.until_true(lambda: scaled.status().get("phase") != "Ready", "the loss noticed", budgets.NOTICED)
    status = scaled.until_phase("Ready", budgets.HEALED)
    after = scaled.get("deployment", name)
    assert after is not None
    assert after["spec"]["template"] == before["spec"]["template"]
    assert status["stable"]["revision"] == stable


def test_an_edited_pod_template_is_put_right(scaled: Scenario) -> None:
    # given
    stable = scaled.until_phase("Ready", budgets.HEALED)["stable"]["revision"]
    name = f"{NAME}-api-{stable}"
    # when
    scaled.do("set", "image", f"deployment/{name}", f"api={scaled.good}-by-hand")

    # then
    def right() -> bool:
        live = scaled.get("deployment", name)
        return bool(_value(live, "spec.template.spec.containers.0.image") == scaled.good)

    scaled.until_true(right, "the image as the revision has it", budgets.NOTICED)
    scaled.until_phase("Ready", budgets.HEALED)
