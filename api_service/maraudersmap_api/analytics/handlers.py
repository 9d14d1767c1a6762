"""`/api/analytics`: parse, call, shape."""

from collections.abc import Mapping
from typing import TypedDict

from maraudersmap_api.analytics.models import DaysQuery, LeaderboardQuery
from maraudersmap_api.analytics.service import AnalyticsService
from maraudersmap_api.auth.handlers import UserRefJson, user_ref_json
from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Forbidden
from maraudersmap_api.http.api import Answer, Api
from maraudersmap_api.http.streams import Pieces
from maraudersmap_api.incidents.models import FilterQuery, Severity


class OverviewJson(TypedDict):
    """Counts of all incidents. `meanHoursToResolve` is null while none was resolved."""

    total: int
    severity: dict[str, int]
    status: dict[str, int]
    location: dict[str, int]
    meanHoursToResolve: float | None


class DayJson(TypedDict):
    """One day, in UTC."""

    date: str
    reported: int
    resolved: int
    severity: dict[str, int]


class TrendsJson(TypedDict):
    """The oldest day first; days without anything are there too."""

    data: list[DayJson]


class StandingJson(TypedDict):
    """A reporter's place."""

    rank: int
    user: UserRefJson
    points: int
    incidents: int


class LeaderboardJson(TypedDict):
    """Of the last 30 days: 10, 25, 50, 100 points by severity."""

    data: list[StandingJson]


class HeatJson(TypedDict):
    """One place; `intensity` is 1 for the busiest."""

    location: str
    count: int
    intensity: float
    severity: dict[str, int]


class HeatmapJson(TypedDict):
    """Every place, the busiest first."""

    data: list[HeatJson]


def add_analytics_routes(api: Api, analytics: AnalyticsService) -> None:
    """For Prefects (their own house) and Aurors (all)."""
    routes = api.tagged("analytics")

    @routes.get("/api/analytics/overview", refuses=(Forbidden,))
    async def overview(caller: User) -> Answer[OverviewJson]:
        """Show counts by severity, status and location."""
        found = await analytics.overview(caller)
        mean = found.mean_seconds
        return Answer(
            {
                "total": found.total,
                "severity": {severity.name: n for severity, n in found.severity.items()},
                "status": {status.value: n for status, n in found.status.items()},
                "location": {location.value: n for location, n in found.location.items()},
                "meanHoursToResolve": None if mean is None else round(mean / 3600, 3),
            }
        )

    @routes.get("/api/analytics/trends", refuses=(Forbidden,))
    async def trends(query: DaysQuery, caller: User) -> Answer[TrendsJson]:
        """Show what was reported and resolved day by day."""
        found = await analytics.trends(caller, query.days)
        return Answer(
            {
                "data": [
                    {
                        "date": day.day.isoformat(),
                        "reported": sum(day.reported.values()),
                        "resolved": day.resolved,
                        "severity": _named(day.reported),
                    }
                    for day in found
                ]
            }
        )

    @routes.get("/api/analytics/leaderboard", refuses=(Forbidden,))
    async def leaderboard(query: LeaderboardQuery, caller: User) -> Answer[LeaderboardJson]:
        """Show who reported most in the last 30 days."""
        found = await analytics.leaderboard(caller, query.limit)
        return Answer(
            {
                "data": [
                    {
                        "rank": standing.rank,
                        "user": user_ref_json(standing.user),
                        "points": standing.points,
                        "incidents": standing.incidents,
                    }
                    for standing in found
                ]
            }
        )

    @routes.get("/api/analytics/heatmap", refuses=(Forbidden,))
    async def heatmap(query: DaysQuery, caller: User) -> Answer[HeatmapJson]:
        """Show where it happens."""
        found = await analytics.heatmap(caller, query.days)
        most = max((heat.total for heat in found), default=0) or 1
        return Answer(
            {
                "data": [
                    {
                        "location": heat.location.value,
                        "count": heat.total,
                        "intensity": round(heat.total / most, 4),
                        "severity": _named(heat.severity),
                    }
                    for heat in found
                ]
            }
        )

    @routes.get("/api/analytics/export.csv", refuses=(Forbidden,), produces="text/csv; charset=utf-8")
    async def export(query: FilterQuery, caller: User) -> Answer[str]:
        """Take incidents away as CSV.

        Filters are those of the list. What a spreadsheet would take for a formula has an apostrophe in front.
        """
        headers = {"Content-Disposition": 'attachment; filename="incidents.csv"'}
        return Answer(Pieces(analytics.export(caller, query.filters)), headers=headers)


def _named(counts: Mapping[Severity, int]) -> dict[str, int]:
    return {severity.name: n for severity, n in counts.items()}
