"""Carry a decision's actions out, in order. One that fails blocks only those that depend on it.

Traffic depends on nothing else and comes first. All others follow when the status is stored, so nothing is taken away before
the verdict that it rests on is, and not before the Service and its endpoints were seen, live, to lead elsewhere.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import assert_never

from maraudersmap_operator import children
from maraudersmap_operator.cluster import ClusterError, Kind, Manifest, NotLeading
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, JOB, SERVICE
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import ANNOTATION_MIGRATED
from maraudersmap_operator.resource.status_model import rfc3339
from maraudersmap_operator.resource.status_outcomes import PodEvidence
from maraudersmap_operator.rollout import (
    Action,
    Deploy,
    KeepEvidence,
    MarkMigrated,
    Migrate,
    Observed,
    RecordRevision,
    Retire,
    RouteTo,
    ScaleTo,
    StoreStatus,
    Weigh,
)
from maraudersmap_operator.telemetry import logger

from ..apply.child_writer import ChildWriter
from ..collect.observe import Observation
from ..context.subject import Subject
from ..reading.jobs import has_ended
from ..reading.labels import revision_of
from ..status.evidence import gather
from ..status.fates import Fate, State, state_of
from ..status.masking import Masks
from .dependence import SELECTOR, SIZE, Failed, NotYet, depends_on, moves_traffic, named, with_failed
from .out_of_reach import Reach
from .records import Records
from .resize import contested_size, resize
from .route import MADE_OF, NOT_SERVED, weigh
from .startup import as_made
from .traffic import route_to

# A kubelet that does not answer must not hold a verdict back.
EVIDENCE_SECONDS = 5
# Endpoints take seconds to follow traffic; what holds a removal for longer is reported.
WAITS_LONG = timedelta(minutes=1)


class ActionExecutor:
    """Carries out the actions of one pass over one resource.

    `status`: the one that was decided on. `left_undone` is True when some action could not be carried out; `traffic_failed`
    when it was one that moves traffic, so that no status may claim that it moved.
    """

    def __init__(
        self,
        subject: Subject,
        child_writer: ChildWriter,
        masks: Masks,
        observation: Observation,
        status: MaraudersMapStatus,
    ) -> None:
        self._subject = subject
        self._cluster, self._store, self._fates = subject.cluster, subject.store, subject.fates
        self._key, self._owner, self._spec = subject.key, subject.owner, subject.spec
        self._now = subject.now
        self._child_writer = child_writer
        self._masks = masks
        self._observation = observation
        self._status = status
        self._records = Records(subject, child_writer, observation)
        on_stage = {r.revision for r in (status.stable, status.candidate) if r is not None}
        self._reach = Reach(subject, observation.observed.serving, on_stage)
        self._weight = observation.observed.route.weight if observation.observed.route else 0
        self.evidence: dict[str, PodEvidence | None] = {}
        self.traffic_failed = False
        self.left_undone = False
        self._failed: Failed = frozenset()
        self._scaled: set[str] = set()

    @property
    def serving(self) -> str:
        """Where traffic goes, as far as this pass knows by now."""
        return self._reach.serving

    @property
    def observed(self) -> Observed:
        """What was decided on."""
        return self._observation.observed

    async def do(self, action: Action) -> None:
        """Carry one action out, or note why not. Raises NotLeading, and what `go_on` raises."""
        self._subject.go_on()
        logger().debug("acting", action=str(action))
        try:
            if depends_on(action, self._failed):
                raise NotYet("what it depends on has failed")
            await self._do(action)
        except NotYet as why:
            logger().debug("action put off", action=str(action), why=str(why))
            self._name_what_is_waited_for(action, str(why))
        except NotLeading:
            raise
        except ClusterError as error:
            if not self._fates.excused(error) and self._fates.is_news(f"{action}", error):
                logger().warning("action failed", action=str(action), error=error.message)
            self._note_failure(action, error)
        else:
            self._fates.is_over(f"{action}")
            return
        self.left_undone = True
        self.traffic_failed |= moves_traffic(action)
        self._failed = with_failed(self._failed, action)

    async def _do(self, action: Action) -> None:
        match action:
            case RecordRevision(revision=revision):
                await self._records.record(revision)
            case Migrate(revision=revision, attempt=attempt):
                template = await self._records.template(revision)
                job = children.job(self._owner, self._spec, revision, attempt, template)
                await self._ensure(job)
            case MarkMigrated(revision=revision, at=at):
                await self._mark_migrated(revision, at)
            case Deploy(revision=revision):
                await self.deploy(revision)
            case ScaleTo(revision=revision, replicas=replicas):
                self._scaled.add(revision)
                await self._scale(revision, replicas)
            case RouteTo(revision=revision):
                await route_to(self._subject, revision)
                self._reach.serving = revision
            case Weigh(percent=percent):
                before, self._weight = self._weight, percent
                if not await self.lead_through_gateway():
                    self._weight = before
                    raise NotYet("the route was not written")
            case KeepEvidence() | StoreStatus():
                pass  # came before
            case Retire(revision=revision):
                await self._retire(revision)
            case unreachable:
                assert_never(unreachable)

    async def hold_selector(self) -> None:
        """Where no action has moved traffic: the selector that leads to what serves has exactly our keys."""
        name = children.names.service(self._owner.name)
        live = self._store.find(self._key, SERVICE, name)
        wanted = children.service(self._owner, self._spec, self.serving or None)["spec"]["selector"]
        if live is None or self.traffic_failed or live["spec"].get("selector") == wanted:
            return
        if not self._fates.may_repair(SELECTOR, name, self._now):
            message = "someone keeps changing it; it is put right less and less often"
            self._fates.note(Fate(SELECTOR, name, State.CONTESTED, message), "", self._now)
            return
        try:
            await route_to(self._subject, self.serving)
        except NotLeading:
            raise
        except ClusterError as error:
            self._fates.note(Fate(SELECTOR, name, state_of(error), error.message), "", self._now)
            self.left_undone = True
        else:
            self._fates.repaired(SELECTOR, name, self._now)
            self._fates.note(Fate(SELECTOR, name, State.AS_WANTED), "", self._now)
            self._subject.parts.metrics.drift_corrected(SERVICE.kind)

    async def deploy(self, revision: str) -> None:
        """Write the revision's Deployment as its record has it; also how drift in one is repaired."""
        await self._ensure(await self.deployment(revision))

    async def deployment(self, revision: str) -> Manifest:
        """The revision's Deployment as it should be. Raises ClusterError when its record cannot be had."""
        template = await self._records.template(revision)

        def make(startup_seconds: int | None) -> Manifest:
            return children.deployment(
                self._owner,
                revision,
                template,
                restart=self._status.tokens.restart,
                secrets=self._status.secrets.restarted_for,
                startup_seconds=startup_seconds,
            )

        name = children.names.deployment(self._owner.name, revision)
        live = self._store.find(self._key, DEPLOYMENT, name)
        return make(self._spec.rollout.progress_deadline_seconds) if live is None else as_made(live, make)

    def deployed(self) -> set[str]:
        """Revisions that had a Deployment when the pass began."""
        return set(self._observation.observed.revisions)

    async def lead_through_gateway(self) -> bool:
        """Write the route, where the spec asks for one and the cluster knows the kind; True when it is as wanted. Where the
        spec's part is not understood only its weights move: that is traffic, and must be able to go back."""
        if self._subject.resource.unknown & MADE_OF:
            if self._weight != self._observation.observed.route_weight:
                await weigh(self._subject, self._weight)
            return True
        route = children.http_route(self._owner, self._spec, self._weight)
        if route is None or self._observation.observed.route == NOT_SERVED:
            return True
        return await self._child_writer.ensure(route)

    async def _ensure(self, manifest: Manifest) -> None:
        if not await self._child_writer.ensure(manifest):
            raise NotYet("the child is not as wanted")

    def _note_failure(self, action: Action, error: ClusterError) -> None:
        """Report in the condition what could not be done."""
        if part := named(action, self._owner.name):
            self._fates.note(Fate(*part, state_of(error), error.message), f"{action}", self._now)

    def _name_what_is_waited_for(self, action: Action, why: str) -> None:
        """A revision that is not retired for long is reported, with what holds it."""
        part = named(action, self._owner.name)
        if not isinstance(action, Retire) or part is None:
            return
        if self._now - self._fates.put_off(*part, self._now) >= WAITS_LONG:
            self._fates.note(Fate(*part, State.WAITING, why), f"{action}", self._now)

    # --- the actions ------------------------------------------------------------------------------------------------

    async def _scale(self, revision: str, replicas: int) -> None:
        name = children.names.deployment(self._owner.name, revision)
        known = self._store.find(self._key, DEPLOYMENT, name)
        # How many pods one has that the store has not is not known, and may be more.
        shrinks = known is None or replicas < int(known["spec"].get("replicas", 1))
        drifted = known is not None and self._is_someone_elses_size(revision)
        contested = drifted and not self._fates.may_repair(SIZE, name, self._now)
        # Pods too many harm no one; too few are made more at once, however often.
        if not (contested and shrinks):
            if shrinks and not self._spec.suspend:
                await self._reach.before_shrinking(revision, replicas)
            await resize(self._subject, revision, replicas)
            if drifted:
                self._fates.repaired(SIZE, name, self._now)
        if contested:
            self._fates.note(await contested_size(self._subject, revision), f"{replicas}", self._now)

    def _is_someone_elses_size(self, revision: str) -> bool:
        """What differs from the wish is someone's doing: the wish is not new, and neither a rollout, nor its end, nor a
        suspension sizes anything."""
        resource, stable = self._subject.resource, self._status.stable
        rests = resource.status.candidate is None and self._status.candidate is None
        seen = resource.status.observed_generation == resource.generation
        return (
            rests and seen and not self._spec.suspend and stable is not None and stable.revision == revision
        )

    def settle_size(self) -> None:
        """Of the stable revision, where this pass had nothing to do about it: what was done before is not forgotten."""
        stable = self._status.stable
        if stable is not None and stable.revision not in self._scaled:
            name = children.names.deployment(self._owner.name, stable.revision)
            self._fates.note(Fate(SIZE, name, State.AS_WANTED), "", self._now)

    async def keep_evidence(self, action: Action) -> None:
        """What the pods of a rejected revision show, before the verdict is stored and they go."""
        if not isinstance(action, KeepEvidence):
            return
        revision = action.revision
        try:
            async with asyncio.timeout(EVIDENCE_SECONDS):
                self.evidence[revision] = await gather(
                    self._cluster, self._store, self._key, revision, self._masks
                )
        except TimeoutError:
            logger().warning("no evidence kept: the cluster did not answer in time", revision=revision)

    async def _mark_migrated(self, revision: str, at: datetime) -> None:
        name = children.names.controller_revision(self._owner.name, revision)
        patch = {"metadata": {"annotations": {ANNOTATION_MIGRATED: rfc3339(at)}}}
        patched = await self._cluster.merge(CONTROLLER_REVISION, self._owner.namespace, name, patch)
        self._store.confirm(CONTROLLER_REVISION, patched)

    async def _retire(self, revision: str) -> None:
        """Its Deployment, and migrations that still run for it. Those that ended stay to be read."""
        await self._reach.before_taking_away(revision)
        for deployment in self._store.children(self._key, DEPLOYMENT):
            if revision_of(deployment) == revision and "deletionTimestamp" not in deployment["metadata"]:
                await self._delete(DEPLOYMENT, deployment)
        for job in self._store.children(self._key, JOB):
            if (
                revision_of(job) == revision
                and not has_ended(job)
                and "deletionTimestamp" not in job["metadata"]
            ):
                await self._delete(JOB, job)

    async def _delete(self, kind: Kind, obj: Manifest) -> None:
        self._subject.go_on()
        meta = obj["metadata"]
        await self._cluster.delete(kind, meta["namespace"], meta["name"], meta["uid"])
        # The next pass must not take it for alive because no watch has reported it yet.
        self._store.leave(meta["uid"])
