"""SQL of analytics: sums over tallies and the changes that are not folded into them yet, so they are never late.

What a reader may not view is not counted. Tallies know severities but not who asks, so a Prefect's own incidents above
what Prefects view are added from the incidents themselves: they are few, and an index leads to them.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from maraudersmap_api.analytics.models import LEADERBOARD_DAYS, POINTS, Day, Heat, Overview, Standing
from maraudersmap_api.incidents.models import Location, Severity, Status
from maraudersmap_api.incidents.repository import person
from maraudersmap_api.incidents.rules import Scope
from maraudersmap_api.infra.db import Executor

FOLD_AT_ONCE = 10_000

# $1 the house or NULL for all, $2 the highest severity of others, $3 the reader
_OWN = """
    SELECT {columns} FROM incidents i, tally_of(i, 1) t
     WHERE i.reported_by = $3 AND i.severity > $2 AND i.deleted_at IS NULL AND t.house = coalesce($1, t.house)
"""
_SEEN = "t.severity <= $2 AND t.house = coalesce($1, t.house)"


def _counts(columns: str, *, condition: str, folded: str) -> str:
    """Rows with `columns` of everything in scope that meets `condition`; `folded` picks the shape of tallies."""
    return f"""
        SELECT {columns} FROM incident_tallies t WHERE {_SEEN} AND {condition} AND {folded}
        UNION ALL SELECT {columns} FROM tally_changes t WHERE {_SEEN} AND {condition}
        UNION ALL {_OWN.format(columns=columns)} AND {condition}"""  # noqa: S608 - constant text


OVERVIEW = f"""
SELECT t.kind, t.severity, t.location, t.status, sum(t.n)::bigint AS n, sum(t.seconds)::bigint AS seconds
  FROM ({
    _counts(
        "t.kind, t.severity, t.location, t.status, t.n, t.seconds",
        condition="true",
        folded="t.day = '-infinity'",
    )
}) AS t
 GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - constant text

TRENDS = f"""
SELECT t.kind, t.day, t.severity, sum(t.n)::bigint AS n
  FROM ({_counts("t.kind, t.day, t.severity, t.n", condition="t.day >= $4", folded="t.location = '*'")}) AS t
 GROUP BY 1, 2, 3
"""  # noqa: S608 - constant text

HEATMAP = f"""
SELECT t.location, t.severity, sum(t.n)::bigint AS n
  FROM ({
    _counts(
        "t.location, t.severity, t.n",
        condition="t.kind = 'reported' AND t.day >= $4",
        folded="t.location <> '*' AND t.status = '*'",
    )
}) AS t
 GROUP BY 1, 2
"""  # noqa: S608 - constant text

_REPORTED = "t.reporter, t.severity, t.n"
LEADERBOARD = f"""
WITH counted AS (
    SELECT {_REPORTED} FROM reporter_tallies t WHERE {_SEEN} AND t.day >= $4
    UNION ALL SELECT {_REPORTED} FROM tally_changes t WHERE {_SEEN} AND t.day >= $4 AND t.kind = 'reported'
    UNION ALL {_OWN.format(columns=_REPORTED)} AND t.day >= $4 AND t.kind = 'reported'
), standings AS (
    SELECT reporter, sum(n)::bigint AS incidents,
           sum(n * CASE severity {" ".join(f"WHEN {int(s)} THEN {p}" for s, p in POINTS.items())} END)::bigint AS points
      FROM counted GROUP BY reporter HAVING sum(n) > 0
)
SELECT rank() OVER (ORDER BY s.points DESC) AS rank, s.points, s.incidents,
       u.id AS u_id, u.first_name AS u_first, u.last_name AS u_last, u.role AS u_role, u.house AS u_house
  FROM standings s JOIN users u ON u.id = s.reporter
 ORDER BY s.points DESC, s.incidents DESC, u.last_name, u.first_name, u.id LIMIT $5
"""  # noqa: S608 - constant text


def arguments(scope: Scope) -> tuple[Any, Any, Any]:
    """$1 to $3 of every statement here."""
    return scope.house.value if scope.house else None, int(scope.seen.up_to), scope.seen.user_id


async def overview(db: Executor, scope: Scope) -> Overview:
    """All that is and is not deleted."""
    severity, status, location = (
        dict.fromkeys(Severity, 0),
        dict.fromkeys(Status, 0),
        dict.fromkeys(Location, 0),
    )
    total, resolved, seconds = 0, 0, 0
    for row in await db.fetch(OVERVIEW, *arguments(scope)):
        if row["kind"] == "resolved":
            resolved += row["n"]
            seconds += row["seconds"]
            continue
        severity[Severity(row["severity"])] += row["n"]
        status[Status(row["status"])] += row["n"]
        location[Location(row["location"])] += row["n"]
        total += row["n"]
    return Overview(total, severity, status, location, seconds / resolved if resolved else None)


async def trends(db: Executor, scope: Scope, *, today: date, days: int) -> list[Day]:
    """Each of the last `days` days, the oldest first; also those on which nothing happened."""
    first = today - timedelta(days=days - 1)
    reported: dict[date, dict[Severity, int]] = {}
    resolved: dict[date, int] = {}
    for row in await db.fetch(TRENDS, *arguments(scope), first):
        if row["kind"] == "resolved":
            resolved[row["day"]] = resolved.get(row["day"], 0) + row["n"]
        else:
            reported.setdefault(row["day"], {})[Severity(row["severity"])] = row["n"]
    moments = (first + timedelta(days=number) for number in range(days))
    return [Day(day, _all(reported.get(day, {})), resolved.get(day, 0)) for day in moments]


async def heatmap(db: Executor, scope: Scope, *, today: date, days: int) -> list[Heat]:
    """Every place, the busiest first."""
    found: dict[Location, dict[Severity, int]] = {location: {} for location in Location}
    for row in await db.fetch(HEATMAP, *arguments(scope), today - timedelta(days=days - 1)):
        found[Location(row["location"])][Severity(row["severity"])] = row["n"]
    heats = [Heat(location, _all(counts)) for location, counts in found.items()]
    return sorted(heats, key=lambda heat: -heat.total)


async def leaderboard(db: Executor, scope: Scope, *, today: date, limit: int) -> Sequence[Standing]:
    """Who reported most in the last 30 days, by points."""
    first = today - timedelta(days=LEADERBOARD_DAYS - 1)
    rows = await db.fetch(LEADERBOARD, *arguments(scope), first, limit)
    return [Standing(row["rank"], person(row, "u"), row["points"], row["incidents"]) for row in rows]


async def fold(db: Executor) -> int:
    """Fold some changes into the tallies; returns how many, -1 while another process does it."""
    folded: int = await db.fetchval("SELECT fold_tallies($1)", FOLD_AT_ONCE)
    return folded


def _all(counts: Mapping[Severity, int]) -> dict[Severity, int]:
    return {severity: counts.get(severity, 0) for severity in Severity}
