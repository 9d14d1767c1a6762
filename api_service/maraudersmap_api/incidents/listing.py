"""SQL of lists: pages, cursors, totals."""

from maraudersmap_api.errors import ValidationError
from maraudersmap_api.incidents.cursor import Place, is_ranked, read_cursor, write_cursor
from maraudersmap_api.incidents.filtering import Where, where
from maraudersmap_api.incidents.models import Incident, ListQuery, Order, Page, Sort, Status, Visibility
from maraudersmap_api.incidents.repository import PEOPLE, SELECT, incident
from maraudersmap_api.infra.db import Database, Row

EXACT_TOTAL = 10_000
"""Counting further costs more than anyone gains; also how deep pages reach."""

RANKED_OF_MANY = 2_000
"""Where more than EXACT_TOTAL match, relevance ranks the newest so many: ranking reads each match's words."""

STAGES = (Status.OPEN, Status.IN_PROGRESS, Status.RESOLVED, Status.ARCHIVED)
STAGE = "(CASE i.status WHEN 'OPEN' THEN 1 WHEN 'IN_PROGRESS' THEN 2 WHEN 'RESOLVED' THEN 3 ELSE 4 END)"
"""The expression of the index incidents_stage_newest, letter by letter, or the planner would not know it."""

_RANK = {Sort.SEVERITY: "i.severity", Sort.STATUS: STAGE}


async def list_page(db: Database, query: ListQuery, seen: Visibility) -> Page:
    """Rows and total. A page past the end is empty.

    Raises ValidationError for a cursor that does not fit, and for pages deeper than EXACT_TOTAL rows.
    """
    skipped = (query.page - 1) * query.limit
    if not query.search and skipped < EXACT_TOTAL:
        statement, args = counted_page_statement(query, seen)
        rows = await db.fetch(statement, *args)
        return _page(query, rows if rows[0]["id"] else [], rows[0]["total"])
    counted, count_args = count_statement(query, seen)
    async with db.connection() as connection:
        total: int = await connection.fetchval(counted, *count_args)
        if total > EXACT_TOTAL:
            _check_depth(skipped, query.sorted_by)
        statement, args = page_statement(query, seen, few=total <= EXACT_TOTAL)
        rows = await connection.fetch(statement, *args) if skipped < total else []
    return _page(query, rows, total)


def _check_depth(skipped: int, sort: Sort) -> None:
    """Of many matches pages show a part. Raises ValidationError that says how to get at the rest."""
    if sort is Sort.RELEVANCE and skipped >= RANKED_OF_MANY:
        hint = (
            f"page reaches {RANKED_OF_MANY} rows deep by relevance: narrow the search, or sort by reportedAt"
        )
        raise ValidationError.of("page", hint)
    if skipped >= EXACT_TOTAL:
        raise ValidationError.of("page", f"page reaches {EXACT_TOTAL} rows deep: go on with nextCursor")


def counted_page_statement(query: ListQuery, seen: Visibility) -> tuple[str, list[object]]:
    """Rows as of `page_statement`, each with the `total` of `count_statement`; one row without an id when there is
    none. In one round trip: two cost as much as everything else that a list needs. Raises ValidationError."""
    counted, _ = count_statement(query, seen)  # its parameters are the first of ours
    made = _matching(query, seen)
    page = _ids(query, made, "incidents", made.text)
    statement = f"""
        WITH counted AS ({counted}), page AS ({page})
        {SELECT}, counted.count AS total
        FROM counted LEFT JOIN page ON true LEFT JOIN incidents i ON i.id = page.id
        LEFT {PEOPLE} ORDER BY page.place"""
    return statement, made.args


def count_statement(query: ListQuery, seen: Visibility) -> tuple[str, list[object]]:
    """How many match, counted up to one more than EXACT_TOTAL."""
    made = where(query.filters, seen)
    return (
        f"SELECT count(*) FROM (SELECT 1 FROM incidents i WHERE {made.text} LIMIT {EXACT_TOTAL + 1}) AS counted",  # noqa: S608 - constant text
        made.args,
    )


