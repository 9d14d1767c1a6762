"""Analytics as clients see them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from maraudersmap_api.analytics.models import Day, Heat, Overview, Standing
from maraudersmap_api.auth.shapes import UserRefJson, user_ref_json
from maraudersmap_api.incidents.models import Severity


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


def overview_json(found: Overview) -> OverviewJson:
    """Counts by severity, status and location."""
    mean = found.mean_seconds
    return {
        "total": found.total,
        "severity": {severity.name: n for severity, n in found.severity.items()},
        "status": {status.value: n for status, n in found.status.items()},
        "location": {location.value: n for location, n in found.location.items()},
        "meanHoursToResolve": None if mean is None else round(mean / 3600, 3),
    }


def trends_json(found: Iterable[Day]) -> TrendsJson:
    """Day by day."""
    return {
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


def leaderboard_json(found: Iterable[Standing]) -> LeaderboardJson:
    """Who reported most."""
    return {
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


def heatmap_json(found: Sequence[Heat]) -> HeatmapJson:
    """Where it happens."""
    most = max((heat.total for heat in found), default=0) or 1
    return {
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


def _named(counts: Mapping[Severity, int]) -> dict[str, int]:
    return {severity.name: n for severity, n in counts.items()}
