"""One pass over one MaraudersMap: collect -> decide -> apply -> report.

A pass may be the first after a restart, or the thousandth over a quiet resource; the latter writes nothing. With a
deletionTimestamp nothing is written at all: owner references do the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.analysis import wait
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Key, Refused, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, POD
from maraudersmap_operator.cluster.store import version
from maraudersmap_operator.resource import InvalidResource, MaraudersMap, MaraudersMapStatus, parse
from maraudersmap_operator.resource.names import LABEL_INSTANCE, LABEL_MANAGED_BY, MANAGER, Component
from maraudersmap_operator.resource.status import Evidence, Phase
from maraudersmap_operator.rollout import Decision, RouteFacts, decide, report_refusal
from maraudersmap_operator.telemetry import Metrics, logger

from .analyst import Analyst, sides_of
from .announce import announce
from .carry_out import Hands
from .desired import foundation, routing, surroundings
from .ensure import Ensurer, OwnedByAnother, StillLeaving
from .nodes import Nodes
from .observe import Observation, observe
from .prune import prune
from .references import References, ensure_generated_secrets, read_references
from .route import read_route, remove_route
from .settings import Settings

# A missing Secret or ConfigMap is looked for again after this long, less and less often: no watch tells of it.
MISSING_FIRST = timedelta(seconds=5)
MISSING_MOST = timedelta(seconds=60)
# A changed Secret neither: there is no watch on Secrets, so that the operator's rights end at reading named ones.
SECRETS_POLL = timedelta(seconds=60)
# Nor on routes.
ROUTE_POLL = timedelta(seconds=60)
# Everything is looked at again after this long, whatever the watches say.
RESYNC = timedelta(minutes=10)
LEAVING_RETRY = timedelta(seconds=1)
REFUSED_RETRY = timedelta(seconds=15)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._nodes = Nodes(cluster)
        self._analyst = Analyst()
        self._settings = settings
        self._metrics = metrics
        self._clock = clock

    async def reconcile(self, key: Key) -> timedelta | None:
        """One pass. Returns when to look again at the latest; None when the resource is gone or going.

        Raises ClusterError when the API server could not be asked or would not answer: try again later.
        """
        obj = self._store.resource(key)
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            self._metrics.forget(key)
            self._analyst.forget(key)
            return None
        try:
            resource = parse(obj)
        except InvalidResource as error:
            await self._report_invalid(key, obj, error)
            return RESYNC
        return await self._pass(key, resource)

    async def _pass(self, key: Key, resource: MaraudersMap) -> timedelta:
        now = self._clock()
        spec, owner = resource.spec, Owner(resource.name, resource.namespace, resource.uid)
        ensurer = Ensurer(self._cluster, self._store, owner, self._metrics.drift_corrected)
        references = await read_references(self._cluster, owner, spec)
        if resource.status.candidate is not None:
            await self._refresh_pods(key)
        route = await read_route(self._cluster, self._store, owner, spec)
        observation = await observe(
            self._cluster, self._store, self._nodes, key, resource, owner, references, route
        )
        observation = await self._compare(key, resource, observation, now)
        try:
            await ensure_generated_secrets(self._cluster, owner, spec)
            settings, copied = self._settings, references.config_maps
            for manifest in foundation(owner, spec, settings.images, copied, settings.own_namespace):
                await ensurer.ensure(manifest)
            decision = await self._act(key, resource, owner, ensurer, observation, now)
        except StillLeaving as error:
            logger().info("waiting for an earlier child to go", detail=str(error))
            return LEAVING_RETRY
        except OwnedByAnother as error:
            observed = replace(observation.observed, conflict=str(error))
            decision = decide(resource, observed, now)
            await self._report(key, resource, decision, now)
            return REFUSED_RETRY
        except Refused as error:
            status = report_refusal(resource.status, resource.generation, error.message, now)
            await self._report(key, resource, Decision(status, status), now)
            return REFUSED_RETRY
        await self._report(key, resource, decision, now)
        return self._next_look(references, route, resource, decision, now)

    async def _compare(
        self, key: Key, resource: MaraudersMap, observation: Observation, now: datetime
    ) -> Observation:
        """Ask the pods of both revisions what they have answered, when it is time for that."""
        candidate, stable = resource.status.candidate, resource.status.stable
        policy = resource.spec.rollout.analysis
        if candidate is None:
            self._analyst.forget(key)
            return observation
        if stable is None or candidate.analysis is None or candidate.doomed or not policy.enabled:
            return observation
        if wait(candidate.analysis, policy, now):
            return observation
        sides = sides_of(self._store, key, stable.revision, candidate.revision, observation.observed)
        comparison = await self._analyst.look(key, candidate.analysis, sides, policy, now)
        return replace(observation, observed=replace(observation.observed, comparison=comparison))

    async def _act(
        self,
        key: Key,
        resource: MaraudersMap,
        owner: Owner,
        ensurer: Ensurer,
        observation: Observation,
        now: datetime,
    ) -> Decision:
        spec = resource.spec
        decision = decide(resource, observation.observed, now)
        status = decision.status.model_copy(update=self._addresses(owner, resource))
        decision = replace(decision, status=status)

        async def store_status() -> None:
            nonlocal decision
            decision = replace(decision, status=with_evidence(decision.status, hands.evidence))
            await self._store_status(key, resource, decision.status)

        hands = Hands(
            self._cluster,
            self._store,
            ensurer,
            owner,
            spec,
            observation,
            store_status,
            status,
            now,
        )
        for action in decision.actions:
            logger().debug("acting", action=str(action))
            await hands.do(action)
        # Drift in what is already there; what the engine has just made is as wanted.
        in_use = {
            r
            for r in (
                status.stable and status.stable.revision,
                status.candidate and status.candidate.revision,
            )
            if r
        }
        for revision in sorted(in_use & set(observation.observed.revisions)):
            await hands.deploy(revision)
        for manifest in (
            *routing(owner, spec, hands.serving),
            *surroundings(owner, spec, decision.autoscaled, decision.previewed),
        ):
            await ensurer.ensure(manifest)
        await hands.lead_through_gateway()
        if spec.gateway is None and resource.status.observed_generation != resource.generation:
            await remove_route(self._cluster, self._store, owner)
        if status.candidate is None and status.phase in (Phase.READY, Phase.SUSPENDED):
            limit = spec.rollout.revision_history_limit
            await prune(self._cluster, self._store, owner, ensurer.wanted, status, limit)
        return decision

    def _addresses(self, owner: Owner, resource: MaraudersMap) -> dict[str, str]:
        labels = owner.selector(Component.API)
        return {
            "url": children.url(owner, resource.spec),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        }

    async def _refresh_pods(self, key: Key) -> None:
        """While a rollout is on, the verdict rests on pods: read them, whatever the watch has brought so far."""
        selector = f"{LABEL_MANAGED_BY}={MANAGER},{LABEL_INSTANCE}={key.name}"
        listing = await self._cluster.list(POD, key.namespace, selector)
        for pod in listing.items:
            self._store.put(POD, pod)
        present = {p["metadata"]["uid"] for p in listing.items}
        for pod in self._store.children(key, POD):
            # Newer than the LIST: created while it ran.
            if pod["metadata"]["uid"] not in present and version(pod) <= listing.resource_version:
                self._store.remove(pod["metadata"]["uid"])

    async def _report(self, key: Key, resource: MaraudersMap, decision: Decision, now: datetime) -> None:
        """Status first, then Events, then metrics: nothing is told that is not stored."""
        await self._store_status(key, resource, decision.status)
        for note in decision.notes:
            await announce(self._cluster, resource, note, now)
        self._metrics.observe(key, resource.status, decision.status)

    async def _store_status(self, key: Key, resource: MaraudersMap, status: MaraudersMapStatus) -> None:
        stored = self._store.resource(key)
        wanted = _dump(status)
        if stored is not None and _dump(parse(stored).status) == wanted:
            return
        written = await self._cluster.apply_status(key.namespace, key.name, resource.uid, wanted)
        self._store.put(MARAUDERSMAP, written)

    async def _report_invalid(self, key: Key, obj: dict[str, Any], error: InvalidResource) -> None:
        meta = obj["metadata"]
        now = self._clock()
        before = MaraudersMapStatus.model_validate(obj.get("status") or {})
        status = report_refusal(before, meta.get("generation", 0), str(error), now, reason="InvalidSpec")
        wanted = _dump(status)
        if wanted == _dump(before):
            return
        written = await self._cluster.apply_status(key.namespace, key.name, meta["uid"], wanted)
        self._store.put(MARAUDERSMAP, written)
        logger().warning("invalid resource", error=str(error))

    def _next_look(
        self,
        references: References,
        route: RouteFacts | None,
        resource: MaraudersMap,
        decision: Decision,
        now: datetime,
    ) -> timedelta:
        looks = [SECRETS_POLL if references.secrets else RESYNC]
        if route is not None:
            looks.append(ROUTE_POLL if route.accepted and route.obeyed else MISSING_FIRST)
        if decision.wake_after is not None:
            looks.append(decision.wake_after)
        if not references.need.ready:
            since = next(
                (c.last_transition_time for c in decision.status.conditions if c.type == "Ready"), now
            )
            looks.append(min(max(MISSING_FIRST, (now - since) / 4), MISSING_MOST))
        return min(looks)


def with_evidence(status: MaraudersMapStatus, evidence: dict[str, Evidence | None]) -> MaraudersMapStatus:
    """The ledger with what was saved of each revision's pods."""
    if not evidence:
        return status
    rejected = tuple(
        r.model_copy(update={"evidence": evidence[r.revision]}) if evidence.get(r.revision) else r
        for r in status.rejected
    )
    return status.model_copy(update={"rejected": rejected})


def _dump(status: MaraudersMapStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
