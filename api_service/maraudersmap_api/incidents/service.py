"""Reporting, finding and changing incidents.

Every write runs in one transaction of this order, which is also the order of refusal: lock (404), visibility and
permission (403), If-Match (412), state (409), change, history, notifications, event. What happened is published
only when it is committed.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Forbidden, PreconditionFailed
from maraudersmap_api.idempotency.once import Keeper, NoKey
from maraudersmap_api.incidents import announcements, repository, rules
from maraudersmap_api.incidents.listing import list_page
from maraudersmap_api.incidents.models import (
    Change,
    HistoryPage,
    Incident,
    IncidentPatch,
    ListQuery,
    NewIncident,
    Page,
    Paging,
    Status,
)
from maraudersmap_api.incidents.past import past_of
from maraudersmap_api.infra.db import Database, Executor
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.outbox import repository as outbox
from maraudersmap_api.outbox.models import Event, EventType, NewNotification
from maraudersmap_api.outbox.publisher import Publisher

Allows = Callable[[str], bool]
"""Does the caller's If-Match allow a change of what has this tag?"""


class IncidentService:
    """The rules are in rules.py, SQL is in the repository; the order of things is here."""

    def __init__(self, db: Database, metrics: Metrics, publisher: Publisher) -> None:
        self._db = db
        self._metrics = metrics
        self._publisher = publisher

    async def create(
        self, new: NewIncident, *, actor: User, request_id: str, keeper: Keeper[Incident] | None = None
    ) -> Incident:
        """Store a report with its history and its event, all or nothing. Raises Conflict, Unavailable."""
        keep = keeper or NoKey()
        alarming = new.severity >= rules.ALARMING
        payload = {"actor": str(actor.id), "fields": ["status", "severity"]}
        # Nothing beside it to write: a single statement is its own transaction, and saves two round trips.
        alone = keeper is None and not alarming
        async with self._db.connection(writes=True) if alone else self._db.transaction() as tx:
            await keep.begin(tx)
            made, event = await repository.report(tx, new, payload, reporter=actor, request_id=request_id)
            notices: Sequence[Event] = ()
            if alarming:
                readers = await outbox.active_aurors(tx, but=actor.id)
                notices = await outbox.add_notifications(tx, announcements.created(made, readers))
            await keep.finish(tx, made)
        self._metrics.incidents_created.inc()
        self._publisher.publish((event, *notices))
        return made

    async def get(self, incident_id: int, *, viewer: User) -> Incident:
        """One incident. Raises NotFound, or Forbidden without naming title or severity; Unavailable."""
        return rules.visible(await repository.find(self._db, incident_id), viewer)

    async def list(self, query: ListQuery, *, viewer: User) -> Page:
        """A part of what `viewer` may see; counts included. Raises ValidationError, Unavailable."""
        return await list_page(self._db, query, rules.visibility(viewer))

    async def history(self, incident_id: int, paging: Paging, *, viewer: User) -> HistoryPage:
        """What happened to it, oldest first, as far as `viewer` might have seen it at the time.

        Raises NotFound, Forbidden, Unavailable.
        """
        async with self._db.connection() as connection:
            incident = rules.visible(await repository.find(connection, incident_id), viewer)
            seen = rules.visibility(viewer)
            past = past_of(
                await repository.severity_steps(connection, incident_id),
                lambda severity: seen.sees(severity, incident.reported_by.id),
            )
            entries, total = await repository.history(
                connection, incident_id, past, seen, limit=paging.limit, offset=paging.offset
            )
        return HistoryPage(tuple(entries), total, paging.page, paging.limit)

    async def update(
        self, incident_id: int, patch: IncidentPatch, *, actor: User, allows: Allows, request_id: str
    ) -> Incident:
        """Change what the patch names. A patch that changes nothing writes nothing.

        Raises NotFound, Forbidden, PreconditionFailed, Conflict, Unavailable.
        """
        async with self._changing(incident_id, actor) as (tx, before):
            rules.permit(actor, before, patch)
            _match(before, allows)
            changes = patch.changes(before)
            rules.check_patch(before, changes)
            if not changes:
                return before
            after = await repository.update(tx, incident_id, changes)
            escalated = after.severity > before.severity
            notices: Sequence[NewNotification] = ()
            if escalated and after.severity >= rules.ALARMING:
                readers = await outbox.active_aurors(tx, but=actor.id)
                notices = announcements.escalated(after, readers)
            kind = EventType.INCIDENT_ESCALATED if escalated else EventType.INCIDENT_UPDATED
            events = await self._recorded(
                tx, after, changes, kind, actor=actor, request_id=request_id, notices=notices, before=before
            )
        self._publisher.publish(events)
        return after

    async def resolve(self, incident_id: int, *, actor: User, allows: Allows, request_id: str) -> Incident:
        """Close it. Raises NotFound, Forbidden, PreconditionFailed, Conflict (also the second time), Unavailable."""
        async with self._changing(incident_id, actor) as (tx, before):
            if not rules.may_resolve(actor, before):
                raise Forbidden("Only Prefects and Aurors resolve incidents")
            _match(before, allows)
            rules.check_resolvable(before)
            after = await repository.resolve(tx, incident_id, actor)
            changes = (Change("status", before.status.value, Status.RESOLVED.value),)
            events = await self._recorded(
                tx,
                after,
                changes,
                EventType.INCIDENT_RESOLVED,
                actor=actor,
                request_id=request_id,
                notices=announcements.resolved(after, actor),
            )
        self._publisher.publish(events)
        return after

    async def reopen(self, incident_id: int, *, actor: User, allows: Allows, request_id: str) -> Incident:
        """Open it again. Raises NotFound, Forbidden, PreconditionFailed, Conflict, Unavailable."""
        async with self._changing(incident_id, actor) as (tx, before):
            if not rules.may_resolve(actor, before):
                raise Forbidden("Only Prefects and Aurors reopen incidents")
            _match(before, allows)
            rules.check_reopenable(before)
            after = await repository.reopen(tx, incident_id)
            changes = (Change("status", before.status.value, Status.OPEN.value),)
            events = await self._recorded(
                tx, after, changes, EventType.INCIDENT_UPDATED, actor=actor, request_id=request_id
            )
        self._publisher.publish(events)
        return after

    async def delete(self, incident_id: int, *, actor: User, allows: Allows, request_id: str) -> None:
        """Take it out of everybody's sight. Raises NotFound, Forbidden, PreconditionFailed, Unavailable."""
        async with self._changing(incident_id, actor) as (tx, before):
            if not rules.may_delete(actor, before):
                raise Forbidden("Only Aurors delete incidents")
            _match(before, allows)
            await repository.soft_delete(tx, incident_id)
            changes = (Change("deleted", False, True),)
            events = await self._recorded(
                tx, before, changes, EventType.INCIDENT_DELETED, actor=actor, request_id=request_id
            )
        self._publisher.publish(events)

    @asynccontextmanager
    async def _changing(self, incident_id: int, actor: User) -> AsyncIterator[tuple[Executor, Incident]]:
        async with self._db.transaction() as tx:
            yield tx, rules.visible(await repository.lock(tx, incident_id), actor)

    async def _recorded(
        self,
        tx: Executor,
        incident: Incident,
        changes: Iterable[Change],
        kind: EventType,
        *,
        actor: User,
        request_id: str,
        notices: Iterable[NewNotification] = (),
        before: Incident | None = None,
    ) -> tuple[Event, ...]:
        """History, event and notifications of one change; returns the events to publish after the commit."""
        changes = tuple(changes)
        await repository.record(tx, incident.id, changes, actor=actor, request_id=request_id)
        payload: dict[str, object] = {"actor": str(actor.id), "fields": [change.field for change in changes]}
        if before is not None and before.severity is not incident.severity:
            payload["severityBefore"] = int(before.severity)  # shows from whom it has become hidden
        event = await outbox.add_event(tx, kind, incident.id, payload)
        return (event, *await outbox.add_notifications(tx, tuple(notices)))


def _match(incident: Incident, allows: Allows) -> None:
    if not allows(incident.etag):
        raise PreconditionFailed("This incident has been changed since you read it: read it again")
