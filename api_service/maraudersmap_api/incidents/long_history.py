"""A long history, a few entries at a time: each may hold two lists of addresses, 320 KB, and a page has a hundred."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from maraudersmap_api.auth.models import User
from maraudersmap_api.incidents.long_pages import page_body
from maraudersmap_api.incidents.models import HistoryPage, Paging
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.incidents.shapes import history_page_json
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.wire import Encoded

AT_ONCE = 5
WORKING_BYTES = 8 * 1024 * 1024
"""What so many entries take while they are read and written."""


@dataclass(frozen=True, slots=True)
class _Part(Paging):
    """So many entries from any place on."""

    start: int = 0

    @property
    def offset(self) -> int:
        return self.start


async def history_body(
    incidents: IncidentService, budget: ByteBudget, incident_id: int, paging: Paging, viewer: User
) -> Encoded | AsyncIterator[bytes]:
    """JSON of a page of what happened to an incident, whole or made while it is sent.

    Raises NotFound, Forbidden, Unavailable; also while it is sent.
    """

    place = paging.offset

    async def part(most: int) -> HistoryPage:
        nonlocal place
        asked = _Part(page=paging.page, limit=min(AT_ONCE, most), start=place)
        found = await incidents.history(incident_id, asked, viewer=viewer)
        place += len(found.entries)
        return found

    async def more(most: int) -> Sequence[Any]:
        return history_page_json(await part(most))["data"]

    def shape(entries: Sequence[Any]) -> Any:
        return {**history_page_json(HistoryPage((), total, paging.page, paging.limit)), "data": entries}

    first = await part(paging.limit)
    total = first.total
    count = min(total - paging.offset, paging.limit)
    entries = history_page_json(first)["data"]
    return page_body(entries, count, more, shape, budget=budget, working=WORKING_BYTES)
