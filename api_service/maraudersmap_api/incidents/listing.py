"""SQL of lists: pages, cursors, totals."""

from collections.abc import Sequence

from maraudersmap_api.errors import ValidationError
from maraudersmap_api.incidents.cursor import Place, is_ranked, read_cursor, write_cursor
from maraudersmap_api.incidents.filtering import Where, where
from maraudersmap_api.incidents.frequency import (
    EXACT_TOTAL,
    WALKED,
    all_matches,
    in_reach,
    index_count_statement,
    matches_in_sample,
    newest_count_statement,
    rank,
    some_matches,
)
from maraudersmap_api.incidents.models import (
    Filters,
    ListQuery,
    Order,
    Page,
    Severity,
    Sort,
    Status,
    Visibility,
)
from maraudersmap_api.incidents.repository import PEOPLE
from maraudersmap_api.incidents.slices import split, weighed
from maraudersmap_api.infra.db import Database, Executor, Row

RANKED_OF_MANY = 2_000
"""Where more than EXACT_TOTAL match, relevance ranks the newest so many: ranking reads each match's words."""

GATHERED = 20_000
"""So many matches are gathered to be counted and for a page of them at once: with 15,000 it takes 5 ms more than with
10,001, where a second look for the newest would take 40 to 80."""

NEVER_GATHERED = 3_000
"""Unless by the sample so many are among the WALKED newest: then these give the page sooner than gathering does."""

STAGES = (Status.OPEN, Status.IN_PROGRESS, Status.RESOLVED, Status.ARCHIVED)
STAGE = "(CASE i.status WHEN 'OPEN' THEN 1 WHEN 'IN_PROGRESS' THEN 2 WHEN 'RESOLVED' THEN 3 ELSE 4 END)"
"""The expression of the index incidents_stage_newest, letter by letter, or the planner would not know it."""

_RANK = {Sort.SEVERITY: "i.severity", Sort.STATUS: STAGE}


async def list_page(db: Database, query: ListQuery, seen: Visibility) -> Page:
    """Rows and total. A page past the end is empty.

    Raises ValidationError for a cursor that does not fit, and for pages deeper than EXACT_TOTAL rows.
    """
    skipped = (query.page - 1) * query.limit
    if query.search:
        async with db.connection() as connection:
            return await _search_page(connection, query, seen, skipped)
    if skipped < EXACT_TOTAL:
        statement, args = counted_page_statement(query, seen)
        return _counted_page(query, await db.fetch(statement, *args))
    statement, args = count_statement(query, seen)
    total: int = await db.fetchval(statement, *args)
    if total > EXACT_TOTAL:
        _check_depth(skipped, query.sorted_by)
    return _page(query, [], total)


async def _search_page(connection: Executor, query: ListQuery, seen: Visibility, skipped: int) -> Page:
    sampled = await matches_in_sample(connection, query.filters, seen)
    total = 0
    if in_reach(sampled, EXACT_TOTAL + 1, at_best=True):
        statement, args = newest_count_statement(query.filters, seen, WALKED)
        total = await connection.fetchval(statement, *args)
    elif in_reach(sampled, NEVER_GATHERED):
        statement, args = index_count_statement(query.filters, seen)
        total = await connection.fetchval(statement, *args)
    if total <= EXACT_TOTAL:  # neither has shown that there are more, so the index gives all
        statement, args = counted_page_statement(query, seen)
        rows = await connection.fetch(statement, *args)
        total = rows[0]["total"]
        if total > EXACT_TOTAL:
            _check_depth(skipped, query.sorted_by)
        if total <= GATHERED:
            return _counted_page(query, rows)
    _check_depth(skipped, query.sorted_by)
    statement, args = page_of_many_statement(query, seen, sampled)
    return _page(query, await connection.fetch(statement, *args), EXACT_TOTAL + 1)


def _check_depth(skipped: int, sort: Sort) -> None:
    """Of many matches pages show a part. Raises ValidationError, which explains how to get at the rest."""
    if sort is Sort.RELEVANCE and skipped >= RANKED_OF_MANY:
        hint = (
            f"page reaches {RANKED_OF_MANY} rows deep by relevance: narrow the search, or sort by reportedAt"
        )
        raise ValidationError.of("page", hint)
    if skipped >= EXACT_TOTAL:
        raise ValidationError.of("page", f"page reaches {EXACT_TOTAL} rows deep: go on with nextCursor")