def page_statement(query: ListQuery, seen: Visibility, *, few: bool) -> tuple[str, list[object]]:
    """One row more than asked for: it tells whether there is more. Raises ValidationError.

    `few`: at most EXACT_TOTAL rows match.
    """
    made = _matching(query, seen)
    matches = f"SELECT i.id, i.reported_at, i.severity, i.status, i.search FROM incidents i WHERE {made.text}"  # noqa: S608
    # The planner guesses that half a percent of all rows has an unknown word. It would then walk the newest until it
    # has enough, which for a word that only three rows have is the whole table. So: few matches are fetched first.
    source = "matches"
    if not (made.terms and few):
        source = "incidents"
        if query.sorted_by is Sort.RELEVANCE:
            source = "matches"
            matches += f" ORDER BY i.reported_at DESC, i.id DESC LIMIT {RANKED_OF_MANY}"
    known = f"matches AS MATERIALIZED ({matches})," if source == "matches" else ""
    page = _ids(query, made, source, "true" if source == "matches" else made.text)
    statement = f"""
        WITH {known} page AS ({page})
        {SELECT} FROM page JOIN incidents i ON i.id = page.id {PEOPLE} ORDER BY page.place"""
    return statement, made.args


def _matching(query: ListQuery, seen: Visibility) -> Where:
    """What matches, from where the cursor stands. Raises ValidationError."""
    made = where(query.filters, seen)
    if isinstance(query.cursor, str):
        _start_after(made, read_cursor(query.cursor, query), query)
    return made


def _ids(query: ListQuery, made: Where, source: str, condition: str) -> str:
    """Which incidents, in which place: joining people only for the rows shown keeps deep pages cheap."""
    order = _order(query, made)
    limit, offset = made.bind(query.limit + 1), made.bind((query.page - 1) * query.limit)
    return f"""SELECT i.id, row_number() OVER (ORDER BY {order}) AS place FROM {source} i
               WHERE {condition} ORDER BY {order} LIMIT {limit} OFFSET {offset}"""  # noqa: S608 - constant text


def _order(query: ListQuery, made: Where) -> str:
    """One direction for every column, so that one index serves both and a row comparison finds the place."""
    direction = "ASC" if query.order is Order.ASC else "DESC"
    if query.sorted_by is Sort.RELEVANCE:
        # A search without any word finds nothing, in whatever order.
        rank = f"ts_rank(i.search, to_tsquery('simple', {made.terms})) {direction}, " if made.terms else ""
        return f"{rank}i.id DESC"
    columns = [_RANK[query.sorted_by]] if is_ranked(query.sorted_by) else []
    return ", ".join(f"{column} {direction}" for column in [*columns, "i.reported_at", "i.id"])


def _start_after(made: Where, place: Place, query: ListQuery) -> None:
    sign = ">" if query.order is Order.ASC else "<"
    columns, values = ["i.reported_at", "i.id"], [made.bind(place.reported_at), made.bind(place.id)]
    if is_ranked(query.sorted_by):
        columns.insert(0, _RANK[query.sorted_by])
        values.insert(0, f"{made.bind(place.rank)}::smallint")
    made.add(f"({', '.join(columns)}) {sign} ({', '.join(values)})")


def _page(query: ListQuery, rows: list[Row], total: int) -> Page:
    incidents = tuple(incident(row) for row in rows[: query.limit])
    has_more = len(rows) > query.limit
    leads_on = has_more and query.sorted_by is not Sort.RELEVANCE
    return Page(
        incidents=incidents,
        total=min(total, EXACT_TOTAL),
        total_exact=total <= EXACT_TOTAL,
        page=None if isinstance(query.cursor, str) else query.page,
        limit=query.limit,
        has_more=has_more,
        next_cursor=write_cursor(_place(incidents[-1], query.sorted_by), query) if leads_on else None,
    )


def _place(last: Incident, sort: Sort) -> Place:
    rank = {Sort.SEVERITY: int(last.severity), Sort.STATUS: STAGES.index(last.status) + 1}.get(sort, 0)
    return Place(rank, last.reported_at, last.id)
