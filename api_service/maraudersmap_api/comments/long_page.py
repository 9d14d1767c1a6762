"""A page of comments, a part at a time: each may have 20 KB, and a page a hundred."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from maraudersmap_api.auth.models import User
from maraudersmap_api.comments.models import CommentPage
from maraudersmap_api.comments.service import CommentService
from maraudersmap_api.comments.shapes import comment_json, comment_page_json
from maraudersmap_api.incidents.long_pages import page_body
from maraudersmap_api.incidents.models import Paging
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.wire import Encoded

WORKING_BYTES = 1024 * 1024
"""What a part (repository.PART_BYTES) takes while it is read and written."""


async def comments_body(
    comments: CommentService, budget: ByteBudget, incident_id: int, paging: Paging, viewer: User
) -> Encoded | AsyncIterator[bytes]:
    """JSON of a page of the comments on an incident, whole or made while it is sent.

    Raises NotFound, Forbidden, Unavailable; also while it is sent.
    """
    found, total = await comments.page(incident_id, paging, viewer=viewer)
    last = found[-1].id if found else 0

    async def more(most: int) -> Sequence[Any]:
        # From the last one on, not from a place: one before it may have been deleted meanwhile.
        nonlocal last
        rest = await comments.after(incident_id, last, limit=most, viewer=viewer)
        last = rest[-1].id if rest else last
        return [comment_json(comment) for comment in rest]

    def shape(shown: Sequence[Any]) -> Any:
        return {**comment_page_json(CommentPage((), total, paging.page, paging.limit)), "data": shown}

    count = min(total - paging.offset, paging.limit)
    first = [comment_json(comment) for comment in found]
    return page_body(first, count, more, shape, budget=budget, working=WORKING_BYTES)
