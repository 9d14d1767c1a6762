"""`/api/incidents/{id}/comments`: parse, call, shape."""

from typing import TypedDict

from maraudersmap_api.auth.handlers import UserRefJson, user_ref_json
from maraudersmap_api.auth.models import User
from maraudersmap_api.comments.models import Comment, NewComment
from maraudersmap_api.comments.service import CommentService
from maraudersmap_api.errors import Conflict, Forbidden, NotFound
from maraudersmap_api.http.answers import rfc3339
from maraudersmap_api.http.api import Answer, Api, Idempotency
from maraudersmap_api.http.outputs import Timestamp
from maraudersmap_api.idempotency.once import Once
from maraudersmap_api.incidents.models import Paging


class CommentJson(TypedDict):
    """A comment as clients see it."""

    id: int
    incidentId: int
    author: UserRefJson
    content: str
    createdAt: Timestamp
    updatedAt: Timestamp


class CommentPageJson(TypedDict):
    """A part of what was said, oldest first."""

    data: list[CommentJson]
    total: int
    page: int
    limit: int
    hasMore: bool


def add_comment_routes(api: Api, comments: CommentService, once: Once) -> None:
    """Reading, writing, hiding."""
    routes = api.tagged("comments")

    @routes.get("/api/incidents/{id}/comments", refuses=(Forbidden, NotFound))
    async def index(id: int, query: Paging, caller: User) -> Answer[CommentPageJson]:  # noqa: A002 - as in the path
        """Read what was said about an incident."""
        found = await comments.page(id, query, viewer=caller)
        return Answer(
            {
                "data": [comment_json(comment) for comment in found.comments],
                "total": found.total,
                "page": found.page,
                "limit": found.limit,
                "hasMore": found.has_more,
            }
        )

    @routes.post("/api/incidents/{id}/comments", status=201, refuses=(Forbidden, NotFound, Conflict))
    async def create(
        id: int,  # noqa: A002 - as in the path
        body: NewComment,
        caller: User,
        idempotency: Idempotency,
    ) -> Answer[CommentJson]:
        """Comment on an incident.

        `@local.part` of an e-mail address notifies that user, if they may see the incident.
        """
        return await once.run(
            idempotency,
            lambda keeper: comments.add(id, body, actor=caller, keeper=keeper),
            lambda comment: Answer(comment_json(comment), status=201),
            caller=caller,
            method="POST",
            path=f"/api/incidents/{id}/comments",
        )

    @routes.delete("/api/incidents/{id}/comments/{commentId}", refuses=(Forbidden, NotFound, Conflict))
    async def delete(id: int, comment_id: int, caller: User) -> None:  # noqa: A002 - as in the path
        """Delete a comment of your own; Aurors delete any."""
        await comments.delete(id, comment_id, actor=caller)


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
