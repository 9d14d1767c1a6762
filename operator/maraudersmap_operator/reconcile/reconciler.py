"""The passes over all resources: protect and remember in `reconcile`, converge in `converge`, each with workers of its own.

A pass may be the first after a restart, or the thousandth over a quiet resource; the latter writes nothing. With a
deletionTimestamp nothing is written at all: owner references do the rest.

Nothing that only convergence needs can hold up protection: `converge` has workers of its own, carries on from what a pass has
decided, and stops when a newer pass has decided. What becomes of the children is reported by the next pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.cluster.reach import refusal, service_refusal
from maraudersmap_operator.resource import InvalidResource, MaraudersMap, parse
from maraudersmap_operator.resource.other_release import read_status
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.rollout import Decision, Need, report_refusal
from maraudersmap_operator.telemetry import Metrics, logger

from .analyst import Analyst
from .announce import announce
from .between import RESYNC, Between, poll_of
from .definition import AGAIN, Definition
from .known import Budget
from .looks import Looks
from .memory import StatusWriter
from .nodes import Nodes
from .one_pass import Pass, Superseded
from .parts import Parts
from .references import NOT_READ_YET, References, read_references, without_references
from .served import Served
from .settings import Settings
from .sight import fingerprint, in_time

# Nothing watches routes.
ROUTE_POLL = timedelta(seconds=60)
ROUTE_SOON = timedelta(seconds=5)
# An object that no watch shows is looked at again after this long.
UNSEEN_RETRY = timedelta(seconds=5)
UNDONE_RETRY = timedelta(seconds=1)
AT_ONCE = timedelta(0)
NOTHING_TO_READ = References(Need(True, Reason.READY))
# An Event is a courtesy: nothing waits for it longer than this.
EVENT_SECONDS = 5.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """`led_before`: when the previous leader renewed its lease last; None when there was none."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], datetime] = utc_now,
        led_before: datetime | None = None,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._parts = Parts(
            cluster,
            store,
            settings,
            metrics,
            Nodes(cluster, clock),
            Definition(cluster),
            Analyst(may_ask=self._refusal),
            Budget(),
            Looks(cluster),
            Served(cluster),
            led_before,
        )
        self._between: dict[Key, Between] = {}
        self._to_converge: dict[Key, Pass] = {}

    @property
    def served(self) -> Served:
        """Which of the kinds that need not be there are."""
        return self._parts.served

    # --- protect and remember ---------------------------------------------------------------------------------------

    async def reconcile(self, key: Key) -> timedelta | None:
        """One pass, to be followed by `converge`. Returns when to look again at the latest; None when the resource is gone or
        going.

        Raises ClusterError when the status could not be stored or this process may not act: try again later.
        """
        unsure = await self._settle_status(key)
        if not unsure and self._is_quiet(key, now := self._clock()):
            between = self._between[key]
            between.failed_since, between.good_pass_at = False, now
            return None  # `converge` looks at what no watch shows, and plans the next look
        obj = self._store.resource(key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._metrics.forget(key)
            self._parts.analyst.forget(key)
            self._between.pop(key, None)
            self._to_converge.pop(key, None)
            return None
        between = self._of(key, obj["metadata"]["uid"])
        try:
            resource = parse(obj)
        except InvalidResource as error:
            between.newest = None
            self._to_converge.pop(key, None)
            await self._report_invalid(key, obj, error)
            return RESYNC
        try:
            return await self._pass(key, obj, resource, between, unsure)
        except ClusterError:
            between.failed_since = True
            raise

    async def _pass(
        self, key: Key, obj: dict[str, Any], resource: MaraudersMap, between: Between, unsure: str
    ) -> timedelta:
        now = self._clock()
        references = _known_references(resource, between)
        one_pass = Pass(self._parts, key, obj, resource, between, references, now, unsure)
        between.quiet, between.routine = None, False
        decision = await one_pass.protect()
        self._to_converge[key] = one_pass
        between.failed_since, between.good_pass_at = False, self._clock()
        return min([RESYNC, *self._looks(one_pass, decision)])

    def _is_quiet(self, key: Key, now: datetime) -> bool:
        """Nothing that the watches show has changed since a pass that found nothing to do."""
        between = self._between.get(key)
        if between is None or between.quiet is None or now >= between.whole_pass_at:
            return False
        return between.quiet == self._all_known(fingerprint(self._store, key))

    def can_wait(self, key: Key) -> bool:
        """What is planned for it is routine: nothing is under way, failed or to be reported."""
        between = self._between.get(key)
        return between is not None and between.routine

    def _all_known(self, of_the_store: int) -> int:
        return hash((of_the_store, self._parts.served.kinds))

    def _looks(self, one_pass: Pass, decision: Decision) -> list[timedelta]:
        """When the next passes are due because something is under way, or not as wanted."""
        looks = []
        if (route := one_pass.route) is not None:
            looks.append(ROUTE_POLL if route.accepted and route.up_to_date else ROUTE_SOON)
        if decision.wake_after is not None:
            looks.append(decision.wake_after)
        if one_pass.left_undone:
            looks.append(UNDONE_RETRY)
        if not one_pass.in_sight:
            looks.append(UNSEEN_RETRY)
        if self._parts.definition.no_place_for:
            looks.append(AGAIN)
        return looks

    async def _settle_status(self, key: Key) -> str:
        """Why it is not known which status is stored; empty when it is.

        An answer was lost, or is still waited for: it may have been stored all the same. Read live, and before anything is
        decided: a watch may lag behind our own write.
        """
        between = self._between.get(key)
        if between is None:
            return ""
        if between.storing is not None:
            if not between.storing.done():
                return "the status is still being stored"
            between.storing = None
        if between.unannounced is None:
            return ""
        try:
            live = await in_time(self._cluster.get(MARAUDERSMAP, key.namespace, key.name))
        except ClusterError as error:
            return f"whether the last status is stored is not known: {error.message}"
        owed, between.unannounced = between.unannounced, None
        if live is None or live["metadata"]["uid"] != between.uid:
            return ""
        self._store.confirm(MARAUDERSMAP, live)
        stored = live.get("status") or {}
        if all(stored.get(part) == owed.sent.get(part) for part in ("rejected", "history", "stable")):
            between.to_announce += [(owed.resource, note) for note in owed.notes]
            self._metrics.observe(key, owed.before, read_status(stored)[0], owed.resource.most_pods)
        return ""

    async def _report_invalid(self, key: Key, obj: dict[str, Any], error: InvalidResource) -> None:
        now = self._clock()
        before, _ = read_status(obj.get("status") or {})
        generation = obj["metadata"].get("generation", 0)
        status = report_refusal(before, generation, Reason.INVALID_SPEC, str(error), now)
        writer = StatusWriter(self._cluster, self._store, key, obj, self._parts.definition, now)
        if await writer.store(status):
            logger().warning("invalid resource", error=str(error))
        self._metrics.observe(key, before, status)

    def _of(self, key: Key, uid: str) -> Between:
        known = self._between.get(key)
        if known is None or known.uid != uid:
            known = self._between[key] = Between(uid)
            self._to_converge.pop(key, None)
        return known

    async def _refusal(self, url: str, namespace: str) -> str:
        """Why a resource of that namespace may not have the Prometheus at the URL asked; empty when it may."""
        written = refusal(url, namespace, self._settings.prometheus_namespaces)
        return written or await service_refusal(self._cluster, url)

    # --- converge ---------------------------------------------------------------------------------------------------

    async def converge(self, key: Key) -> timedelta | None:
        """What follows a pass and may take its time. Returns when the next pass is due at the latest, zero for at once; None
        when nothing is to follow, or a newer pass does.

        Raises NotLeading when this process may not act.
        """
        between = self._between.get(key)
        if between is None:
            return None
        await self._announce(between)
        one_pass = self._to_converge.get(key)
        if one_pass is None and between.quiet is not None:
            return await self._look(key, between)
        if one_pass is None or one_pass.decision is None or not one_pass.is_newest:
            return None
        if await self._read_again(one_pass, between):
            return AT_ONCE
        try:
            await one_pass.converge()
        except Superseded:
            return None
        return self._next_pass(one_pass, one_pass.decision, between)

    async def _look(self, key: Key, between: Between) -> timedelta | None:
        """At what no watch shows of a quiet resource. When to look again; zero when something has changed."""
        now = self._clock()
        between.poll = poll_of(len(self._between))
        known = between.references
        if known is not None and between.looks_due(now):
            unchanged = await self._parts.looks.unchanged(known, key.namespace, now)
            if between.quiet is None:
                return None  # a pass has come in between
            if not unchanged:
                between.quiet, between.routine, between.references_at = None, False, None
                return AT_ONCE
            between.references_at = now
        return between.next_look(now)

    async def _read_again(self, one_pass: Pass, between: Between) -> bool:
        """What the spec refers to, if that is due; True when it is not what was decided on."""
        resource, now = one_pass.resource, self._clock()
        if without_references(resource.spec) or not between.references_due(wish_of(resource), now):
            return False
        read = await read_references(self._cluster, one_pass.owner, resource.spec)
        between.keep_references(read, wish_of(resource), now)
        if read == one_pass.references:
            return False
        between.quiet = None
        return True

    def _next_pass(self, one_pass: Pass, decision: Decision, between: Between) -> timedelta:
        now = self._clock()
        self._let_go(one_pass, between)
        between.converged_at = now
        if without_references(one_pass.resource.spec):
            between.references = between.references_at = None
        between.known.verified_but(one_pass.unverified, self._parts.budget, now)
        busy = self._looks(one_pass, decision)
        if (retry := between.fates.next_try(now)) is not None:
            busy.append(retry)
        if (between.fates.failed(), between.monitoring) != (one_pass.reported, one_pass.reported_monitoring):
            busy.append(between.hasten(now))  # to be reported
        calm = one_pass.resource.status.candidate is None and decision.status.candidate is None
        between.routine = calm and not busy
        between.quiet = self._all_known(one_pass.fingerprint) if between.routine else None
        return min([*busy, between.next_look(now)])

    def _let_go(self, one_pass: Pass, between: Between) -> None:
        """It has converged. A fleet's passes, with all that they have observed, would be most of what this process holds."""
        if self._to_converge.get(one_pass.key) is one_pass:
            del self._to_converge[one_pass.key]
        if one_pass.is_newest:
            between.newest = None

    async def _announce(self, between: Between) -> None:
        """Events of what is stored."""
        while between.to_announce:
            resource, note = between.to_announce.pop(0)
            try:
                async with asyncio.timeout(EVENT_SECONDS):
                    await announce(self._cluster, resource, note, self._clock())
            except TimeoutError:
                logger().warning("event not posted: no answer in time", reason=note.reason)


def wish_of(resource: MaraudersMap) -> int:
    """Changes with every change that a user makes to the resource: references are read again then."""
    return hash((resource.generation, tuple(sorted(resource.annotations.items()))))


def _known_references(resource: MaraudersMap, between: Between) -> References:
    """As they were read last; what they contain may start something new, and can wait until what runs is safe."""
    if without_references(resource.spec):
        return NOTHING_TO_READ
    if between.references is None or between.references_of != wish_of(resource):
        return NOT_READ_YET
    return between.references
