"""The shipped roles, verb by verb: nothing is granted that no story uses, nothing is used that is not granted, and a right
that is missing shows.

Calls of the operator itself are counted on the API server in this process, and kopf's as the fake's watches make them; what
kopf itself asks for is counted in test_kopf.py. The leader election has a client of its own, which is pointed at a small HTTP
server (wire.py).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

import pytest
import structlog
import yaml
from kubernetes.aio.client import ApiClient, Configuration
from tests.unit.operator.fake.authorization import FINALIZERS, Right, Rights
from tests.unit.operator.fake.harness import NAMESPACE, Loop, play
from tests.unit.operator.rights.shipped import GRANTED, LEASES, MANIFESTS
from tests.unit.operator.rights.stories import STORIES, Story
from tests.unit.operator.rights.wire import LEASE, Wire, wire

from maraudersmap_operator.cluster import LeaseClock, lease
from maraudersmap_operator.cluster.kinds import NODE

PATIENCE = 60
NODES = Right(NODE.group, NODE.plural, "get")


async def _run(story: Story, rights: Rights, namespaces: tuple[str, ...] = ()) -> None:
    async with Loop(rights=rights, namespaces=namespaces) as loop:
        await story(loop)


@cache
def _used(namespaces: tuple[str, ...] = ()) -> dict[Right, Story]:
    """Each right that the stories use, with the first story to use it; the shipped roles allow it all."""
    found: dict[Right, Story] = {}
    for story in STORIES:
        rights = Rights(GRANTED)
        play(lambda story=story, rights=rights: _run(story, rights, namespaces))  # type: ignore[misc]
        for right in rights.used:
            found.setdefault(right, story)
    return found


# --- the operator's own calls -----------------------------------------------------------------------------------------
def test_nothing_is_granted_that_is_never_used_and_nothing_used_that_is_not_granted() -> None:
    assert set(_used()) == GRANTED


def test_the_namespaced_install_has_the_same_rules() -> None:
    """As a Role, which cannot grant what has no namespace: the rule for nodes is void there (reconcile/reading/nodes.py)."""
    overlay = yaml.safe_load((MANIFESTS / "overlays" / "namespaced" / "kustomization.yaml").read_text())
    changed = [p for patch in overlay["patches"] for p in yaml.safe_load_all(patch["patch"])]
    assert "/rules" not in str(changed)


def test_the_namespaced_install_uses_every_right_that_a_role_can_grant() -> None:
    """All stories, in the one namespace that it watches, without what a Role cannot grant."""
    granted = GRANTED - {NODES}
    used: set[Right] = set()
    refused: list[str] = []
    for story in STORIES:
        rights = Rights(granted)
        play(lambda story=story, rights=rights: _run(story, rights, (NAMESPACE,)))  # type: ignore[misc]
        used |= set(rights.used)
        refused += rights.refused
    assert used - {NODES} == granted
    assert [s for s in refused if 'cannot get resource "nodes"' not in s] == []


@pytest.mark.parametrize("right", sorted(GRANTED), ids=str)
def test_a_right_that_is_missing_shows(right: Right) -> None:
    """In the status, in an Event or in the log at its shipped level, in the API server's own words.

    What ends a pass is logged by the work queue (tests/unit/operator/reconcile/test_queue.py).
    """
    story, rights = _used()[right], Rights(GRANTED - {right})
    statuses: list[str] = []
    ended: list[BaseException] = []

    async def played() -> None:
        async with Loop(rights=rights) as loop:
            loop.every_tick.append(lambda: ended.extend(e for o in loop.operators for e in o.queue.errors))
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
            loop.every_tick.append(lambda: statuses.append(str(loop.status) if loop.has_resource else ""))
            await story(loop)

    with structlog.testing.capture_logs() as logs, suppress(AssertionError, IndexError, StopIteration):
        play(played)
    assert rights.refused, "never asked for"
    words = f'cannot {right.verb} resource "{right.resource}"'
    if right == FINALIZERS:
        words = "cannot set blockOwnerDeletion"
    shown = [*map(str, logs), *statuses, *map(str, ended)]
    assert any(words in text for text in shown), "it is reported nowhere"


# --- the leader election's calls --------------------------------------------------------------------------------------
class _Expecting(Rights):
    """Sets `complete` when everything expected was asked for."""

    def __init__(self, granted: frozenset[Right], expected: frozenset[Right]) -> None:
        super().__init__(granted)
        self.complete = asyncio.Event()
        self._expected = expected

    def _ask(self, right: Right, call: Any) -> None:
        try:
            super()._ask(right, call)
        finally:
            if self._expected <= set(self.used):
                self.complete.set()


async def _elected(on: Wire, work_until: asyncio.Event) -> None:
    configuration = Configuration()
    configuration.host = on.url

    async def work(_: datetime | None) -> None:
        await work_until.wait()

    async with ApiClient(configuration) as api, asyncio.timeout(PATIENCE):
        await lease.lead(api, "marauders-system", "one", work, LeaseClock())


async def test_leases_are_made_read_and_renewed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RETRY_SECONDS", 1)
    rights = _Expecting(LEASES, LEASES)
    async with wire(rights) as on:
        await _elected(on, rights.complete)
    assert set(rights.used) == LEASES
    assert {r.resource for r in LEASES} == {LEASE.plural}


@pytest.mark.parametrize("right", sorted(LEASES), ids=str)
async def test_without_a_right_to_the_lease_nobody_leads_for_long(
    right: Right, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standby never leads; a leader that cannot renew leaves, which the log and the kubelet's restarts show."""
    for name, seconds in (("LEASE", 3), ("RENEW_DEADLINE", 2), ("RETRY", 1), ("CALL", 1)):
        monkeypatch.setattr(lease, f"{name}_SECONDS", seconds)
    rights = Rights(LEASES - {right})
    async with wire(rights) as on:
        electing = asyncio.create_task(_elected(on, asyncio.Event()))
        async with asyncio.timeout(PATIENCE):
            while not rights.refused:
                on.asked.clear()
                await on.asked.wait()
            if right.verb == "update":
                await electing  # the lease was lost
        electing.cancel()
        await asyncio.gather(electing, return_exceptions=True)
    assert any(f'cannot {right.verb} resource "leases"' in sentence for sentence in rights.refused)
