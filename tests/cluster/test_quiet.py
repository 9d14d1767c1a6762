"""A pass over a resource in its desired state writes nothing."""

from __future__ import annotations

import time
import uuid

import pytest
from dev.kube import Kubectl
from dev.operator_install import leader
from dev.operator_objects import NAMESPACE
from prometheus_client.parser import text_string_to_metric_families
from tests.cluster import budgets
from tests.cluster.scenario import NAME, POLL_SECONDS, Scenario

CALM_SECONDS = 5
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def _metrics(kubectl: Kubectl) -> tuple[dict[str, float], float]:
    """Writes that the leader attempted, by method and answer, refused ones as well, and its passes. Not the Lease."""
    name = leader(kubectl)
    assert name is not None
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:8080/proxy/metrics"
    writes: dict[str, float] = {}
    passes = 0.0
    for family in text_string_to_metric_families(kubectl("get", "--raw", path)):
        for sample in family.samples:
            method, code = sample.labels.get("method", ""), sample.labels.get("code", "")
            if sample.name == "rest_client_requests_total" and method in WRITES:
                writes[f"{method} {code}"] = sample.value
            if sample.name == "controller_runtime_reconcile_total":
                passes += sample.value
    return writes, passes


def _leaving(kubectl: Kubectl) -> list[str]:
    namespaces = kubectl.json("get", "namespaces")["items"]
    return [n["metadata"]["name"] for n in namespaces if "deletionTimestamp" in n["metadata"]]


def _calm(small: Scenario, kubectl: Kubectl) -> None:
    """Until its last writes (pruning, the final status) are made and nothing else is on its way out.

    In a namespace that is being deleted, children go before their resource: the operator's attempts to repair them
    are refused.
    """
    small.is_ready()
    small.until_true(lambda: not _leaving(kubectl), "no test's namespace on its way out", budgets.GONE)
    seen, since = _metrics(kubectl)[0], time.monotonic()

    def calm() -> bool:
        nonlocal seen, since
        writes = _metrics(kubectl)[0]
        if writes != seen:
            seen, since = writes, time.monotonic()
        return time.monotonic() - since >= CALM_SECONDS

    small.until_true(calm, f"{CALM_SECONDS} s without a write", budgets.READY)


def test_an_operator_with_nothing_to_do_writes_nothing(small: Scenario, kubectl: Kubectl) -> None:
    # given
    _calm(small, kubectl)
    before = small.resource()
    writes, passes = _metrics(kubectl)
    # when: time goes by, and passes are provoked by a change that means nothing
    end = time.monotonic() + budgets.AT_REST
    while time.monotonic() < end:
        small.do("label", "maraudersmap", NAME, f"example.org/touched={uuid.uuid4().hex}", "--overwrite")
        time.sleep(4 * POLL_SECONDS)
    # then
    writes_after, passes_after = _metrics(kubectl)
    assert passes_after >= passes + 5
    assert writes_after == writes
    assert small.resource()["status"] == before["status"]


@pytest.mark.extended
def test_ten_minutes_that_nobody_disturbs_see_no_write(small: Scenario, kubectl: Kubectl) -> None:
    """Long enough for every poll, audit and resynchronisation to come by."""
    # given
    _calm(small, kubectl)
    before = small.resource()
    writes, passes = _metrics(kubectl)
    # when
    time.sleep(budgets.LONG_REST)
    # then
    writes_after, passes_after = _metrics(kubectl)
    assert passes_after > passes
    assert writes_after == writes
    assert small.resource() == before