def counted_page_statement(query: ListQuery, seen: Visibility) -> tuple[str, list[object]]:
    """A page, each row with the `total`, which beyond EXACT_TOTAL only means that there are more; one row without an id
    when there is none. In one round trip: two cost as much as everything else that a list needs.

    One row more than asked for: it shows whether there is more. Of a search with more matches than GATHERED only the
    total is of use: the page is then made of some of them (page_of_many_statement). Raises ValidationError.
    """
    matches = ""
    if query.search:
        ranked = query.sorted_by is Sort.RELEVANCE
        found, made = all_matches(
            "i.id, i.reported_at, i.severity, i.status", query.filters, seen, most=GATHERED, ranked=ranked
        )
        matches = f"{found},"
        total, source, condition = "SELECT count(*) AS total FROM matches", "matches", "true"
        if ranked:
            condition = f"""((SELECT total FROM counted) <= {EXACT_TOTAL} OR (i.reported_at, i.id) >= (
                SELECT m.reported_at, m.id FROM matches m ORDER BY m.reported_at DESC, m.id DESC
                OFFSET {RANKED_OF_MANY - 1} LIMIT 1))"""  # noqa: S608 - constant text
    else:
        made = where(query.filters, seen)
        total, source, condition = _total(query.filters, seen, made), "incidents", made.text
    if isinstance(query.cursor, str):
        condition += f" AND {_after(made, read_cursor(query.cursor, query), query)}"
    page = _ids(query, made, source, condition)
    rows = weighed(
        f"""FROM counted LEFT JOIN page ON true LEFT JOIN incidents i ON i.id = page.id
            LEFT {PEOPLE}""",
        "page.place",
        more=("counted.total",),
    )
    return f"WITH {matches} counted AS ({total}), page AS ({page}) {rows}", made.args


def count_statement(query: ListQuery, seen: Visibility) -> tuple[str, list[object]]:
    """How many match; beyond EXACT_TOTAL it only means that there are more."""
    made = Where() if _is_tallied(query.filters) else where(query.filters, seen)
    return _total(query.filters, seen, made), made.args


def _total(filters: Filters, seen: Visibility, made: Where) -> str:
    """SQL of the total, with its parameters in `made`, which has the conditions of the filters unless they are tallied."""
    if not _is_tallied(filters):
        return f"SELECT count(*) AS total FROM ({some_matches('1', made)}) AS matched"  # noqa: S608 - constant text
    open_to_all, only_own = seen.split(filters.severities)
    narrowed = ""
    if filters.locations:
        narrowed += f" AND location = ANY({made.bind([item.value for item in filters.locations])}::text[])"
    if filters.statuses:
        narrowed += f" AND status = ANY({made.bind([item.value for item in filters.statuses])}::text[])"
    severe = f" AND severity = ANY({_numbers(made, open_to_all)})" if len(open_to_all) < len(Severity) else ""
    tallied = f"kind = 'reported'{severe}{narrowed}"
    parts = [
        f"SELECT n FROM incident_tallies WHERE day = '-infinity' AND {tallied}",  # noqa: S608
        f"SELECT n FROM tally_changes WHERE {tallied}",  # noqa: S608
    ]
    if only_own:
        own = f"reported_by = {made.bind(seen.user_id)} AND severity = ANY({_numbers(made, only_own)}){narrowed}"
        parts.append(f"SELECT 1 FROM incidents WHERE deleted_at IS NULL AND {own}")  # noqa: S608
    return f"SELECT coalesce(sum(n), 0)::bigint AS total FROM ({' UNION ALL '.join(parts)}) AS counted"  # noqa: S608


def _is_tallied(filters: Filters) -> bool:
    """Has analytics counted these already (migration 0005)? Then it is some hundred rows to add up, not 10,001 to count."""
    return not (filters.search or filters.reported_by or filters.date_from or filters.date_to)


def _numbers(made: Where, severities: Sequence[Severity]) -> str:
    return f"{made.bind([int(severity) for severity in severities])}::smallint[]"


