"""One pass over one MaraudersMap, in three movements: protect, remember, converge.

*Protect*: from what the watches have shown, decide, and move traffic. Nothing that only convergence needs can delay it.
*Remember*: the status is stored whatever failed, before anything is taken away that a verdict rests on.
*Converge*: every other child by itself, each with its own fate.

A pass may be the first after a restart, or the thousandth over a quiet resource; the latter writes nothing. With a
deletionTimestamp nothing is written at all: owner references do the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.cluster.reach import refusal, service_refusal
from maraudersmap_operator.resource import InvalidResource, MaraudersMap, MaraudersMapStatus, parse
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.other_release import dump, read_status
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import PodEvidence
from maraudersmap_operator.rollout import (
    Action,
    Decision,
    Need,
    Note,
    Observed,
    RouteFacts,
    decide,
    report_refusal,
)
from maraudersmap_operator.telemetry import Metrics, logger

from .admission import ask_admission
from .analyst import Analyst, compared
from .announce import announce
from .between import Between, Unannounced
from .carry_out import Hands
from .condition import with_children
from .converge import Converger
from .definition import AGAIN, Definition
from .ensure import Budget, Ensurer
from .forward import is_forward
from .masking import Masks
from .memory import StatusWriter
from .nodes import Nodes
from .observe import Observation, observe
from .references import NOT_READ_YET, References, read_references, without_references
from .route import read_route
from .settings import Settings
from .sight import fingerprint, refresh_pods, settle_doubts
from .watched import unwatched

# Nothing watches routes.
ROUTE_POLL = timedelta(seconds=60)
ROUTE_SOON = timedelta(seconds=5)
# Everything is looked at again after this long, whatever the watches say.
RESYNC = timedelta(minutes=10)
# An object that no watch shows, or a child looked at only roughly, is looked at again after this long.
UNSEEN_RETRY = timedelta(seconds=5)
UNVERIFIED_RETRY = timedelta(seconds=30)
UNDONE_RETRY = timedelta(seconds=1)
NOTHING_TO_READ = References(Need(True, Reason.READY))


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
        self._nodes = Nodes(cluster)
        self._definition = Definition(cluster)
        self._settings = settings
        self._analyst = Analyst(may_ask=self._refusal)
        self._metrics = metrics
        self._clock = clock
        self._led_before = led_before
        self._budget = Budget()
        self._between: dict[Key, Between] = {}

    async def reconcile(self, key: Key) -> timedelta | None:
        """One pass. Returns when to look again at the latest; None when the resource is gone or going.

        Raises ClusterError when the status could not be stored or this process may not act: try again later.
        """
        await self._announce_late(key)
        obj = self._store.resource(key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._metrics.forget(key)
            self._analyst.forget(key)
            self._between.pop(key, None)
            return None
        between = self._of(key, obj["metadata"]["uid"])
        try:
            resource = parse(obj)
        except InvalidResource as error:
            await self._report_invalid(key, obj, error)
            return RESYNC
        try:
            delay = await self._pass(key, obj, resource, between)
        except ClusterError:
            between.failed_since = True
            raise
        between.failed_since, between.good_pass_at = False, self._clock()
        return delay

    async def _refusal(self, url: str, namespace: str) -> str:
        """Why a resource of that namespace may not have the Prometheus at the URL asked; empty when it may."""
        written = refusal(url, namespace, self._settings.prometheus_namespaces)
        return written or await service_refusal(self._cluster, url)

    def _of(self, key: Key, uid: str) -> Between:
        known = self._between.get(key)
        if known is None or known.uid != uid:
            known = self._between[key] = Between(uid)
        return known

    async def _pass(
        self, key: Key, obj: dict[str, Any], resource: MaraudersMap, between: Between
    ) -> timedelta:
        now = self._clock()
        spec, owner = resource.spec, Owner(resource.name, resource.namespace, resource.uid)
        if await self._is_quiet(key, resource, between, owner, now):
            return between.poll_after(now)
        await self._definition.look(now)
        in_sight = await settle_doubts(self._cluster, self._store, key)
        if resource.status.candidate is not None:
            await refresh_pods(self._cluster, self._store, key)
        references = NOTHING_TO_READ if without_references(spec) else between.references
        if references is None or between.references_of != _wish(resource):
            references = NOT_READ_YET if not without_references(spec) else NOTHING_TO_READ
        between.fates.begin()
        one_pass = _Pass(self, key, obj, resource, owner, between, now)
        decision = await one_pass.run(references)
        if not without_references(spec) and between.references_due(_wish(resource), now):
            # Read only now: what they say may start something new, and can wait until what runs is safe.
            read = await read_references(self._cluster, owner, spec)
            between.read(read, _wish(resource), now)
            if read != references:
                decision = await one_pass.run(read)
        await one_pass.converge(decision)
        between.fates.end()
        return self._next_look(between, resource, one_pass, decision, in_sight, now)

    async def _is_quiet(
        self, key: Key, resource: MaraudersMap, between: Between, owner: Owner, now: datetime
    ) -> bool:
        """Nothing has changed since a pass that found nothing to do, the references looked at included."""
        if between.quiet is None or between.quiet != fingerprint(self._store, key):
            return False
        if between.converged_at is None or between.references is None:
            return False
        if now >= between.converged_at + RESYNC or without_references(resource.spec):
            return False
        read = await read_references(self._cluster, owner, resource.spec)
        same = read == between.references
        between.read(read, _wish(resource), now)
        return same

    async def _announce_late(self, key: Key) -> None:
        """An answer was lost: the status may have been stored all the same, and what it says is still to be announced.

        Read live, and before anything is decided: a watch may lag behind our own write. Raises ClusterError.
        """
        between = self._between.get(key)
        if between is None or between.unannounced is None:
            return
        live = await self._cluster.get(MARAUDERSMAP, key.namespace, key.name)
        owed, between.unannounced = between.unannounced, None
        if live is None or live["metadata"]["uid"] != between.uid:
            return
        self._store.confirm(MARAUDERSMAP, live)
        stored = live.get("status") or {}
        if all(stored.get(part) == owed.sent.get(part) for part in ("rejected", "history", "stable")):
            for note in owed.notes:
                await announce(self._cluster, owed.resource, note, self._clock())
            self._metrics.observe(key, owed.before, read_status(stored)[0], _most(owed.resource))

    async def _report_invalid(self, key: Key, obj: dict[str, Any], error: InvalidResource) -> None:
        now = self._clock()
        before, _ = read_status(obj.get("status") or {})
        generation = obj["metadata"].get("generation", 0)
        status = report_refusal(before, generation, str(error), now, reason=Reason.INVALID_SPEC)
        writer = StatusWriter(self._cluster, self._store, key, obj, self._definition, now)
        if await writer.store(status):
            logger().warning("invalid resource", error=str(error))
        self._metrics.observe(key, before, status)

    def _next_look(
        self,
        between: Between,
        resource: MaraudersMap,
        one_pass: _Pass,
        decision: Decision,
        in_sight: bool,
        now: datetime,
    ) -> timedelta:
        looks = [RESYNC]
        if not without_references(resource.spec):
            looks.append(between.poll_after(now))
        if (route := one_pass.route) is not None:
            looks.append(ROUTE_POLL if route.accepted and route.up_to_date else ROUTE_SOON)
        if decision.wake_after is not None:
            looks.append(decision.wake_after)
        if one_pass.left_undone:
            looks.append(UNDONE_RETRY)
        if not in_sight:
            looks.append(UNSEEN_RETRY)
        if one_pass.unverified:
            looks.append(UNVERIFIED_RETRY)
        if (retry := between.fates.next_try(now)) is not None:
            looks.append(retry)
        if self._definition.no_place_for:
            looks.append(AGAIN)
        calm = resource.status.candidate is None and decision.status.candidate is None
        between.quiet = fingerprint(self._store, one_pass.key) if calm and len(looks) <= 2 else None
        between.converged_at = now
        return min(looks)

    # What a pass needs of its reconciler.

    @property
    def parts(self) -> tuple[Cluster, Store, Settings, Metrics, Nodes, Analyst, Budget]:
        return (
            self._cluster, self._store, self._settings, self._metrics, self._nodes, self._analyst, self._budget,
        )  # fmt: skip

    @property
    def led_before(self) -> datetime | None:
        return self._led_before

    @property
    def definition(self) -> Definition:
        return self._definition


class _Pass:
    """One pass over one resource. `run` protects and remembers; it may run twice, the second time knowing more."""

    def __init__(
        self,
        reconciler: Reconciler,
        key: Key,
        obj: dict[str, Any],
        resource: MaraudersMap,
        owner: Owner,
        between: Between,
        now: datetime,
    ) -> None:
        (
            self._cluster, self._store, self._settings, self._metrics, self._nodes, self._analyst, budget,
        ) = reconciler.parts  # fmt: skip
        self.key = key
        self._resource = resource
        self._owner = owner
        self._between = between
        self._now = now
        self._definition = reconciler.definition
        self._writer = StatusWriter(self._cluster, self._store, key, obj, self._definition, now)
        self._began_with = resource.status
        self._unwatched = unwatched(
            obj, between.good_pass_at, between.failed_since, reconciler.led_before, now
        )
        self._references = NOTHING_TO_READ
        self._masks = Masks(self._cluster, key.namespace)
        self.route: RouteFacts | None = None
        self._hands: Hands | None = None
        self._forward: list[Action] = []
        self._announced: list[Note] = []
        self.left_undone = False
        self._ensurer = Ensurer(
            self._cluster,
            self._store,
            owner,
            between.fates,
            between.known,
            budget,
            now,
            self._metrics.drift_corrected,
            self._may_reroll,
        )
        self._converger = Converger(
            self._cluster, self._store, self._settings, self._ensurer, between.fates, owner, resource
        )

    @property
    def unverified(self) -> bool:
        return self._ensurer.unverified

    async def run(self, references: References) -> Decision:
        """Protect and remember. Raises ClusterError when nothing could be remembered."""
        self._references = references
        observation = await self._observe(references)
        decision = decide(self._resource, observation.observed, self._now)
        decision = replace(
            decision,
            status=decision.status.model_copy(update=self._addresses()),
            withheld=decision.withheld.model_copy(update=self._addresses()),
        )
        self._between.ask_admission = decision.ask_admission
        hands = self._hands = Hands(
            self._cluster,
            self._store,
            self._ensurer,
            self._between.fates,
            self._owner,
            self._resource.spec,
            observation,
            lambda: self._store_now(hands, decision),
            decision.status,
            self._now,
            self._metrics.drift_corrected,
            self._masks,
        )
        self._forward = [a for a in decision.actions if is_forward(a, decision, observation.observed)]
        for action in decision.actions:
            if action not in self._forward:
                await hands.do(action)
        await hands.hold_selector()
        await self._remember(decision)
        return decision

    async def converge(self, decision: Decision) -> None:
        """Everything else, and the last word of the status about it."""
        assert self._hands is not None
        ready = await self._converger.found(self._references)
        for action in self._forward:
            if ready:
                await self._hands.do(action)
        self.left_undone = self._hands.left_undone or (bool(self._forward) and not ready)
        await self._converger.surround(self._hands, decision, self._references)
        await self._remember(decision)

    async def _observe(self, references: References) -> Observation:
        spec = self._resource.spec
        self.route = await read_route(self._cluster, self._store, self._owner, spec)
        observation = await observe(
            self._cluster,
            self._store,
            self._nodes,
            self.key,
            self._resource,
            self._owner,
            references,
            self.route,
            self._masks,
            (
                (Reason.UNKNOWN_FIELD, self._resource.not_understood)
                if self._resource.not_understood
                else None
            ),
        )
        reason, unremembered = self._unremembered()
        observed = replace(
            observation.observed,
            unwatched=self._unwatched,
            unremembered=unremembered,
            unremembered_reason=reason,
        )
        self._unwatched = timedelta(0)  # credited once
        observed = await compared(self._analyst, self._store, self.key, self._resource, observed, self._now)
        if self._between.ask_admission:
            observed = await self._with_admission(observed)
        return replace(observation, observed=observed)

    def _unremembered(self) -> tuple[Reason, str]:
        """Why what a rollout learns would be forgotten, as reason and sentence; an empty one when it would not."""
        if unread := self._resource.unread:
            return Reason.STATUS_NEWER, (
                f"{', '.join(unread)}: written by a newer operator, and this one cannot read it. It is kept, what runs is "
                "protected and gone back to, and no rollout starts or goes on until the operator is of that release again"
            )
        return Reason.DEFINITION_OLDER, self._definition.sentence()

    async def _with_admission(self, observed: Observed) -> Observed:
        status = self._resource.status
        if status.candidate is None or status.stable is None:
            return observed
        answer = await ask_admission(
            self._cluster, self._store, self._owner, status.candidate.revision, status.stable.revision
        )
        return replace(observed, admission=answer)

    def _may_reroll(self, deployment: str) -> bool:
        """Putting a template right exchanges pods: not those of the stable revision while a rollout is measured by them."""
        status = self._resource.status
        if status.candidate is None or status.stable is None:
            return True
        return deployment != children.names.deployment(self._owner.name, status.stable.revision)

    def _addresses(self) -> dict[str, str]:
        labels = self._owner.selector(Component.API)
        return {
            "url": children.url(self._owner, self._resource.spec),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        }

    async def _store_now(self, hands: Hands, decision: Decision) -> None:
        status = with_evidence(self._status_of(decision, hands), hands.evidence)
        await self._write(status, () if hands.traffic_failed else decision.notes)

    async def _remember(self, decision: Decision) -> None:
        """Status first, then Events, then metrics: nothing is announced that is not stored."""
        assert self._hands is not None
        status = with_evidence(self._status_of(decision, self._hands), self._hands.evidence)
        notes = () if self._hands.traffic_failed else decision.notes
        await self._write(status, notes)
        for note in notes:
            if note not in self._announced:
                self._announced.append(note)
                await announce(self._cluster, self._resource, note, self._now)
        self._metrics.observe(self.key, self._began_with, status, _most(self._resource))
        self._began_with = status
        self._resource = self._resource.model_copy(update={"status": status})

    def _status_of(self, decision: Decision, hands: Hands) -> MaraudersMapStatus:
        """Where traffic could not be moved, only what was learned counts, not what was meant to follow."""
        status = decision.withheld if hands.traffic_failed else decision.status
        return with_children(
            status,
            self._began_with,
            self._between.fates.failed(),
            self._resource.ignored,
            self._definition.sentence(),
            self._now,
        )

    async def _write(self, status: MaraudersMapStatus, notes: tuple[Note, ...]) -> None:
        """`notes`: what is to be announced once it is stored."""
        try:
            await self._writer.store(status)
        except ClusterError:
            owed = tuple(n for n in notes if n not in self._announced)
            self._between.unannounced = Unannounced(self._resource, self._began_with, dump(status), owed)
            raise


def _most(resource: MaraudersMap) -> int | None:
    """The most pods that its autoscaler may ask for; None without one."""
    scaling = resource.spec.autoscaling
    return scaling.max_replicas if scaling.enabled else None


def _wish(resource: MaraudersMap) -> int:
    """Changes with every change that a user makes to the resource: references are read again then."""
    return hash((resource.generation, tuple(sorted(resource.annotations.items()))))


def with_evidence(status: MaraudersMapStatus, evidence: dict[str, PodEvidence | None]) -> MaraudersMapStatus:
    """The ledger with what was saved of each revision's pods."""
    if not evidence:
        return status
    rejected = tuple(
        r.model_copy(update={"evidence": evidence[r.revision]}) if evidence.get(r.revision) else r
        for r in status.rejected
    )
    return status.model_copy(update={"rejected": rejected})
