"""Deleting a resource leaves nothing but what its retention policy keeps, and creating it again works."""

from __future__ import annotations

from typing import Any

from tests.cluster import budgets
from tests.cluster.scenario import NAME, Scenario, merged, small_spec

BODY: dict[str, Any] = {"title": "Boggart in the staff room", "location": "HOGWARTS", "severity": "MISCHIEF"}


def _delete(scenario: Scenario, *, left: set[str]) -> None:
    scenario.do("delete", "maraudersmap", NAME, f"--timeout={budgets.GONE:.0f}s")
    scenario.until_true(lambda: scenario.children() == left, f"only {left or 'nothing'} left", budgets.GONE)
    scenario.until_true(lambda: not scenario.find_all("pods"), "no pod left", budgets.GONE)


def test_deleting_leaves_nothing_and_creating_again_works(scenario: Scenario) -> None:
    # given
    spec = small_spec(scenario.good)
    scenario.resource_exists(spec)
    scenario.until_phase("Ready", budgets.READY)
    # when
    _delete(scenario, left=set())
    # then
    scenario.resource_exists(spec)
    scenario.until_phase("Ready", budgets.READY)


def test_retained_data_are_found_again(scenario: Scenario) -> None:
    # given
    storage = {"size": "1Gi", "retention": "Retain"}
    spec = merged(small_spec(scenario.good), {"database": {"evaluation": {"storage": storage}}})
    scenario.resource_exists(spec)
    scenario.until_phase("Ready", budgets.READY)
    with scenario.probed() as prober:
        status, created = prober.call("POST", "/api/incidents", BODY)
        assert status == 201, created
    # when
    _delete(scenario, left={f"PersistentVolumeClaim/data-{NAME}-postgres-0", f"Secret/{NAME}-postgres"})
    scenario.resource_exists(spec)
    scenario.until_phase("Ready", budgets.READY)
    # then
    with scenario.probed() as prober:
        status, found = prober.call("GET", f"/api/incidents/{created['id']}")
    assert (status, found["title"]) == (200, BODY["title"])
