"""Looking at the pods of both revisions while a candidate gets users' requests.

Pods count from their own start, the comparison from the start of the trial: what lies between two looks is the difference
of a pod's counters. The last ones seen are all that is kept in memory. An operator that has just started goes on from the
comparison in the status and misses what happened between its last look and its first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from maraudersmap_operator.analysis import Look, add_look, increase, plus, until_next_look
from maraudersmap_operator.cluster import Key, Store
from maraudersmap_operator.cluster.exposition import Reading
from maraudersmap_operator.cluster.prometheus import ask
from maraudersmap_operator.cluster.scrape import Target, scrape
from maraudersmap_operator.resource import MaraudersMap
from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.names import API_PORT, SHARED
from maraudersmap_operator.resource.status_analysis import MAX_DISTURBED, Comparison, QueryAnswer, Tally
from maraudersmap_operator.rollout import RouteFacts

from .endpoints import pods_of, serving_revision
from .pods import pod_facts

# Ten pods' requests show as much as a hundred's, and a look must not become a burden.
MAX_PODS = 10
MAX_WITNESSES = 3
# Pods come and go; one that was away for a while must be known when it is back.
MAX_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Sides:
    """Ready pods that receive users' requests, and what the queries' placeholders stand for.

    `control`: of the stable revision; `trial`: of the candidate. `words`: namespace, name, candidate, stable.
    """

    control: tuple[Target, ...]
    trial: tuple[Target, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    witnesses: tuple[Target, ...] = ()
    """Pods of the stable revision out of traffic, ready or not: what they cannot reach either is not the candidate's
    fault. For when there is no control group that gets requests at the same time."""


async def _anyone(url: str, namespace: str) -> str:
    return ""


class Analyst:
    """One for the whole operator; `key` names a resource."""

    def __init__(self, port: int = API_PORT, may_ask: Callable[[str, str], Awaitable[str]] = _anyone) -> None:
        """`may_ask`: why the Prometheus at a URL may not be asked for a resource of a namespace; empty when it may."""
        self._port = port
        self._may_ask = may_ask
        self._seen: dict[Hashable, dict[str, Tally]] = {}

    async def look(
        self, key: Hashable, before: Comparison, sides: Sides, analysis: Analysis, now: datetime
    ) -> Comparison:
        """`before` and what both sides have answered since the last look. Takes 2 s at the most; raises nothing.

        A pod of the candidate counts from its own start, for it is on trial from there; one of the stable revision, with
        its days of history, from when it is first seen.
        """
        restarted = key not in self._seen and before.looked_at is not None
        seen = self._seen.setdefault(key, {})
        control, trial = self._chosen(seen, sides.control), self._chosen(seen, sides.trial)
        witnesses = sides.witnesses[:MAX_WITNESSES]
        readings, answers = await asyncio.gather(
            scrape((*control, *trial, *witnesses), self._port), self._answers(analysis, sides)
        )
        counters = {uid: reading.tally for uid, reading in readings.items() if reading is not None}
        gained = Look(
            control=_gain(seen, counters, control, from_start=False),
            trial=_gain(seen, counters, trial, from_start=not restarted),
            queries=answers,
            disturbed=_lacking([readings[witness.uid] for witness in witnesses]),
        )
        self._remember(seen, counters)
        return add_look(before, gained, analysis, now)

    def forget(self, key: Hashable) -> None:
        """The resource has no candidate any more, or is gone."""
        self._seen.pop(key, None)

    def _chosen(self, seen: Mapping[str, Tally], targets: Iterable[Target]) -> tuple[Target, ...]:
        """At most MAX_PODS, always the same ones as long as they are there."""
        return tuple(sorted(targets, key=lambda target: (target.uid not in seen, target.uid))[:MAX_PODS])

    async def _answers(self, analysis: Analysis, sides: Sides) -> tuple[QueryAnswer, ...]:
        prometheus = analysis.prometheus
        if prometheus is None:
            return ()
        if reason := await self._may_ask(prometheus.url, sides.words.get("namespace", "")):
            return tuple(QueryAnswer(name=query.name, error=reason) for query in prometheus.queries)
        return await ask(prometheus, sides.words)

    def _remember(self, seen: dict[str, Tally], counters: Mapping[str, Tally]) -> None:
        for uid, tally in counters.items():
            seen.pop(uid, None)  # so that the last ones seen stand last
            seen[uid] = tally
        for uid in list(seen)[:-MAX_REMEMBERED]:
            del seen[uid]


async def compared(
    analyst: Analyst, store: Store, key: Key, resource: MaraudersMap, route: RouteFacts | None, now: datetime
) -> Comparison | None:
    """What the pods of both revisions have answered, when it is time to ask them; None when it is not."""
    candidate, stable = resource.status.candidate, resource.status.stable
    policy = resource.spec.rollout.analysis
    if candidate is None:
        analyst.forget(key)
        return None
    comparison = candidate.memory.analysis
    if stable is None or comparison is None or candidate.verdict or not policy.enabled:
        return None
    if until_next_look(comparison, policy, now):
        return None
    sides = sides_of(
        store,
        key,
        stable.revision,
        candidate.revision,
        serving=serving_revision(store, key),
        weight=route.weight if route else 0,
    )
    return await analyst.look(key, comparison, sides, policy, now)


def sides_of(store: Store, key: Key, stable: str, candidate: str, *, serving: str, weight: int) -> Sides:
    """Which pods are asked: those of both revisions, as far as users' requests reach them."""
    return Sides(
        control=_pods(store, key, stable) if serving in (stable, SHARED) else (),
        trial=_pods(store, key, candidate) if serving in (candidate, SHARED) or weight else (),
        words={"namespace": key.namespace, "name": key.name, "candidate": candidate, "stable": stable},
        witnesses=_pods(store, key, stable, ready=False) if serving == candidate else (),
    )


def _pods(store: Store, key: Key, revision: str, ready: bool = True) -> tuple[Target, ...]:
    """The revision's pods by their addresses. `ready`: only those."""
    pods = pods_of(store, key, revision)
    return tuple(
        Target(p["metadata"]["uid"], p["status"]["podIP"])
        for p in pods
        if (p.get("status") or {}).get("podIP")
        and "deletionTimestamp" not in p["metadata"]
        and (pod_facts(p).ready or not ready)
    )


def _lacking(witnesses: list[Reading | None]) -> str:
    """What every one of them that answers cannot reach."""
    lacks = [witness.lacks for witness in witnesses if witness is not None]
    return " and the ".join(sorted(frozenset.intersection(*lacks)))[:MAX_DISTURBED] if lacks else ""


def _gain(
    seen: Mapping[str, Tally],
    counters: Mapping[str, Tally],
    targets: tuple[Target, ...],
    *,
    from_start: bool,
) -> Tally:
    """What the pods have answered since each was seen last."""
    gain = Tally()
    for target in targets:
        after = counters.get(target.uid)
        if after is None:
            continue
        if target.uid in seen:
            gain = plus(gain, increase(seen[target.uid], after))
        elif from_start:
            gain = plus(gain, after)
    return gain
