"""PodMonitor, PrometheusRule and dashboard of a resource: made where their kinds are, never in the way of the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster import Kind, Manifest
from maraudersmap_operator.cluster.kinds import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    MONITORING,
    POD_MONITOR,
    PROMETHEUS_RULE,
)

API = f"{NAME}-api"
SOON = 65  # a look at the kinds each minute
LATER = 11 * 60  # a look at everything each ten


def dashboards(loop: Loop) -> list[Manifest]:
    return [c for c in loop.all(CONFIG_MAP) if "grafana_dashboard" in c["metadata"].get("labels", {})]


def there(loop: Loop) -> tuple[bool, bool, int]:
    return *(loop.find(kind, API) is not None for kind in MONITORING), len(dashboards(loop))  # type: ignore[return-value]


def monitoring(loop: Loop) -> tuple[str, str]:
    condition = loop.condition("MonitoringReady")
    return str(condition.get("status")), str(condition.get("reason"))


def asked(loop: Loop) -> int:
    """Requests about the kinds in question."""
    return sum(
        n for (verb, kind), n in loop.operator.cluster.calls.items() if kind in _NAMES and verb != "served"
    )


_NAMES = {kind.kind for kind in MONITORING}
BOTH = ("True", "AsWanted")
NONE = ("False", "NoPrometheusOperator")


async def served(loop: Loop, **spec: Any) -> None:
    loop.server.served |= set(MONITORING)
    await loop.create(**spec)
    await loop.until(lambda: monitoring(loop) == BOTH, 30)


async def test_each_resource_has_its_own_where_the_kinds_are() -> None:
    async with Loop() as loop:
        await served(loop, monitoring={"labels": {"release": "prometheus"}})
        assert there(loop) == (True, True, 1)
        for kind in MONITORING:
            assert loop.get(kind, API)["metadata"]["labels"]["release"] == "prometheus"
            assert loop.get(kind, API)["metadata"]["ownerReferences"][0]["name"] == NAME
        groups = loop.get(PROMETHEUS_RULE, API)["spec"]["groups"]
        expressions = [rule["expr"] for group in groups for rule in group["rules"]]
        assert expressions
        assert all(f'namespace="{NAMESPACE}", maraudersmap="{NAME}"' in each for each in expressions)
        [dashboard] = dashboards(loop)
        [text] = dashboard["data"].values()
        assert json.loads(text)["title"] == f"Marauder's Map: {NAMESPACE}/{NAME}"
        message = loop.condition("MonitoringReady")["message"]
        assert message.startswith(
            f"made: PodMonitor {API}, PrometheusRule {API}, ConfigMap {NAME}-dashboard-"
        )
        assert loop.condition("ChildrenApplied")["status"] == "True"


async def test_without_the_kinds_nothing_is_made_nothing_is_wrong_and_it_costs_nothing() -> None:
    async with Loop() as loop:
        await loop.create()
        await loop.run(5)
        assert monitoring(loop) == NONE
        assert "no kind PodMonitor and no kind PrometheusRule" in loop.condition("MonitoringReady")["message"]
        assert [loop.condition(kind)["status"] for kind in ("Ready", "Stalled")] == ["True", "False"]
        version, calls = loop.version(), sum(loop.operator.cluster.calls.values())
        await loop.run(LATER)
        assert (there(loop), asked(loop)) == ((False, False, 0), 0)
        assert loop.version() == version
        # A question a minute about all resources, and the audits.
        looks = loop.operator.cluster.calls["served", "PodMonitor"]
        assert LATER // 60 - 1 <= looks <= LATER // 60 + 2
        assert sum(loop.operator.cluster.calls.values()) - calls < 100


async def test_they_follow_a_definition_that_comes_and_one_that_goes() -> None:
    """By the same process, and although nothing about the resource has changed."""
    async with Loop() as loop:
        await loop.create()
        await loop.run(30)
        loop.server.served |= set(MONITORING)
        await loop.until(lambda: monitoring(loop) == BOTH, SOON)
        assert there(loop) == (True, True, 1)
        loop.server.withdraw(PROMETHEUS_RULE)
        await loop.until(lambda: monitoring(loop) == NONE, SOON)
        assert "no kind PrometheusRule" in loop.condition("MonitoringReady")["message"]
        assert there(loop) == (True, False, 1)
        loop.server.withdraw(POD_MONITOR)
        await loop.until(lambda: there(loop) == (False, False, 0), SOON)
        loop.server.served |= set(MONITORING)
        await loop.until(lambda: there(loop) == (True, True, 1), SOON)
        assert loop.phase == "Ready"
        assert not any(o.queue.errors for o in loop.operators)


async def test_a_kind_that_has_just_gone_is_no_error() -> None:
    """A write meets it before the next look does."""
    async with Loop() as loop:
        await served(loop)
        loop.server.withdraw(PROMETHEUS_RULE)
        loop.edit(monitoring={"alerts": {"failedPercent": 1}})
        await loop.until(lambda: monitoring(loop) == NONE, 10)
        assert loop.condition("ChildrenApplied")["status"] == "True"
        assert loop.phase == "Ready"


@pytest.mark.parametrize("kind", MONITORING, ids=lambda kind: kind.kind)
async def test_a_refused_one_stands_in_nobodys_way(kind: Kind) -> None:
    """A bad revision is taken back, a good one rolled out, and the others are made, while one of them is refused."""
    async with Loop() as loop:
        loop.server.served |= set(MONITORING)
        loop.faults.add(Effect.STATUS, status=403, kind=kind, only_writes=True)
        loop.apply()
        await loop.until(lambda: bool(loop.stable), 120)
        await loop.until(lambda: monitoring(loop) == ("False", "Refused"), 10)
        assert loop.condition("MonitoringReady")["message"].startswith(f"{kind.kind} {API}: ")
        assert f"{kind.kind} {API}" in loop.condition("ChildrenApplied")["message"]
        assert sum(there(loop)) == 2
        good = loop.stable
        loop.bad("crash")
        await loop.until(lambda: bool(loop.rejected), 120)
        assert (loop.selected, loop.stable, loop.ready(good)) == (good, good, 3)
        loop.good()
        await loop.until(lambda: loop.stable != good and not loop.candidate, 240)
        assert loop.selected == loop.stable
        loop.faults.clear()
        await loop.until(lambda: monitoring(loop) == BOTH and loop.phase == "Ready", 150)


def judged(loop: Loop) -> tuple[str, ...]:
    return (loop.phase, *(str(loop.condition(kind).get("status")) for kind in _WHOLE))


_WHOLE = ("Ready", "Stalled", "Reconciling")
WELL = ("Ready", "True", "False", "False")


@pytest.mark.parametrize("status", [403, 503])
@pytest.mark.parametrize("kind", [*MONITORING, CONFIG_MAP], ids=lambda kind: kind.kind)
async def test_a_service_that_nobody_can_look_at_is_as_well_as_before(kind: Kind, status: int) -> None:
    """Refused or not answered: it is reported, and calls for nobody as an Ingress would."""
    async with Loop() as loop:
        loop.server.served |= set(MONITORING)
        loop.faults.add(Effect.STATUS, status=status, kind=kind, only_writes=True)
        await loop.create()
        reason = "Refused" if status == 403 else "Unavailable"
        await loop.until(lambda: monitoring(loop) == ("False", reason), 60)
        await loop.run(30)
        assert judged(loop) == WELL
        applied = loop.condition("ChildrenApplied")
        assert (applied["status"], applied["reason"]) == ("False", reason)
        assert applied["message"].startswith(f"{kind.kind} {NAME}-")


async def test_what_the_service_needs_is_named_first_and_alone_makes_it_stalled() -> None:
    async with Loop() as loop:
        loop.server.served |= set(MONITORING)
        loop.faults.add(Effect.STATUS, status=403, kind=POD_MONITOR, only_writes=True)
        budget = loop.faults.add(Effect.STATUS, status=403, kind=DISRUPTION_BUDGET, only_writes=True)
        loop.apply()
        await loop.until(lambda: judged(loop) == ("Stalled", "False", "True", "False"), 120)
        assert loop.status["message"].startswith("PodDisruptionBudget ")
        assert "PodMonitor" not in loop.status["message"]
        both = loop.condition("ChildrenApplied")["message"].split("; ")
        assert [sentence.partition(" ")[0] for sentence in both] == ["PodDisruptionBudget", "PodMonitor"]
        # and it is over with the one that matters
        loop.faults.active.remove(budget)
        await loop.until(lambda: judged(loop) == WELL, 150)
        assert loop.condition("ChildrenApplied")["status"] == "False"


async def test_each_goes_when_it_is_switched_off() -> None:
    async with Loop() as loop:
        await served(loop)
        loop.edit(monitoring={"alerts": {"enabled": False}})
        await loop.until(lambda: there(loop) == (True, False, 1), 10)
        await loop.until(lambda: monitoring(loop) == BOTH, 5)
        loop.edit(monitoring={"dashboard": {"enabled": False}})
        await loop.until(lambda: there(loop) == (True, False, 0), 10)
        loop.edit(monitoring={"enabled": False})
        await loop.until(lambda: there(loop) == (False, False, 0), 10)
        await loop.until(lambda: not loop.condition("MonitoringReady"), 5)
        loop.edit(monitoring={"enabled": True, "alerts": {"enabled": True}, "dashboard": {"enabled": True}})
        await loop.until(lambda: there(loop) == (True, True, 1), 10)


async def test_what_cannot_be_removed_is_reported_and_tried_again() -> None:
    async with Loop() as loop:
        await served(loop)
        loop.faults.add(Effect.STATUS, status=503, kind=POD_MONITOR, verb="delete")
        loop.edit(monitoring={"enabled": False})
        await loop.until(
            lambda: "no longer wanted" in loop.condition("ChildrenApplied").get("message", ""), 30
        )
        loop.faults.clear()
        await loop.until(lambda: there(loop) == (False, False, 0) and loop.phase == "Ready", 90)


async def test_someone_elses_of_the_same_name_is_left_alone() -> None:
    async with Loop() as loop:
        loop.server.served |= set(MONITORING)
        theirs = {
            "apiVersion": POD_MONITOR.api_version, "kind": "PodMonitor",
            "metadata": {"name": API, "namespace": NAMESPACE}, "spec": {"selector": {}},
        }  # fmt: skip
        loop.server.create(POD_MONITOR, theirs, manager="kubectl")
        loop.apply()
        await loop.until(lambda: monitoring(loop) == ("False", "Conflict"), 120)
        loop.edit(monitoring={"enabled": False})
        await loop.run(10)
        assert loop.get(POD_MONITOR, API)["spec"] == {"selector": {}}


async def test_what_others_change_is_put_right_at_the_next_look() -> None:
    async with Loop() as loop:
        await served(loop)
        rule = loop.get(PROMETHEUS_RULE, API)["spec"]
        loop.server.merge(PROMETHEUS_RULE, NAMESPACE, API, {"spec": {"groups": []}}, manager="kubectl-edit")
        loop.server.delete(POD_MONITOR, NAMESPACE, API)
        await loop.until(lambda: loop.find(POD_MONITOR, API) is not None, LATER)
        await loop.until(lambda: loop.get(PROMETHEUS_RULE, API)["spec"] == rule, LATER)


async def test_at_rest_nothing_is_written_and_little_is_read() -> None:
    async with Loop() as loop:
        await served(loop)
        await loop.run(120)
        version, before = loop.version(), asked(loop)
        await loop.run(LATER * 2)
        assert loop.version() == version
        assert asked(loop) - before <= 3 * len(MONITORING)


async def test_a_new_process_writes_nothing() -> None:
    async with Loop() as loop:
        await served(loop)
        await loop.run(30)
        version = loop.version()
        loop.restart()
        await loop.run(60)
        assert loop.version() == version
        assert monitoring(loop) == BOTH


async def test_an_answer_that_does_not_come_leaves_what_is_known() -> None:
    async with Loop() as loop:
        await served(loop)
        loop.faults.add(Effect.STATUS, status=503, verb="served")
        loop.restart()
        await loop.run(90)
        assert (monitoring(loop), there(loop)) == (BOTH, (True, True, 1))
        loop.faults.clear()
        await loop.run(SOON)
        assert (monitoring(loop), there(loop)) == (BOTH, (True, True, 1))
