"""Converge: every child that should be there, each with its own fate, and nothing that the spec no longer wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from maraudersmap_operator import children
from maraudersmap_operator.children import Images, Owner
from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Manifest, NotLeading, Store
from maraudersmap_operator.cluster.kinds import HTTP_ROUTE, SERVICE
from maraudersmap_operator.resource import MaraudersMap
from maraudersmap_operator.rollout import Decision
from maraudersmap_operator.telemetry import logger

from .adopt import adopt_jobs
from .carry_out import Hands
from .database import heal_database, with_running_images
from .desired import foundation, routing, surroundings
from .ensure import Ensurer, Known
from .fates import Fate, Fates, State, state_of
from .generated import ensure_generated_secrets
from .leaning import redis_read
from .monitoring import Made, ensure_monitoring
from .prune import prune
from .references import References
from .served import Served
from .settings import Settings
from .unwanted import remove_unseen

# Of these parts Secrets are generated.
GENERATES = frozenset({"database", "cache", "jwtSecret"})


class Converger:
    """Brings the children of one resource to what its spec wants, in one pass. Raises NotLeading, and what `go_on` raises
    when a newer pass has decided."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        settings: Settings,
        ensurer: Ensurer,
        fates: Fates,
        known: Known,
        served: Served,
        owner: Owner,
        resource: MaraudersMap,
        go_on: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._settings = settings
        self._ensurer = ensurer
        self._fates = fates
        self._known = known
        self._served = served
        self._owner = owner
        self._resource = resource
        self._go_on = go_on
        self._key = Key(owner.namespace, owner.name)
        self.monitoring: Made | None = None  # once it has been asked about

    async def found(self, decision: Decision, references: References) -> bool:
        """What pods need before they start; True when the Secrets that they read are there."""
        spec = self._resource.spec
        unknown = self._resource.unknown
        redis = redis_read(self._store, self._owner, decision.status)
        secrets = bool(unknown & GENERATES) or await self._secrets(redis)
        images: Images = self._settings.images
        for manifest in foundation(
            self._owner, spec, images, references.config_maps, self._settings.own_namespace, redis, unknown
        ):
            await self._ensurer.ensure(with_running_images(self._store, self._key, manifest))
        if "database" not in unknown:
            await self._guarded(heal_database(self._cluster, self._store, self._owner, spec))
        return secrets

    async def surround(self, hands: Hands, decision: Decision, references: References) -> None:
        """Everything around the revisions, and the end of what is no longer wanted."""
        spec, status, unknown = self._resource.spec, decision.status, self._resource.unknown
        in_use = {r.revision for r in (status.stable, status.candidate) if r is not None}
        for revision in sorted(in_use & set(hands.deployed())):
            try:
                await self._ensurer.ensure(await hands.deployment(revision))
            except NotLeading:
                raise
            except ClusterError as error:
                name = children.names.deployment(self._owner.name, revision)
                self._fates.note(
                    Fate("Deployment", name, state_of(error), error.message), "record", hands.now
                )
        name = children.names.service(self._owner.name)
        there = self._store.find(self._key, SERVICE, name) is not None
        for manifest in (
            *routing(self._owner, spec, hands.serving, unknown if there else unknown - {"service"}),
            *surroundings(self._owner, spec, decision.autoscaled, decision.previewed, unknown),
        ):
            await self._ensurer.ensure(*_without_traffic(manifest, self._owner))
        await hands.lead_through_gateway()
        await self._guarded(adopt_jobs(self._cluster, self._store, self._owner))
        if unknown:
            return  # what is not in the spec as far as it is understood may be wanted all the same: nothing goes
        await self._remove_route()
        self.monitoring = await ensure_monitoring(
            self._cluster,
            self._store,
            self._ensurer,
            self._fates,
            self._known,
            self._owner,
            spec,
            self._served,
            self._settings.runbook_url,
        )
        await prune(
            self._cluster,
            self._store,
            self._owner,
            self._ensurer.wanted,
            status,
            spec.rollout.revision_history_limit,
            config_maps_known=references.complete,
            go_on=self._go_on,
        )

    async def _remove_route(self) -> None:
        """Of a spec that asks for none, or no longer does."""
        name = children.names.http_route(self._owner.name)
        if self._resource.spec.gateway is not None:
            self._known.absent.discard((HTTP_ROUTE.kind, name))
            return
        await remove_unseen(
            self._cluster,
            self._store,
            self._fates,
            self._known,
            self._owner,
            HTTP_ROUTE,
            name,
            self._ensurer.now,
        )

    async def _secrets(self, redis: Collection[str]) -> bool:
        try:
            fates = await ensure_generated_secrets(self._cluster, self._owner, self._resource.spec, redis)
        except NotLeading:
            raise
        except ClusterError as error:
            name = children.names.application_secret(self._owner.name)
            fates = [Fate("Secret", name, state_of(error), error.message)]
        for fate in fates:
            self._fates.note(fate, "generated", self._ensurer.now)
        return all(f.state is State.AS_WANTED for f in fates)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except NotLeading:
            raise
        except ClusterError as error:
            logger().info("tidying put off", error=error.message)


def _without_traffic(manifest: Manifest, owner: Owner) -> tuple[Manifest, Manifest | None]:
    """The manifest to compare with, and what only a new object gets: the selector of the users' Service is traffic, which
    moves by a write of its own."""
    if manifest["kind"] != "Service" or manifest["metadata"]["name"] != children.names.service(owner.name):
        return manifest, None
    spec = {k: v for k, v in manifest["spec"].items() if k != "selector"}
    return {**manifest, "spec": spec}, {"selector": manifest["spec"]["selector"]}
