"""A long history, a few entries at a time: each may hold two lists of addresses, 320 KB, and a page has a hundred."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from maraudersmap_api.auth.models import User
from maraudersmap_api.http.api import Answer, encode
from maraudersmap_api.http.streams import Pieces
from maraudersmap_api.incidents.models import HistoryPage, Paging
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.incidents.shapes import HistoryPageJson, history_page_json
from maraudersmap_api.infra.budget import ByteBudget

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


async def history_answer(
    incidents: IncidentService, budget: ByteBudget, incident_id: int, paging: Paging, viewer: User
) -> Answer[HistoryPageJson]:
    """A page of what happened to an incident. Raises NotFound, Forbidden, Unavailable; also while it is sent."""

    async def part(start: int) -> HistoryPage:
        most = min(AT_ONCE, paging.offset + paging.limit - start)
        asked = _Part(page=paging.page, limit=most, start=start)
        return await incidents.history(incident_id, asked, viewer=viewer)

    first = await part(paging.offset)
    whole = HistoryPage(first.entries, first.total, paging.page, paging.limit)
    end = min(first.total, paging.offset + paging.limit)
    body = encode(history_page_json(whole))
    if paging.offset + AT_ONCE >= end:
        return Answer(body)

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

    return Answer(Pieces(pieces()))
