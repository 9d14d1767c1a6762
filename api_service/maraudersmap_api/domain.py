"""The subjects of the service, wired: what they need comes in, what they offer are routes and background work."""

from maraudersmap_api.comments.handlers import add_comment_routes
from maraudersmap_api.comments.service import CommentService
from maraudersmap_api.http.api import Api
from maraudersmap_api.idempotency.once import Once
from maraudersmap_api.incidents.cached import CachedReads
from maraudersmap_api.incidents.handlers import add_incident_routes
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.infra.cache import ReadCache
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.notifications.handlers import add_notification_routes
from maraudersmap_api.outbox.publisher import Publisher
from maraudersmap_api.search.handlers import add_search_routes


class Domain:
    """Incidents and everything about them."""

    def __init__(self, db: Database, cache: ReadCache, metrics: Metrics) -> None:
        self._db = db
        self._publisher = Publisher()
        self._once = Once()
        self._incidents = IncidentService(db, metrics, self._publisher)
        self._reads = CachedReads(db, self._incidents, cache, self._publisher)
        self._comments = CommentService(db, self._publisher)

    def add_routes(self, api: Api) -> None:
        """All of them. What is fixed comes before `{id}`: the router takes the first that fits."""
        add_search_routes(api, self._db)
        add_incident_routes(api, self._incidents, self._once, self._reads)
        add_comment_routes(api, self._comments, self._once)
        add_notification_routes(api, self._db)
