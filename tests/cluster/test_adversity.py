"""What a cluster, a colleague or another tool may do to the children of a resource that is well, on a real API server.

None of it may endanger the service, hold a verdict up or make it forgotten. Times are the product's aims with room for a
busy machine; what was measured is printed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dev.kube import Kubectl
from dev.misbehaving_image import ensure_misbehaving_image
from tests.cluster import budgets
from tests.cluster.conftest import own_namespace
from tests.cluster.scenario import NAME, Object, Scenario, merged, small_spec

pytestmark = pytest.mark.extended

SERVICE = f"{NAME}-api"
# Aims of the product, and the room that a machine with two shared cores needs.
RESTORED_AIM = 3.0
RESTORED = 15.0
PUT_RIGHT = 20.0
# How long something is watched that must not happen.
WATCHED = 15.0


def with_environment(spec: Object, **variables: str) -> Object:
    env = [{"name": name, "value": value} for name, value in sorted(variables.items())]
    return merged(spec, {"config": {"env": env}})


@pytest.fixture(scope="module")
def shared(kubectl: Kubectl, operator: str) -> Iterator[Scenario]:
    image = ensure_misbehaving_image()
    with own_namespace(kubectl) as name:
        scenario = Scenario(kubectl, name, image)
        scenario.resource_exists(small_spec(image))
        yield scenario


@pytest.fixture
def well(shared: Scenario) -> Scenario:
    """A resource that is Ready with its base spec and remembers no verdict that would stand in the way."""
    shared.annotate("hogwarts.edu/retry", str(time.time_ns()))
    shared.is_ready()
    return shared


def good(scenario: Scenario, **change: Any) -> None:
    scenario.edit(**merged(with_environment({}, VARIANT=str(time.time_ns())), change))


def selector_of(scenario: Scenario) -> dict[str, str]:
    service = scenario.get("service", SERVICE)
    assert service is not None
    found: dict[str, str] = service["spec"]["selector"]
    return found


def answers(scenario: Scenario) -> bool:
    """Is any endpoint of the Service ready?"""
    slices = scenario.find_all("endpointslices", f"kubernetes.io/service-name={SERVICE}")
    return any((e.get("conditions") or {}).get("ready") for s in slices for e in s.get("endpoints") or ())


def timed(scenario: Scenario, holds: Callable[[], bool], what: str, seconds: float, capsys: Any) -> float:
    """Seconds until it holds; printed."""
    began = time.monotonic()
    scenario.until_true(holds, what, seconds)
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{what}: {took:.1f} s")
    return took


def quota(scenario: Scenario, **hard: str) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tight"},
        "spec": {"hard": {name.replace("_", "/", 1): value for name, value in hard.items()}},
    }
    scenario.kubectl.apply(body, namespace=scenario.namespace)


@pytest.fixture
def no_ingresses(well: Scenario) -> Iterator[Scenario]:
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-ingresses"},
        "spec": {"hard": {"count/ingresses.networking.k8s.io": "0"}},
    }
    well.kubectl.apply(body, namespace=well.namespace)
    well.until_true(
        lambda: bool((well.get("resourcequota", "no-ingresses") or {}).get("status", {}).get("hard")),
        "the quota counts", budgets.NOTICED,
    )  # fmt: skip
    yield well
    well.do("delete", "resourcequota", "no-ingresses")


def test_a_refused_ingress_holds_no_rollout_up_and_no_verdict(no_ingresses: Scenario) -> None:
    """The refusal is reported; a good revision goes its way, a bad one is rejected, once."""
    well = no_ingresses
    # when
    good(well, ingress={"host": "map.hogwarts.edu"})

    # then
    def refused() -> bool:
        status, _, message = well.condition("ChildrenApplied")
        return status == "False" and "exceeded quota" in message

    well.until_true(refused, "the refusal in the status", budgets.NOTICED)
    target = well.status()["candidate"]["revision"] if well.status().get("candidate") else None
    well.until_true(
        lambda: (s := well.status()).get("candidate") is None and s.get("serving") == s["stable"]["revision"]
        and target in (None, s["stable"]["revision"]),
        "the good revision is stable", budgets.PROMOTED,
    )  # fmt: skip
    assert selector_of(well)["hogwarts.edu/revision"] == well.status()["stable"]["revision"]
    assert well.condition("Stalled")[0] == "True"
    # and when
    well.edit(**with_environment({}, MISBEHAVE="crash"))
    # then
    well.until_true(
        lambda: any(r["reason"] == "CrashLoop" for r in well.status().get("rejected", ())),
        "the bad revision in the ledger", budgets.ROLLED_BACK,
    )  # fmt: skip
    rejected = well.status()["rejected"]
    assert len(rejected) == 1
    assert selector_of(well)["hogwarts.edu/revision"] == well.status()["stable"]["revision"]


def test_an_edited_port_comes_back(well: Scenario, capsys: Any) -> None:
    """Port names are keys of a keyed list for some, and numbers for others: an apply of ours would be refused for ever."""
    change = [{"op": "replace", "path": "/spec/ports/0/port", "value": 8080}]
    well.do("patch", "service", SERVICE, "--type=json", "-p", json.dumps(change))

    def back() -> bool:
        service = well.get("service", SERVICE)
        return service is not None and [p["port"] for p in service["spec"]["ports"]] == [80]

    timed(well, back, "port 80 back", PUT_RIGHT, capsys)


def test_an_added_selector_key_goes(well: Scenario, capsys: Any) -> None:
    before = selector_of(well)
    well.do("patch", "service", SERVICE, "--type=merge", "-p", '{"spec":{"selector":{"extra":"key"}}}')
    timed(well, lambda: selector_of(well) == before, "selector as before", PUT_RIGHT, capsys)


def test_an_added_variable_of_the_stable_deployment_goes(well: Scenario, capsys: Any) -> None:
    deployment = f"{NAME}-api-{well.status()['stable']['revision']}"
    well.do("set", "env", f"deployment/{deployment}", "FOO=bar")

    def gone() -> bool:
        live = well.get("deployment", deployment)
        assert live is not None
        env = live["spec"]["template"]["spec"]["containers"][0]["env"]
        return not any(v["name"] == "FOO" for v in env)

    timed(well, gone, "FOO removed", PUT_RIGHT, capsys)
    well.until_phase("Ready", budgets.HEALED)


def test_a_lost_label_comes_back_and_the_object_stays_known(well: Scenario, capsys: Any) -> None:
    """The watch reports it deleted: it is neither made again nor forgotten."""
    deployment = f"{NAME}-api-{well.status()['stable']['revision']}"
    before = well.get("deployment", deployment)
    assert before is not None
    well.do("label", "deployment", deployment, "app.kubernetes.io/managed-by-")

    def labelled() -> bool:
        live = well.get("deployment", deployment)
        return live is not None and "app.kubernetes.io/managed-by" in live["metadata"]["labels"]

    timed(well, labelled, "label restored", PUT_RIGHT, capsys)
    live = well.get("deployment", deployment)
    assert live is not None
    assert live["metadata"]["uid"] == before["metadata"]["uid"]
    well.until_phase("Ready", budgets.NOTICED)
    # and its later drift is seen
    well.do("patch", "deployment", deployment, "--type=merge", "-p", '{"spec":{"paused":true}}')
    well.until_true(
        lambda: not (well.get("deployment", deployment) or {})["spec"].get("paused"),
        "no longer paused", PUT_RIGHT,
    )  # fmt: skip


def test_a_database_pod_without_its_label_is_replaced(well: Scenario, capsys: Any) -> None:
    """Its StatefulSet lets it go and can make no other of that name."""
    pod = f"{NAME}-postgres-0"
    before = well.get("pod", pod)
    assert before is not None
    well.do("label", "pod", pod, "app.kubernetes.io/component-")

    def another_is_ready() -> bool:
        live = well.get("pod", pod)
        if live is None or live["metadata"]["uid"] == before["metadata"]["uid"]:
            return False
        conditions = (live.get("status") or {}).get("conditions") or ()
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    timed(well, another_is_ready, "database pod made again", budgets.HEALED, capsys)
    well.until_phase("Ready", budgets.HEALED)


def test_traffic_returns_although_a_policy_is_denied(well: Scenario, kubectl: Kubectl, capsys: Any) -> None:
    """In the bake: a NetworkPolicy is deleted, admission denies making it again, and the candidate dies."""
    # given
    well.edit(**merged(with_environment({}, MISBEHAVE="crash-ready:25"), {"rollout": {"bakeSeconds": 90}}))
    well.until_step("Baking")
    name = f"no-policies-{well.namespace}"
    deny = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": well.namespace}},
                "resourceRules": [
                    {"apiGroups": ["networking.k8s.io"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                     "resources": ["networkpolicies"]},
                ],
            },
            "validations": [{"expression": "false", "message": "no policies here"}],
        },
    }  # fmt: skip
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    stable: str = well.status()["stable"]["revision"]
    try:
        kubectl.apply(deny)
        kubectl.apply(binding)
        well.do("delete", "networkpolicy", SERVICE)
        # then

        def back() -> bool:
            return selector_of(well)["hogwarts.edu/revision"] == stable

        well.until_true(
            lambda: not answers(well) or back(), "the candidate stops answering", budgets.ROLLED_BACK
        )
        timed(well, lambda: back() and answers(well), "traffic back on ready stable pods", RESTORED, capsys)
        well.until_true(lambda: bool(well.status().get("rejected")), "the verdict stored", budgets.NOTICED)
    finally:
        kubectl(
            "delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", name, "--ignore-not-found"
        )
    well.until_true(
        lambda: well.get("networkpolicy", SERVICE) is not None, "the policy is made again", 2 * budgets.HEALED
    )


def test_a_candidate_deleted_in_the_bake_costs_seconds(well: Scenario, capsys: Any) -> None:
    """It is rebuilt, or traffic goes back."""
    good(well, rollout={"bakeSeconds": 60})
    candidate = well.until_step("Baking")
    well.do("delete", "deployment", f"{NAME}-api-{candidate['revision']}")

    timed(well, lambda: answers(well), "ready endpoints again", RESTORED, capsys)


def test_a_lost_record_of_stable_is_written_again(well: Scenario) -> None:
    stable = well.status()["stable"]["revision"]
    well.do("delete", "controllerrevision", f"{NAME}-{stable}")
    good(well)
    well.until_true(
        lambda: well.status().get("stable", {}).get("revision") not in (None, stable)
        and well.status().get("phase") == "Ready",
        "the good revision is stable", budgets.PROMOTED,
    )  # fmt: skip


def test_what_a_rolled_back_spec_drops_goes(well: Scenario, capsys: Any) -> None:
    """Exposure does not wait for a calm phase."""
    well.is_ready(ingress={"host": "map.hogwarts.edu"})
    well.edit(**with_environment({}, MISBEHAVE="crash"))
    well.until_phase("RolledBack", budgets.ROLLED_BACK)
    assert well.get("ingress", SERVICE) is not None
    well.edit(ingress=None)
    timed(well, lambda: well.get("ingress", SERVICE) is None, "the Ingress is gone", PUT_RIGHT, capsys)
