"""Comments as clients see them."""

from typing import TypedDict

from maraudersmap_api.auth.shapes import UserRefJson, user_ref_json
from maraudersmap_api.comments.models import Comment, CommentPage
from maraudersmap_api.wire import Timestamp, rfc3339


class CommentJson(TypedDict):
    """A comment as clients see it."""

    id: int
    incidentId: int
    author: UserRefJson
    content: str
    createdAt: Timestamp
    updatedAt: Timestamp


class CommentPageJson(TypedDict):
    """A part of the comments, oldest first."""

    data: list[CommentJson]
    total: int
    page: int
    limit: int
    hasMore: bool


def comment_json(comment: Comment) -> CommentJson:
    """One comment."""
    return {
        "id": comment.id,
        "incidentId": comment.incident_id,
        "author": user_ref_json(comment.author),
        "content": comment.content,
        "createdAt": rfc3339(comment.created_at),
        "updatedAt": rfc3339(comment.updated_at),
    }


def comment_page_json(found: CommentPage) -> CommentPageJson:
    """A part of the comments."""
    return {
        "data": [comment_json(comment) for comment in found.comments],
        "total": found.total,
        "page": found.page,
        "limit": found.limit,
        "hasMore": found.has_more,
    }
