"""`/api/incidents/{id}/comments`: parse, call, shape."""

from maraudersmap_api.auth.models import User
from maraudersmap_api.comments.long_page import comments_body
from maraudersmap_api.comments.models import NewComment
from maraudersmap_api.comments.service import CommentService
from maraudersmap_api.comments.shapes import CommentJson, CommentPageJson, comment_json
from maraudersmap_api.errors import Conflict, Forbidden, NotFound
from maraudersmap_api.http.api import Answer, Api, Idempotency, Pieces
from maraudersmap_api.idempotency.handlers import answered_once
from maraudersmap_api.idempotency.once import Once
from maraudersmap_api.incidents.models import Paging
from maraudersmap_api.infra.budget import ByteBudget


def add_comment_routes(api: Api, comments: CommentService, once: Once, budget: ByteBudget) -> None:
    """Reading, writing, hiding."""
    routes = api.tagged("comments")

    @routes.get("/api/incidents/{id}/comments", refuses=(Forbidden, NotFound))
    async def index(id: int, query: Paging, caller: User) -> Answer[CommentPageJson]:  # noqa: A002 - as in the path
        """Read the comments on an incident."""
        body = await comments_body(comments, budget, id, query, caller)
        return Answer(body if isinstance(body, bytes) else Pieces(body))

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
        return await answered_once(
            once,
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
