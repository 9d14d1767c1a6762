"""The hands: one write, or a few, for each action of a decision. All idempotent; the first failure ends the pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, assert_never

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Key, Manifest, Store
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, JOB
from maraudersmap_operator.resource import MaraudersMapSpec, MaraudersMapStatus
from maraudersmap_operator.resource.status import Evidence
from maraudersmap_operator.resource.status_model import rfc3339
from maraudersmap_operator.rollout import (
    Action,
    Deploy,
    KeepEvidence,
    MarkMigrated,
    Migrate,
    Record,
    Retire,
    RouteTo,
    ScaleTo,
    StoreStatus,
    Weigh,
)

from .desired import routing
from .ensure import Ensurer
from .evidence import gather
from .observe import ANNOTATION_MIGRATED, Observation, revision_of
from .route import NOT_SERVED


class Hands:
    """Carries out the actions of one pass over one resource."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        ensurer: Ensurer,
        owner: Owner,
        spec: MaraudersMapSpec,
        observation: Observation,
        store_status: Callable[[], Awaitable[None]],
        status: MaraudersMapStatus,
        now: datetime,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._ensurer = ensurer
        self._owner = owner
        self._spec = spec
        self._observation = observation
        self._store_status = store_status
        self._status = status
        self._now = now
        self._key = Key(owner.namespace, owner.name)
        self.serving = observation.observed.serving
        self.weight = observation.observed.route.weight if observation.observed.route else 0
        self.evidence: dict[str, Evidence | None] = {}

    async def do(self, action: Action) -> None:
        match action:
            case Record(revision=revision):
                await self._record(revision)
            case Migrate(revision=revision, attempt=attempt):
                template = self._template(revision)
                await self._ensurer.ensure(children.job(self._owner, self._spec, revision, attempt, template))
            case MarkMigrated(revision=revision):
                name = children.names.controller_revision(self._owner.name, revision)
                patch = {"metadata": {"annotations": {ANNOTATION_MIGRATED: rfc3339(self._now)}}}
                patched = await self._cluster.merge(CONTROLLER_REVISION, self._owner.namespace, name, patch)
                self._store.put(CONTROLLER_REVISION, patched)
            case Deploy(revision=revision):
                await self.deploy(revision)
            case ScaleTo(revision=revision, replicas=replicas):
                name = children.names.deployment(self._owner.name, revision)
                await self._cluster.scale(DEPLOYMENT, self._owner.namespace, name, replicas)
            case RouteTo(revision=revision):
                self.serving = revision
                for manifest in routing(self._owner, self._spec, revision):
                    await self._ensurer.ensure(manifest)
            case Weigh(percent=percent):
                self.weight = percent
                await self.lead_through_gateway()
            case KeepEvidence(revision=revision):
                self.evidence[revision] = await gather(self._cluster, self._store, self._key, revision)
            case StoreStatus():
                await self._store_status()
            case Retire(revision=revision):
                await self._retire(revision)
            case unreachable:
                assert_never(unreachable)

    async def deploy(self, revision: str) -> None:
        """Write the revision's Deployment as its ControllerRevision has it; also how drift in one is repaired."""
        await self._ensurer.ensure(
            children.deployment(
                self._owner,
                revision,
                self._template(revision),
                restart=self._status.tokens.restart,
                secrets=self._status.secrets.restarted_for,
            )
        )

    async def lead_through_gateway(self) -> None:
        """Write the route, where the spec asks for one and the cluster knows the kind."""
        route = children.http_route(self._owner, self._spec, self.weight)
        if route is not None and self._observation.observed.route != NOT_SERVED:
            await self._ensurer.ensure(route)

    async def _record(self, revision: str) -> None:
        if self._find_record(revision) is not None:
            return
        numbers = [r.number for r in self._observation.observed.recorded.values()]
        template = children.pod_template(
            self._owner, self._spec, revision, self._observation.config_map_copies
        )
        record = children.controller_revision(
            self._owner,
            revision,
            max(numbers, default=0) + 1,
            template,
            self._spec.image,
            inputs=self._observation.inputs,
        )
        await self._ensurer.ensure(record)

    def _template(self, revision: str) -> dict[str, Any]:
        record = self._find_record(revision)
        if record is None:
            raise LookupError(f"no ControllerRevision of revision {revision}: it cannot be rebuilt")
        template: dict[str, Any] = record["data"]["template"]
        return template

    def _find_record(self, revision: str) -> Manifest | None:
        name = children.names.controller_revision(self._owner.name, revision)
        return self._store.find(self._key, CONTROLLER_REVISION, name)

    async def _retire(self, revision: str) -> None:
        """Its Deployment, and migrations that still run for it. Those that ended stay to be read."""
        for deployment in self._store.children(self._key, DEPLOYMENT):
            if revision_of(deployment) == revision and "deletionTimestamp" not in deployment["metadata"]:
                await self._delete(DEPLOYMENT, deployment)
        for job in self._store.children(self._key, JOB):
            ended = (job.get("status") or {}).get("completionTime") or _failed(job)
            if revision_of(job) == revision and not ended:
                await self._delete(JOB, job)

    async def _delete(self, kind: Any, obj: Manifest) -> None:
        meta = obj["metadata"]
        await self._cluster.delete(kind, meta["namespace"], meta["name"], meta["uid"])
        # The next pass must not take it for alive because no watch has told yet.
        self._store.remove(meta["uid"])


def _failed(job: Manifest) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Failed" and c["status"] == "True" for c in conditions)
