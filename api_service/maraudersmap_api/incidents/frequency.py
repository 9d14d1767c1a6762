"""How common the words of a search are, which decides how to find their matches.

The index on words gives all matches in one go, in no order: right for few, but for a word of every tenth incident it
takes longer than reading the newest incidents one after the other until enough of them match. PostgreSQL cannot tell
which it is (filtering.search), so the words are counted in a few of the newest incidents first.
"""

from maraudersmap_api.incidents.filtering import Where, in_title, is_written, matches, where
from maraudersmap_api.incidents.models import Filters, Visibility
from maraudersmap_api.infra.db import Executor

EXACT_TOTAL = 10_000
"""Counting further costs more than anyone gains; also how deep pages reach."""

SAMPLED = 2_000
"""So many of the newest incidents show how common the words are: a millisecond or two."""

WALKED = 200_000
"""At most so many are read one after the other, in some 60 ms. By then the index on words has found 10,000 of a word
that one incident in twenty has."""


WALKED_AT_BEST = 90_000
"""So many are read in some 50 ms. Where that is not enough, the index on words counts, or gathers, sooner: measured on a
million incidents, of which it meets two in a hundred, in order or not, in as long."""


async def matches_in_sample(db: Executor, filters: Filters, seen: Visibility) -> int:
    """How many of the SAMPLED newest incidents match."""
    statement, args = newest_count_statement(filters, seen, SAMPLED)
    count: int = await db.fetchval(statement, *args)
    return count


def in_reach(matches: int, wanted: int, *, at_best: bool = False) -> bool:
    """With so many `matches` in the sample, does reading the WALKED newest incidents find `wanted` of them? `at_best`: and
    sooner than the index."""
    return matches * ((WALKED_AT_BEST if at_best else WALKED) // SAMPLED) >= wanted


def newest_count_statement(filters: Filters, seen: Visibility, newest: int) -> tuple[str, list[object]]:
    """How many of the newest incidents match; beyond EXACT_TOTAL it only means that there are more."""
    made = where(filters, seen, walk=True)
    return f"SELECT count(*) AS total FROM ({some_matches('1', made, newest)}) AS matched", made.args  # noqa: S608 - constant text


def index_count_statement(filters: Filters, seen: Visibility) -> tuple[str, list[object]]:
    """How many the index on words gives; beyond EXACT_TOTAL it only means that there are more."""
    made = where(filters, seen)
    return f"SELECT count(*) AS total FROM ({some_matches('1', made)}) AS matched", made.args  # noqa: S608 - constant text


def all_matches(
    columns: str, filters: Filters, seen: Visibility, *, most: int = EXACT_TOTAL, ranked: bool = False
) -> tuple[str, Where]:
    """A query `matches` for WITH: what has the words, and what has the text as it stands in its title.

    At most `most` and one more of the first; where more than EXACT_TOTAL have the words, titles are not looked at.
    `ranked`: with a column `rank`, by relevance.
    """
    made = where(filters, seen)
    if ranked:
        columns += f", {rank(made)} AS rank"
    by_words = some_matches(columns, made, most=most)
    if not is_written(filters.search):
        return f"matches AS MATERIALIZED ({by_words})", made
    not_by_words = f"NOT {matches(made)}" if made.terms else "true"
    return (
        f"""by_words AS MATERIALIZED ({by_words}),
            by_title AS MATERIALIZED (
                SELECT {columns} FROM incidents i
                 WHERE (SELECT count(*) FROM by_words) <= {EXACT_TOTAL} AND {made.filters}
                   AND {in_title(made, filters.search)} AND {not_by_words} LIMIT {EXACT_TOTAL + 1}),
            matches AS (TABLE by_words UNION ALL TABLE by_title)""",  # noqa: S608 - constant text
        made,
    )


def rank(made: Where) -> str:
    """SQL of how relevant an incident is. A search without any word finds nothing, in whatever order."""
    return f"ts_rank(i.search, {made.words})" if made.terms else "0::real"


def some_matches(columns: str, made: Where, newest: int | None = None, *, most: int = EXACT_TOTAL) -> str:
    """All matches, but at most `most` and one more. `newest`: those among the newest so many of the
    period, whatever else is asked for: how long that takes does not depend on it."""
    source = "incidents"
    if newest is not None:
        source = f"""(SELECT i.id, i.severity, i.location, i.status, i.reported_by, i.reported_at, i.deleted_at, i.search
                        FROM incidents i WHERE {made.period}
                       ORDER BY i.reported_at DESC, i.id DESC LIMIT {newest})"""  # noqa: S608 - constant text
    # Without an order the table is read from its oldest row on, past all that came before `dateFrom`. The index on
    # words has no order, and with one asked for all its matches would be sorted.
    order = "" if made.terms else "ORDER BY i.reported_at DESC, i.id DESC"
    return f"SELECT {columns} FROM {source} i WHERE {made.text} {order} LIMIT {most + 1}"  # noqa: S608
