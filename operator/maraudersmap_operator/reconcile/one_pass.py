"""One pass over one resource: protect and remember at once, converge in its own time.

`protect` looks, decides, moves traffic and stores the status. `converge` does the rest of what was decided, and everything
around it; it stops as soon as a newer pass has decided.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import ClusterError, Key, Unavailable
from maraudersmap_operator.cluster.kinds import AUTOSCALER
from maraudersmap_operator.resource import MaraudersMap, MaraudersMapStatus
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.other_release import dump
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.rollout import Decision, Note, Observed, RouteFacts, decide

from .actions.dependence import goes_back, moves_traffic
from .actions.executor import ActionExecutor
from .actions.forward import is_forward
from .actions.route import read_route
from .apply.child_writer import ChildWriter
from .apply.monitoring import is_insight, with_monitoring
from .collect.admission import ask_admission
from .collect.fresh_references import fresh_references
from .collect.observe import Observation, observe
from .collect.strangers import find_strangers
from .context.parts import Parts
from .context.remembered import Made, Remembered, Unannounced
from .context.subject import Subject
from .converge import Converger
from .reading.comparison import compared
from .reading.live_reads import fingerprint, refresh_pods, settle_doubts
from .reading.references import References
from .reading.unwatched_time import unwatched
from .status.child_conditions import with_children, with_conditions
from .status.evidence import with_evidence
from .status.fates import Fate
from .status.masking import Masks
from .status.scaling import scaling_active
from .status.status_writer import StatusWriter, is_answered

# The next pass does not wait longer than this for the answer to a status; the write itself goes on.
STORE_SECONDS = 2.0

# The parts of the spec that an address is made of.
LEADS_TO_THE_API = frozenset({"ingress", "gateway", "service"})


class Superseded(Exception):
    """A newer pass has decided: what this one has not done yet is not done any more."""


class Pass:
    """`references`: what is known of what the spec names. `unsure`: why the stored status may be another one than the one
    that this pass has; empty when it is not. Then nothing is done but to go back to the stable revision."""

    def __init__(
        self,
        parts: Parts,
        key: Key,
        obj: dict[str, Any],
        resource: MaraudersMap,
        remembered: Remembered,
        references: References,
        now: datetime,
        unsure: str = "",
    ) -> None:
        self.key = key
        self.resource = resource
        self.owner = Owner(resource.name, resource.namespace, resource.uid)
        self.references = references
        self.decision: Decision | None = None
        self.route: RouteFacts | None = None
        self.in_sight = True
        self.left_undone = False
        self.reported: list[Fate] = []  # in the status that was stored
        self.reported_monitoring: Made | None = None
        self.fingerprint = 0  # of all that was known when it was decided on
        self._parts = parts
        self._remembered = remembered
        self._now = now
        self._unsure = unsure
        self._masks = Masks(parts.cluster, key.namespace, remembered.unanswered, now)
        self._writer = StatusWriter(parts.cluster, parts.store, key, obj, parts.definition, now)
        self._unwatched = unwatched(
            obj,
            remembered.last,
            remembered.failed_since,
            parts.led_before,
            now,
            asyncio.get_running_loop().time(),
        )
        self._subject = Subject(parts, remembered, resource, now, self._go_on)
        self._child_writer = ChildWriter(self._subject, self._may_reroll)

    @property
    def unverified(self) -> int:
        """How many children were looked at only roughly."""
        return self._child_writer.unverified

    @property
    def is_newest(self) -> bool:
        return self._remembered.newest is self

    def _go_on(self) -> None:
        """Raise Superseded when a newer pass has decided."""
        if not self.is_newest:
            raise Superseded

    # --- protect and remember ---------------------------------------------------------------------------------------

    async def protect(self) -> Decision:
        """Look, decide, move traffic, store the status. Raises ClusterError when the status could not be stored."""
        observation = await self._look()
        observed = observation.observed
        self.fingerprint = fingerprint(self._parts.store, self.key)
        decision = self._decide(observed)
        self.decision, self._remembered.newest = decision, self
        self._remembered.fates.begin()
        self._remembered.ask_admission = decision.ask_admission
        self._executor = ActionExecutor(
            self._subject, self._child_writer, self._masks, observation, decision.status
        )
        for action in filter(moves_traffic, decision.actions):
            if not self._unsure or goes_back(action, self.resource.status.stable):
                await self._executor.do(action)
        if self._unsure:
            raise Unavailable(self._unsure)
        await self._executor.hold_selector()
        for action in decision.actions:
            await self._executor.keep_evidence(action)
        await self._remember(decision, self._executor)
        return decision

    def _decide(self, observed: Observed) -> Decision:
        decision = decide(self.resource, observed, self._now)
        return replace(
            decision,
            status=decision.status.model_copy(update=self._addresses()),
            withheld=decision.withheld.model_copy(update=self._addresses()),
        )

    async def _look(self) -> Observation:
        """Everything that is read before traffic can move, at the same time where one read does not rest on another: each
        of them may take as long as a read may, and together they must not take longer than users are to wait."""
        cluster, store, key = self._parts.cluster, self._parts.store, self.key
        rollout = self.resource.status.candidate is not None
        _, self.in_sight, _, self.route, self.references = await asyncio.gather(
            self._parts.definition.look(self._now),
            settle_doubts(cluster, store, key),
            refresh_pods(cluster, store, key) if rollout else _nothing(),
            read_route(
                cluster,
                store,
                self._remembered.fates,
                self.owner,
                self.resource.spec,
                understood="gateway" not in self.resource.unknown,
            ),
            fresh_references(self._subject, self.references),
        )
        not_understood = self.resource.not_understood
        observation, comparison = await asyncio.gather(
            observe(
                self._subject,
                self.references,
                self.route,
                self._masks,
                (Reason.UNKNOWN_FIELD, not_understood) if not_understood else None,
            ),
            compared(self._parts.analyst, store, key, self.resource, self.route, self._now),
        )
        reason, unremembered = self._unremembered()
        observed = replace(
            observation.observed,
            unwatched=self._unwatched,
            unremembered=unremembered,
            unremembered_reason=reason,
        )
        if comparison is not None:
            observed = replace(observed, comparison=comparison)
        if self._remembered.ask_admission:
            observed = replace(observed, admission=self._remembered.admission)
            self._remembered.admission = None
        return replace(observation, observed=observed)

    def _unremembered(self) -> tuple[Reason, str]:
        """Why what a rollout learns would be forgotten, as reason and sentence; empty when it would not."""
        if unread := self.resource.unread:
            return Reason.STATUS_NEWER, (
                f"{', '.join(unread)}: written by a newer operator, and this one cannot read it. It is kept, what runs is "
                "protected and gone back to, and no rollout starts or goes on until the operator is of that release again"
            )
        return Reason.DEFINITION_OLDER, self._parts.definition.sentence()

    def _addresses(self) -> dict[str, str]:
        labels = self.owner.selector(Component.API)
        known = not self.resource.unknown & LEADS_TO_THE_API
        return {
            "url": children.url(self.owner, self.resource.spec) if known else self.resource.status.url,
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        }

    def _may_reroll(self, deployment: str) -> bool:
        """Putting a template right exchanges pods: not those of the stable revision while a rollout is measured by them."""
        status = self.resource.status
        if status.candidate is None or status.stable is None:
            return True
        return deployment != children.names.deployment(self.owner.name, status.stable.revision)

    async def _remember(self, decision: Decision, executor: ActionExecutor) -> None:
        """The status; Events and metrics follow what is stored. Where traffic could not be moved, only what was learned
        counts, not what was meant to follow."""
        before, fates = self.resource.status, self._remembered.fates.failed()
        insight = [fate for fate in fates if is_insight(fate, self.owner.name)]
        status = with_children(
            decision.withheld if executor.traffic_failed else decision.status,
            before,
            [fate for fate in fates if fate not in insight],
            insight,
            self.resource.ignored,
            self._parts.definition.sentence(),
            self._now,
        )
        scaler = children.names.autoscaler(self.owner.name)
        hpa = self._parts.store.find(self.key, AUTOSCALER, scaler)
        status = with_conditions(status, before, scaling_active(self.resource.spec, hpa), self._now)
        made = self._remembered.monitoring
        status = with_monitoring(status, before, self.resource.spec, self._parts.served, made, self._now)
        status = with_evidence(status, executor.evidence)
        notes: tuple[Note, ...] = () if executor.traffic_failed else tuple(decision.notes)
        try:
            await self._store(status)
        except ClusterError:
            self._remembered.unannounced = Unannounced(self.resource, before, dump(status), notes)
            raise
        self.reported, self.reported_monitoring = fates, made
        self._remembered.to_announce += [(self.resource, note) for note in notes]
        self._parts.metrics.observe(self.key, before, status, self.resource.most_pods)

    async def _store(self, status: MaraudersMapStatus) -> None:
        """Store it, or leave its answer to be waited for: the next pass may be needed before."""
        writing = asyncio.ensure_future(self._writer.store(status))
        if not await is_answered(writing, STORE_SECONDS):
            self._remembered.storing = writing
            raise Unavailable(f"no answer to the status within {STORE_SECONDS:g} s; it is still waited for")
        writing.result()

    # --- converge ---------------------------------------------------------------------------------------------------

    async def converge(self) -> None:
        """The rest of what was decided, and every other child. Raises Superseded and NotLeading."""
        assert self.decision is not None
        decision, executor = self.decision, self._executor
        converger = Converger(self._subject, self._child_writer)
        rest = [a for a in decision.actions if not moves_traffic(a)]
        forward = [a for a in rest if is_forward(a, decision, executor.observed)]
        for action in rest:
            if action not in forward:
                await executor.do(action)
        ready = await converger.found(decision, self.references)
        for action in forward:
            if ready:
                await executor.do(action)
        self._remembered.monitoring = await converger.surround(executor, decision, self.references)
        self.left_undone = executor.left_undone or (bool(forward) and not ready)
        for fate in await find_strangers(self._subject):
            self._remembered.fates.note(fate, "", self._now)
        status = self.resource.status
        if decision.ask_admission and status.candidate is not None and status.stable is not None:
            revisions = status.candidate.revision, status.stable.revision
            self._remembered.admission = await ask_admission(self._subject, *revisions)
        self._go_on()
        self._remembered.fates.end()


async def _nothing() -> None:
    return
