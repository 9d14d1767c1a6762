"""Reading many incidents a bounded number of bytes at a time.

A hundred incidents may be 30 KB or 20 MB. Statements therefore weigh rows while they read them: text comes only with the
rows that fit into a slice, of the others the number. Those are read later, some at a time and each judged again, when
the ones before them have gone out; what was hidden or deleted meanwhile is left out.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from maraudersmap_api.auth.models import House
from maraudersmap_api.incidents.filtering import where
from maraudersmap_api.incidents.models import Filters, Incident, Visibility
from maraudersmap_api.incidents.repository import PEOPLE, SELECT, incident
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.db import Executor, Row

SLICE_BYTES = 512 * 1024
"""Of text, in UTF-8, plus at most one incident more."""

WORKING_BYTES = 4 * 1024 * 1024
"""What a slice takes while it is read and written as JSON or CSV: the bytes from the database, text of up to four bytes a
character, the answer."""

WEIGHT = """(octet_length(i.title) + octet_length(i.description) + octet_length(array_to_string(i.tags, ''))
    + octet_length(array_to_string(i.evidence_urls, '')))"""

_HEAVY = ("title", "description", "tags", "evidence_urls")
_COLUMNS = (
    *(
        "id",
        "title",
        "description",
        "severity",
        "location",
        "status",
        "reported_at",
        "updated_at",
        "resolved_at",
    ),
    *("tags", "evidence_urls", "witness_count", "version"),
    *(f"{person}_{part}" for person in "rs" for part in ("id", "first", "last", "role", "house")),
)

_SHOWN = ", ".join(f"CASE WHEN w.fits THEN w.{c} END AS {c}" if c in _HEAVY else f"w.{c}" for c in _COLUMNS)

Render = Callable[[Sequence[Incident]], Awaitable[bytes]]


def weighed(source: str, order: str, *, more: Sequence[str] = ()) -> str:
    """SQL of a statement that reads incidents (`i`), people and the columns `more` from `source`, in `order`.

    Its rows have SELECT's columns, `more` and `fits`: where that is false, what is heavy was left out. The first row fits.
    """
    extra = "".join(f", w.{column.rpartition('.')[2]}" for column in more)
    inner = "".join(f", {column}" for column in more)
    return f"""
        SELECT {_SHOWN}{extra}, w.fits FROM (
            {SELECT}{inner}, coalesce(sum({WEIGHT}) OVER (ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING
                AND 1 PRECEDING), 0) < {SLICE_BYTES} AS fits
            {source} ORDER BY {order}) AS w"""  # noqa: S608 - constant text


def split(rows: Sequence[Row]) -> tuple[tuple[Incident, ...], tuple[int, ...]]:
    """What came, and the numbers of what did not fit."""
    fitting = [row for row in rows if row["fits"]]
    return tuple(incident(row) for row in fitting), tuple(row["id"] for row in rows[len(fitting) :])


async def rendered(
    db: Executor,
    budget: ByteBudget,
    numbers: Sequence[int],
    seen: Visibility,
    render: Render,
    *,
    took: int,
    house: House | None = None,
) -> AsyncIterator[bytes]:
    """Incidents of these numbers, in their order, a slice at a time. `took`: as many fitted into the last slice.

    Raises Unavailable, also in the middle.
    """
    left = list(numbers)
    while left:
        # Weighing unpacks every row that is asked for: ask for about as many as will fit.
        asked = left[: max(1, 2 * took)]
        async with budget.hold(WORKING_BYTES):
            statement, args = slice_statement(asked, seen, house)
            found, rest = split(await db.fetch(statement, *args))
            piece = await render(found) if found else b""
        took = len(found)
        left = [*rest, *left[len(asked) :]]
        del found
        if piece:
            yield piece
        del piece


def slice_statement(
    numbers: Sequence[int], seen: Visibility, house: House | None = None
) -> tuple[str, list[object]]:
    """As many of these incidents as fit, in this order."""
    made = where(Filters(), seen)
    asked = made.bind(list(numbers))
    if house is not None:
        made.add(f"r.house = {made.bind(house.value)}")
    source = f"""FROM unnest({asked}::bigint[]) WITH ORDINALITY AS asked (id, place)
                 JOIN incidents i ON i.id = asked.id {PEOPLE} WHERE {made.text}"""
    return weighed(source, "asked.place"), made.args
