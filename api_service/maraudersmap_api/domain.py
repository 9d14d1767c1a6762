"""The subjects of the service, wired: what they need comes in, what they offer are routes and background work."""

from datetime import UTC, datetime

from maraudersmap_api.analytics.handlers import add_analytics_routes
from maraudersmap_api.analytics.service import AnalyticsService
from maraudersmap_api.auth.service import AuthService
from maraudersmap_api.auth.tokens import AccessTokens
from maraudersmap_api.comments.handlers import add_comment_routes
from maraudersmap_api.comments.service import CommentService
from maraudersmap_api.http.api import Api
from maraudersmap_api.idempotency.once import Once
from maraudersmap_api.incidents.cached import CachedReads
from maraudersmap_api.incidents.handlers import add_incident_routes
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.cache import ReadCache
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.notifications.handlers import add_notification_routes
from maraudersmap_api.outbox.publisher import Publisher
from maraudersmap_api.outbox.tail import Tail
from maraudersmap_api.realtime.charges import Charges
from maraudersmap_api.realtime.handlers import add_realtime_routes
from maraudersmap_api.realtime.service import Realtime
from maraudersmap_api.search.handlers import add_search_routes
from maraudersmap_api.upkeep import Upkeep


class Domain:
    """Incidents and everything about them."""

    def __init__(
        self,
        db: Database,
        cache: ReadCache,
        tail: Tail,
        redis: Redis | None,
        auth: AuthService,
        tokens: AccessTokens,
        metrics: Metrics,
        origins: tuple[str, ...],
        budget: ByteBudget,
        charges: Charges,
    ) -> None:
        self._db = db
        self._budget = budget
        self._metrics = metrics
        self._origins = origins
        self._publisher = Publisher()
        self._once = Once()
        self._incidents = IncidentService(db, metrics, self._publisher)
        self._reads = CachedReads(db, self._incidents, cache, self._publisher, tail, budget)
        self._comments = CommentService(db, self._publisher)
        self._analytics = AnalyticsService(db, budget, today=lambda: datetime.now(UTC).date())
        self.upkeep = Upkeep(db, metrics)
        self.realtime = Realtime(
            db, redis, auth, tokens, self._incidents, self._publisher, tail, charges, budget
        )

    def start(self) -> None:
        """Begin the background work."""
        self.realtime.start()
        self.upkeep.start()

    async def stop(self) -> None:
        """End it."""
        await self.upkeep.stop()
        await self.realtime.stop()

    def add_routes(self, api: Api) -> None:
        """All of them. What is fixed comes before `{id}`: the router takes the first that fits."""
        add_search_routes(api, self._db)
        add_incident_routes(api, self._incidents, self._once, self._reads, self._budget)
        add_comment_routes(api, self._comments, self._once, self._budget)
        add_notification_routes(api, self._db)
        add_analytics_routes(api, self._analytics)
        add_realtime_routes(api, self.realtime, self._metrics, self._origins)
