"""Reporting and finding incidents."""

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Forbidden, NotFound
from maraudersmap_api.incidents import repository
from maraudersmap_api.incidents.models import Filters, Incident, NewIncident, Page, PageRequest
from maraudersmap_api.incidents.rules import may_view, visibility
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.metrics import Metrics


class IncidentService:
    """The rules are judged here; SQL is in the repository."""

    def __init__(self, db: Database, metrics: Metrics) -> None:
        self._db = db
        self._metrics = metrics

    async def create(self, new: NewIncident, *, actor: User, request_id: str) -> Incident:
        """Store a report with its history and its event, all or nothing. Raises Unavailable."""
        async with self._db.transaction() as tx:
            incident = await repository.insert(tx, new, actor)
            changes = (
                repository.Change("status", None, incident.status.value),
                repository.Change("severity", None, incident.severity.name),
            )
            await repository.record(
                tx, incident.id, changes, event="incident:created", actor=actor, request_id=request_id
            )
        self._metrics.incidents_created.inc()
        return incident

    async def get(self, incident_id: int, *, viewer: User) -> Incident:
        """One incident. Raises NotFound, or Forbidden without naming title or severity; Unavailable."""
        incident = await repository.find(self._db, incident_id)
        if incident is None:
            raise NotFound("There is no such incident")
        if not may_view(viewer, incident):
            raise Forbidden("You may not see this incident")
        return incident

    async def list(self, filters: Filters, page: PageRequest, *, viewer: User) -> Page:
        """A part of what `viewer` may see; counts included. Raises Unavailable."""
        return await repository.list_page(self._db, filters, page, visibility(viewer))
