"""What no watch shows is looked at by its version, seldom enough for a fleet and often enough for what is promised."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster import Cluster, Kind, Unavailable
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, SECRET
from maraudersmap_operator.reconcile.context import remembered
from maraudersmap_operator.reconcile.context.remembered import POLL, poll_of
from maraudersmap_operator.reconcile.context.verification import Budget, Known
from maraudersmap_operator.reconcile.reading.reference_versions import SHARED, ReferenceVersions
from maraudersmap_operator.reconcile.reading.references import References
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.rollout import Need

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PROMISED = 180
EXTERNAL = {
    "replicas": 2,
    "database": {"evaluation": None, "external": {"secretRef": {"name": "owlery", "key": "url"}}},
    "jwtSecret": {"secretRef": {"name": "owlery", "key": "jwt"}},
}


def owlery(loop: Loop, spell: str = "mischief") -> None:
    """What the spec refers to."""
    values = {"url": f"postgresql://map:{spell}@owlery/map", "jwt": "solemnly" * 8}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    body = {"metadata": {"name": "owlery", "namespace": NAMESPACE}, "data": data}
    if loop.find(SECRET, "owlery") is None:
        loop.server.create(SECRET, body, manager="kubectl")
    else:
        loop.server.merge(SECRET, NAMESPACE, "owlery", {"data": data}, manager="kubectl")


async def quiet(loop: Loop) -> None:
    owlery(loop)
    await loop.create(**EXTERNAL)
    await loop.run(240)


async def test_a_quiet_resource_costs_one_small_read_in_three_minutes() -> None:
    async with Loop() as loop:
        await quiet(loop)
        loop.operator.audit_due += timedelta(hours=1)
        before, version = Counter(loop.operator.cluster.calls), loop.version()
        await loop.run(340)
        calls = Counter(loop.operator.cluster.calls) - before
        del calls["served", "PodMonitor"]
        assert calls == {("version", "Secret"): 2}
        assert loop.version() == version, "nothing was written"


async def test_in_a_large_fleet_each_is_looked_at_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    assert poll_of(1) == poll_of(500) == POLL
    assert poll_of(1000) == timedelta(seconds=330)
    async with Loop() as loop:
        await quiet(loop)
        monkeypatch.setattr(remembered, "BETWEEN_LOOKS", timedelta(seconds=330))
        calls = loop.operator.cluster.calls
        await loop.until(lambda: calls["version", "Secret"] == 1, 335)
        await loop.run(310)
        assert calls["version", "Secret"] == 1
        await loop.run(30)
        assert calls["version", "Secret"] == 2


async def test_a_changed_secret_is_seen_within_three_minutes() -> None:
    async with Loop() as loop:
        await quiet(loop)
        name = loop.deployments()[loop.stable]["metadata"]["name"]
        before = loop.get(DEPLOYMENT, name)["spec"]["template"]["metadata"]
        owlery(loop, "managed")
        # and once it has been still for ten seconds, pods are exchanged
        await loop.until(
            lambda: loop.get(DEPLOYMENT, name)["spec"]["template"]["metadata"] != before, PROMISED + 15
        )


async def test_a_secret_with_a_new_label_is_read_and_changes_nothing() -> None:
    async with Loop() as loop:
        await quiet(loop)
        patch = {"metadata": {"labels": {"owl": "Errol"}}}
        loop.server.merge(SECRET, NAMESPACE, "owlery", patch, manager="kubectl-label")
        version = loop.version()
        await loop.run(400)
        assert loop.version() == version, "nothing was written"
        assert loop.phase == "Ready"


async def test_a_secret_that_goes_is_reported_within_three_minutes() -> None:
    async with Loop() as loop:
        await quiet(loop)
        loop.server.delete(SECRET, NAMESPACE, "owlery")
        await loop.until(lambda: "owlery" in loop.condition("Ready").get("message", ""), PROMISED + 5)


async def test_a_secret_that_is_made_again_with_another_value_is_a_change() -> None:
    """The pods that run have the old one; what else they read was there all the time."""
    async with Loop() as loop:
        owlery(loop)
        room = {
            "metadata": {"name": "room", "namespace": NAMESPACE},
            "data": {"jwt": base64.b64encode(b"solemnly" * 8).decode()},
        }
        loop.server.create(SECRET, room, manager="kubectl")
        await loop.create(**EXTERNAL | {"jwtSecret": {"secretRef": {"name": "room", "key": "jwt"}}})
        await loop.run(240)
        name = loop.deployments()[loop.stable]["metadata"]["name"]
        before = loop.get(DEPLOYMENT, name)["spec"]["template"]["metadata"]
        loop.server.delete(SECRET, NAMESPACE, "owlery")
        await loop.until(lambda: "owlery" in loop.condition("Ready").get("message", ""), PROMISED + 5)
        owlery(loop, "managed")
        await loop.until(
            lambda: loop.get(DEPLOYMENT, name)["spec"]["template"]["metadata"] != before, PROMISED + 15
        )


async def test_a_secret_that_cannot_be_read_any_more_is_reported() -> None:
    async with Loop() as loop:
        await quiet(loop)
        fault = loop.faults.add(Effect.STATUS, status=403, kind=SECRET)
        await loop.until(lambda: "owlery" in loop.condition("Ready").get("message", ""), PROMISED + 5)
        loop.faults.active.remove(fault)
        await loop.until(lambda: loop.condition("Ready").get("status") == "True", 90)


class Counted:
    """Answers with the versions that it is given; None: no answer."""

    def __init__(self, **versions: str | None) -> None:
        self.versions = versions
        self.asked = 0

    async def version(self, kind: Kind, namespace: str, name: str) -> str:
        self.asked += 1
        found = self.versions[name]
        if found is None:
            raise Unavailable("away")
        return found


def named(**versions: str | None) -> References:
    return References(Need(True, Reason.READY), versions={(SECRET, n): v for n, v in versions.items()})


async def test_one_answer_serves_all_who_ask_within_seconds() -> None:
    cluster = Counted(owlery="a 1")
    looks = ReferenceVersions(cast("Cluster", cluster))
    for _ in range(50):
        assert await looks.unchanged(named(owlery="a 1"), "hogwarts", NOW)
    assert cluster.asked == 1
    assert await looks.unchanged(named(owlery="a 1"), "durmstrang", NOW)
    assert cluster.asked == 2, "another namespace's is another Secret"
    cluster.versions["owlery"] = "a 2"
    assert not await looks.unchanged(named(owlery="a 1"), "hogwarts", NOW + SHARED)
    assert timedelta(seconds=PROMISED) >= POLL + SHARED


@pytest.mark.parametrize(("then", "now"), [("a 1", None), (None, "a 1"), ("a 1", ""), ("", "a 1")])
async def test_what_could_not_be_read_counts_as_changed(then: str | None, now: str | None) -> None:
    cluster = Counted(owlery=now)
    assert not await ReferenceVersions(cast("Cluster", cluster)).unchanged(
        named(owlery=then), "hogwarts", NOW
    )


def test_a_fleet_verifies_in_the_order_in_which_it_asked() -> None:
    """Each comes again once, when its turn has come."""
    budget, fleet = Budget(per_second=10, burst=0), [Known() for _ in range(100)]
    for known in fleet:
        assert not known.take_dry_run(budget, NOW)
        known.verified_but(8, budget, NOW)
    times = [known.verify_at for known in fleet if known.verify_at is not None]
    assert times == sorted(times)
    assert times[-1] - NOW == timedelta(seconds=80)
    for known, at in zip(fleet, times, strict=True):
        assert not known.take_dry_run(budget, at - timedelta(milliseconds=1))
        assert sum(known.take_dry_run(budget, at) for _ in range(8)) == 8
        known.verified_but(0, budget, at)
        assert known.verify_at is None
