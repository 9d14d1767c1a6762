"""`/api/analytics`: parse, call, shape."""

from maraudersmap_api.analytics.models import DaysQuery, LeaderboardQuery
from maraudersmap_api.analytics.service import AnalyticsService
from maraudersmap_api.analytics.shapes import (
    HeatmapJson,
    LeaderboardJson,
    OverviewJson,
    TrendsJson,
    heatmap_json,
    leaderboard_json,
    overview_json,
    trends_json,
)
from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Forbidden
from maraudersmap_api.http.api import Answer, Api, Pieces
from maraudersmap_api.incidents.models import FilterQuery


def add_analytics_routes(api: Api, analytics: AnalyticsService) -> None:
    """For Prefects (their own house) and Aurors (all)."""
    routes = api.tagged("analytics")

    @routes.get("/api/analytics/overview", refuses=(Forbidden,))
    async def overview(caller: User) -> Answer[OverviewJson]:
        """Show counts by severity, status and location."""
        return Answer(overview_json(await analytics.overview(caller)))

    @routes.get("/api/analytics/trends", refuses=(Forbidden,))
    async def trends(query: DaysQuery, caller: User) -> Answer[TrendsJson]:
        """Show what was reported and resolved day by day."""
        return Answer(trends_json(await analytics.trends(caller, query.days)))

    @routes.get("/api/analytics/leaderboard", refuses=(Forbidden,))
    async def leaderboard(query: LeaderboardQuery, caller: User) -> Answer[LeaderboardJson]:
        """Show who reported most in the last 30 days."""
        return Answer(leaderboard_json(await analytics.leaderboard(caller, query.limit)))

    @routes.get("/api/analytics/heatmap", refuses=(Forbidden,))
    async def heatmap(query: DaysQuery, caller: User) -> Answer[HeatmapJson]:
        """Show where it happens."""
        return Answer(heatmap_json(await analytics.heatmap(caller, query.days)))

    @routes.get("/api/analytics/export.csv", refuses=(Forbidden,), produces="text/csv; charset=utf-8")
    async def export(query: FilterQuery, caller: User) -> Answer[str]:
        """Take incidents away as CSV.

        Filters are those of the list. What a spreadsheet would take for a formula has an apostrophe in front.
        """
        headers = {"Content-Disposition": 'attachment; filename="incidents.csv"'}
        return Answer(Pieces(analytics.export(caller, query.filters)), headers=headers)