def page_of_many_statement(query: ListQuery, seen: Visibility, sampled: int) -> tuple[str, list[object]]:
    """A page of a search with more matches than EXACT_TOTAL, `sampled` of them in the sample. Raises ValidationError.

    Incidents are read in order until there are enough, unless that goes too far: then all matches are fetched first.
    """
    ranked = query.sorted_by is Sort.RELEVANCE
    wanted = RANKED_OF_MANY if ranked else query.page * query.limit + 1
    walk = in_reach(sampled, wanted, at_best=True)
    made = where(query.filters, seen, walk=walk)
    known, source, condition = "", "incidents", made.text
    if isinstance(query.cursor, str):
        condition += f" AND {_after(made, read_cursor(query.cursor, query), query)}"
    if ranked or not walk:
        columns = f"{rank(made)} AS rank" if ranked else "i.severity, i.status"
        newest = f"ORDER BY i.reported_at DESC, i.id DESC LIMIT {RANKED_OF_MANY}" if ranked else ""
        known = f"""matches AS MATERIALIZED (SELECT i.id, i.reported_at, {columns} FROM incidents i
                                              WHERE {condition} {newest}),"""  # noqa: S608 - constant text
        source, condition = "matches", "true"
    rows = weighed(f"FROM page JOIN incidents i ON i.id = page.id {PEOPLE}", "page.place")
    return f"WITH {known} page AS ({_ids(query, made, source, condition)}) {rows}", made.args


def _ids(query: ListQuery, made: Where, source: str, condition: str) -> str:
    """Which incidents, in which place: joining people only for the rows shown keeps deep pages cheap."""
    order = _order(query)
    limit, offset = made.bind(query.limit + 1), made.bind((query.page - 1) * query.limit)
    return f"""SELECT i.id, row_number() OVER (ORDER BY {order}) AS place FROM {source} i
               WHERE {condition} ORDER BY {order} LIMIT {limit} OFFSET {offset}"""  # noqa: S608 - constant text


def _order(query: ListQuery) -> str:
    """One direction for every column, so that one index serves both and a row comparison finds the place."""
    direction = "ASC" if query.order is Order.ASC else "DESC"
    if query.sorted_by is Sort.RELEVANCE:
        return f"i.rank {direction}, i.id DESC"
    columns = [_RANK[query.sorted_by]] if is_ranked(query.sorted_by) else []
    return ", ".join(f"{column} {direction}" for column in [*columns, "i.reported_at", "i.id"])


def _after(made: Where, place: Place, query: ListQuery) -> str:
    sign = ">" if query.order is Order.ASC else "<"
    columns, values = ["i.reported_at", "i.id"], [made.bind(place.reported_at), made.bind(place.id)]
    if is_ranked(query.sorted_by):
        columns.insert(0, _RANK[query.sorted_by])
        values.insert(0, f"{made.bind(place.rank)}::smallint")
    return f"({', '.join(columns)}) {sign} ({', '.join(values)})"


def _counted_page(query: ListQuery, rows: list[Row]) -> Page:
    return _page(query, rows if rows[0]["id"] else [], rows[0]["total"])


def _page(query: ListQuery, rows: list[Row], total: int) -> Page:
    has_more = len(rows) > query.limit
    rows = rows[: query.limit]
    incidents, rest = split(rows)
    by_cursor = isinstance(query.cursor, str)
    if by_cursor and rest:
        # Where a cursor leads on, a page may end early: nothing is skipped, and no client has to take 20 MB at once.
        rows, rest, has_more = rows[: len(incidents)], (), True
    leads_on = has_more and query.sorted_by is not Sort.RELEVANCE
    return Page(
        incidents=incidents,
        rest=rest,
        total=min(total, EXACT_TOTAL),
        total_exact=total <= EXACT_TOTAL,
        page=None if by_cursor else query.page,
        limit=query.limit,
        has_more=has_more,
        next_cursor=write_cursor(_place(rows[-1], query.sorted_by), query) if leads_on else None,
    )


def _place(last: Row, sort: Sort) -> Place:
    rank = 0
    if sort is Sort.SEVERITY:
        rank = last["severity"]
    elif sort is Sort.STATUS:
        rank = STAGES.index(Status(last["status"])) + 1
    return Place(rank, last["reported_at"], last["id"])
