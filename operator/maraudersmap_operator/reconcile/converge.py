"""Converge: every child that should be there, each with its own fate, and nothing that the spec no longer wants."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import ClusterError, Manifest, NotLeading
from maraudersmap_operator.cluster.kinds import HTTP_ROUTE, SERVICE
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.rollout import Decision, Note, NoteType
from maraudersmap_operator.telemetry import logger

from .actions.executor import ActionExecutor
from .actions.lost_data import migrate_again
from .apply.adopt import adopt_jobs, adopt_records
from .apply.child_writer import ChildWriter
from .apply.copies import report_lost_copies
from .apply.desired import foundation, routing, surroundings
from .apply.generated import Generated, ensure_generated_secrets
from .apply.monitoring import ensure_monitoring
from .apply.prune import prune
from .apply.unwanted import remove_unseen
from .collect.database import heal_database, with_running_images
from .context.remembered import Made
from .context.subject import Subject
from .reading.references import References
from .reading.template_references import redis_read
from .status.fates import Fate, State, state_of

# Of these parts Secrets are generated.
GENERATES = frozenset({"database", "cache", "jwtSecret"})


class Converger:
    """Brings the children of one resource to what its spec wants, in one pass. Raises NotLeading, and what `go_on` raises
    when a newer pass has decided."""

    def __init__(self, subject: Subject, child_writer: ChildWriter) -> None:
        self._subject = subject
        self._child_writer = child_writer
        self._cluster, self._store, self._fates = subject.cluster, subject.store, subject.fates
        self._owner, self._spec = subject.owner, subject.spec

    async def found(self, decision: Decision, references: References) -> bool:
        """What pods need before they start; True when the Secrets that they read are there."""
        unknown, settings = self._subject.resource.unknown, self._subject.parts.settings
        redis = redis_read(self._store, self._owner, decision.status)
        self._subject.remembered.undecided = False
        secrets = bool(unknown & GENERATES) or await self._secrets(redis, decision.status.secrets.digests)
        for manifest in foundation(
            self._owner,
            self._spec,
            settings.images,
            references.config_maps,
            settings.own_namespace,
            redis,
            unknown,
        ):
            await self._child_writer.ensure(with_running_images(self._store, self._subject.key, manifest))
        if "database" not in unknown:
            await self._guarded(heal_database(self._subject))
        return secrets

    async def surround(
        self, executor: ActionExecutor, decision: Decision, references: References
    ) -> Made | None:
        """Everything around the revisions, and the end of what is no longer wanted. What is left of monitoring; None when it
        was not asked about."""
        spec, status, unknown = self._spec, decision.status, self._subject.resource.unknown
        in_use = {r.revision for r in (status.stable, status.candidate) if r is not None}
        for revision in sorted(in_use & executor.deployed()):
            try:
                await self._child_writer.ensure(await executor.deployment(revision))
            except NotLeading:
                raise
            except ClusterError as error:
                name = children.names.deployment(self._owner.name, revision)
                self._fates.note(
                    Fate("Deployment", name, state_of(error), error.message), "record", self._subject.now
                )
        executor.settle_size()
        name = children.names.service(self._owner.name)
        there = self._store.find(self._subject.key, SERVICE, name) is not None
        for manifest in (
            *routing(self._owner, spec, executor.serving, unknown if there else unknown - {"service"}),
            *surroundings(self._owner, spec, decision.autoscaled, decision.previewed, unknown),
        ):
            await self._child_writer.ensure(*_without_traffic(manifest, self._owner))
        await executor.lead_through_gateway()
        await migrate_again(self._subject, executor, status)
        await self._guarded(adopt_jobs(self._subject))
        await adopt_records(self._subject, self._child_writer)
        await report_lost_copies(self._subject, self._child_writer.wanted, status)
        if unknown:
            return None  # what is not in the spec as far as it is understood may be wanted all the same: nothing goes
        await self._remove_route()
        made = await ensure_monitoring(self._subject, self._child_writer)
        await prune(self._subject, self._child_writer.wanted, status, config_maps_known=references.complete)
        return made

    async def _remove_route(self) -> None:
        """Of a spec that asks for none, or no longer does."""
        name = children.names.http_route(self._owner.name)
        if self._spec.gateway is not None:
            self._subject.remembered.known.absent.discard((HTTP_ROUTE.kind, name))
        else:
            await remove_unseen(self._subject, HTTP_ROUTE, name)

    async def _secrets(self, redis: Collection[str], decided_on: Mapping[str, str]) -> bool:
        try:
            made = await ensure_generated_secrets(self._cluster, self._owner, self._spec, redis)
        except NotLeading:
            raise
        except ClusterError as error:
            name = children.names.application_secret(self._owner.name)
            made = Generated([Fate("Secret", name, state_of(error), error.message)])
        for fate in made.fates:
            self._fates.note(fate, "generated", self._subject.now)
        self._note_values(made.digests, decided_on)
        return all(f.state is State.AS_WANTED for f in made.fates)

    def _note_values(self, seen: Mapping[str, str], decided_on: Mapping[str, str]) -> None:
        """Generated values as they are now, for the next pass, which is due at once when they are others."""
        remembered = self._subject.remembered
        remembered.generated.update(seen)
        remembered.undecided = any(decided_on.get(name) != digest for name, digest in seen.items())
        changed = [n for n, digest in seen.items() if decided_on.get(n, digest) != digest]
        if changed:
            message = (
                f"{' and '.join(changed)}: someone has changed it, or it was deleted and made again with another value. The "
                "pods, which were started with the one before, are exchanged one at a time"
            )
            note = Note(NoteType.WARNING, Reason.SECRETS_CHANGED, message)
            remembered.to_announce.append((self._subject.resource, note))

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
