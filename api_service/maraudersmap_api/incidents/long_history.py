"""A long history, a few entries at a time: each may hold two lists of addresses, 320 KB, and a page has a hundred."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from maraudersmap_api.auth.models import User
from maraudersmap_api.incidents.models import HistoryPage, Paging
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.incidents.shapes import history_page_json
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.wire import Encoded, encode

AT_ONCE = 5
WORKING_BYTES = 8 * 1024 * 1024
"""What so many entries take while they are read and written."""

_EMPTY = b'{"data":['


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

    async def part(start: int) -> HistoryPage:
        most = min(AT_ONCE, paging.offset + paging.limit - start)
        asked = _Part(page=paging.page, limit=most, start=start)
        return await incidents.history(incident_id, asked, viewer=viewer)

    first = await part(paging.offset)
    whole = HistoryPage(first.entries, first.total, paging.page, paging.limit)
    end = min(first.total, paging.offset + paging.limit)
    body = encode(history_page_json(whole))
    if paging.offset + AT_ONCE >= end:
        return body

    async def pieces() -> AsyncIterator[bytes]:
        # history_page_json has `data` first, so a page is its entries and then its end.
        empty = HistoryPage((), first.total, paging.page, paging.limit)
        tail = encode(history_page_json(empty)).removeprefix(_EMPTY)
        yield body.removesuffix(tail)
        for start in range(paging.offset + AT_ONCE, end, AT_ONCE):
            async with budget.hold(WORKING_BYTES):
                found = await part(start)
                piece = encode(history_page_json(found)["data"])[1:-1]
            del found
            if piece:
                yield b"," + piece
        yield tail

    return pieces()
