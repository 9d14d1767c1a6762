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

from .context.parts import Parts
from .context.remembered import RESYNC, Remembered, poll_of
from .context.settings import Settings
from .context.verification import Budget
from .one_pass import Pass, Superseded
from .reading.comparison import Analyst
from .reading.definition import AGAIN, Definition
from .reading.live_reads import fingerprint, in_time
from .reading.nodes import Nodes
from .reading.reference_versions import ReferenceVersions
from .reading.references import NOT_READ_YET, References, read_references, without_references
from .reading.served import Served
from .reading.unwatched_time import LastPass
from .status.events import announce
from .status.status_writer import StatusWriter

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
            ReferenceVersions(cluster),
            Served(cluster),
            led_before,
        )
        self._remembered: dict[Key, Remembered] = {}
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
        self._follow_clock(key)
        if not unsure and self._is_quiet(key, self._clock()):
            self._note_look(self._remembered[key], RESYNC)
            return None  # `converge` looks at what no watch shows, and plans the next look
        obj = self._store.resource(key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._metrics.forget(key)
            self._parts.analyst.forget(key)
            self._remembered.pop(key, None)
            self._to_converge.pop(key, None)
            return None
        remembered = self._of(key, obj["metadata"]["uid"])
        try:
            resource = parse(obj)
        except InvalidResource as error:
            remembered.newest = None
            self._to_converge.pop(key, None)
            await self._report_invalid(key, obj, error)
            return RESYNC
        try:
            return await self._pass(key, obj, resource, remembered, unsure)
        except ClusterError:
            remembered.failed_since = True
            raise

    async def _pass(
        self, key: Key, obj: dict[str, Any], resource: MaraudersMap, remembered: Remembered, unsure: str
    ) -> timedelta:
        now = self._clock()
        references = _known_references(resource, remembered)
        one_pass = Pass(self._parts, key, obj, resource, remembered, references, now, unsure)
        remembered.quiet, remembered.routine = None, False
        decision = await one_pass.protect()
        self._to_converge[key] = one_pass
        delay = min([RESYNC, *self._looks(one_pass, decision)])
        self._note_look(remembered, delay)
        return delay

    def _note_look(self, remembered: Remembered, delay: timedelta) -> None:
        """A good pass is over; the next one follows after the delay at the latest."""
        remembered.failed_since = False
        remembered.last = LastPass(self._clock(), asyncio.get_running_loop().time(), delay)

    def _follow_clock(self, key: Key) -> None:
        remembered = self._remembered.get(key)
        if remembered is not None and remembered.last is not None and remembered.last.is_ahead(self._clock()):
            remembered.forget_times()

    def _is_quiet(self, key: Key, now: datetime) -> bool:
        """Nothing that the watches show has changed since a pass that found nothing to do."""
        remembered = self._remembered.get(key)
        if remembered is None or remembered.quiet is None or now >= remembered.whole_pass_at:
            return False
        return remembered.quiet == self._all_known(fingerprint(self._store, key))

    def can_wait(self, key: Key) -> bool:
        """What is planned for it is routine: nothing is under way, failed or to be reported."""
        remembered = self._remembered.get(key)
        return remembered is not None and remembered.routine

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
        remembered = self._remembered.get(key)
        if remembered is None:
            return ""
        if remembered.storing is not None:
            if not remembered.storing.done():
                return "the status is still being stored"
            remembered.storing = None
        if remembered.unannounced is None:
            return ""
        try:
            live = await in_time(self._cluster.get(MARAUDERSMAP, key.namespace, key.name))
        except ClusterError as error:
            return f"whether the last status is stored is not known: {error.message}"
        owed, remembered.unannounced = remembered.unannounced, None
        if live is None or live["metadata"]["uid"] != remembered.uid:
            return ""
        self._store.confirm(MARAUDERSMAP, live)
        stored = live.get("status") or {}
        if all(stored.get(part) == owed.sent.get(part) for part in ("rejected", "history", "stable")):
            remembered.to_announce += [(owed.resource, note) for note in owed.notes]
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

    def _of(self, key: Key, uid: str) -> Remembered:
        known = self._remembered.get(key)
        if known is None or known.uid != uid:
            known = self._remembered[key] = Remembered(uid)
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
        remembered = self._remembered.get(key)
        if remembered is None:
            return None
        await self._announce(remembered)
        one_pass = self._to_converge.get(key)
        if one_pass is None and remembered.quiet is not None:
            return await self._look(key, remembered)
        if one_pass is None or one_pass.decision is None or not one_pass.is_newest:
            return None
        if await self._read_again(one_pass, remembered):
            return AT_ONCE
        try:
            await one_pass.converge()
        except Superseded:
            return None
        return self._next_pass(one_pass, one_pass.decision, remembered)

    async def _look(self, key: Key, remembered: Remembered) -> timedelta | None:
        """At what no watch shows of a quiet resource. When to look again; zero when something has changed."""
        now = self._clock()
        remembered.poll = poll_of(len(self._remembered))
        known = remembered.references
        if known is not None and remembered.looks_due(now):
            unchanged = await self._parts.looks.unchanged(known, key.namespace, now)
            if remembered.quiet is None:
                return None  # a pass has come in between
            if not unchanged:
                remembered.quiet, remembered.routine, remembered.references_at = None, False, None
                return AT_ONCE
            remembered.references_at = now
        return remembered.next_look(now)

    async def _read_again(self, one_pass: Pass, remembered: Remembered) -> bool:
        """What the spec refers to, if that is due; True when it is not what was decided on."""
        resource, now = one_pass.resource, self._clock()
        if without_references(resource.spec) or not remembered.references_due(wish_of(resource), now):
            return False
        read = await read_references(self._cluster, one_pass.owner, resource.spec)
        remembered.keep_references(read, wish_of(resource), now)
        if read == one_pass.references:
            return False
        remembered.quiet = None
        return True

    def _next_pass(self, one_pass: Pass, decision: Decision, remembered: Remembered) -> timedelta:
        now = self._clock()
        self._let_go(one_pass, remembered)
        remembered.converged_at = now
        if without_references(one_pass.resource.spec):
            remembered.references = remembered.references_at = None
        remembered.known.verified_but(one_pass.unverified, self._parts.budget, now)
        busy = self._looks(one_pass, decision)
        if (retry := remembered.fates.next_try(now)) is not None:
            busy.append(retry)
        if (remembered.fates.failed(), remembered.monitoring) != (
            one_pass.reported,
            one_pass.reported_monitoring,
        ):
            busy.append(remembered.hasten(now))  # to be reported
        calm = one_pass.resource.status.candidate is None and decision.status.candidate is None
        remembered.routine = calm and not busy
        remembered.quiet = self._all_known(one_pass.fingerprint) if remembered.routine else None
        return min([*busy, remembered.next_look(now)])

    def _let_go(self, one_pass: Pass, remembered: Remembered) -> None:
        """It has converged. A fleet's passes, with all that they have observed, would be most of what this process holds."""
        if self._to_converge.get(one_pass.key) is one_pass:
            del self._to_converge[one_pass.key]
        if one_pass.is_newest:
            remembered.newest = None

    async def _announce(self, remembered: Remembered) -> None:
        """Events of what is stored."""
        while remembered.to_announce:
            resource, note = remembered.to_announce.pop(0)
            try:
                async with asyncio.timeout(EVENT_SECONDS):
                    await announce(self._cluster, resource, note, self._clock())
            except TimeoutError:
                logger().warning("event not posted: no answer in time", reason=note.reason)


def wish_of(resource: MaraudersMap) -> int:
    """Changes with every change that a user makes to the resource: references are read again then."""
    return hash((resource.generation, tuple(sorted(resource.annotations.items()))))


def _known_references(resource: MaraudersMap, remembered: Remembered) -> References:
    """As they were read last; what they contain may start something new, and can wait until what runs is safe."""
    if without_references(resource.spec):
        return NOTHING_TO_READ
    if remembered.references is None or remembered.references_of != wish_of(resource):
        return NOT_READ_YET
    return remembered.references
