"""The subjects of the service, wired: what they need comes in, what they offer are routes and background work."""

from maraudersmap_api.http.api import Api
from maraudersmap_api.idempotency.once import Once
from maraudersmap_api.incidents.handlers import add_incident_routes
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.outbox.publisher import Publisher


class Domain:
    """Incidents and everything about them."""

    def __init__(self, db: Database, metrics: Metrics) -> None:
        self._publisher = Publisher()
        self._once = Once()
        self._incidents = IncidentService(db, metrics, self._publisher)

    def add_routes(self, api: Api) -> None:
        """All of them."""
        add_incident_routes(api, self._incidents, self._once)
