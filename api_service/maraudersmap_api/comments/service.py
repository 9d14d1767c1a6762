"""Discussing an incident. Those who may view it may read and write; what is closed is read-only."""

from collections.abc import Sequence

from maraudersmap_api.auth.models import User
from maraudersmap_api.comments import repository
from maraudersmap_api.comments.models import Account, Comment, Mention, NewComment, mentioned
from maraudersmap_api.errors import Forbidden, NotFound
from maraudersmap_api.idempotency.once import Keeper, NoKey
from maraudersmap_api.incidents import repository as incidents
from maraudersmap_api.incidents import rules
from maraudersmap_api.incidents.models import Incident, Paging
from maraudersmap_api.infra.db import Database, Executor
from maraudersmap_api.outbox import repository as outbox
from maraudersmap_api.outbox.models import EventType, NewNotification, NotificationType
from maraudersmap_api.outbox.publisher import Publisher

EXCERPT = 200  # characters of a comment that a notification shows


class CommentService:
    """Comments."""

    def __init__(self, db: Database, publisher: Publisher) -> None:
        self._db = db
        self._publisher = publisher

    async def page(self, incident_id: int, paging: Paging, *, viewer: User) -> tuple[list[Comment], int]:
        """The first of a page of comments, as many as may be read at once, and how many comments there are.

        Raises NotFound, Forbidden, Unavailable.
        """
        async with self._db.connection() as connection:
            rules.visible(await incidents.find(connection, incident_id), viewer)
            seen = rules.visibility(viewer)
            return await repository.page(
                connection, incident_id, seen, limit=paging.limit, offset=paging.offset
            )

    async def after(self, incident_id: int, last: int, *, limit: int, viewer: User) -> list[Comment]:
        """Those that follow the one of this number, as many as may be read at once.

        Raises NotFound, Forbidden, Unavailable.
        """
        async with self._db.connection() as connection:
            rules.visible(await incidents.find(connection, incident_id), viewer)
            seen = rules.visibility(viewer)
            return await repository.after(connection, incident_id, seen, last, limit=limit)

    async def add(
        self, incident_id: int, new: NewComment, *, actor: User, keeper: Keeper[Comment] | None = None
    ) -> Comment:
        """Write a comment. Raises NotFound, Forbidden, Conflict when the incident is closed, Unavailable."""
        keeper = keeper or NoKey()
        async with self._db.transaction() as tx:
            await keeper.begin(tx)
            # Held, not locked: two people may speak at once, but no one while somebody resolves.
            incident = rules.visible(await incidents.hold(tx, incident_id), actor)
            rules.check_open(incident)
            comment = await repository.insert(tx, incident_id, actor, new.content)
            payload = {"comment": comment.id, "actor": str(actor.id)}
            event = await outbox.add_event(tx, EventType.COMMENT_CREATED, incident_id, payload)
            notices = await outbox.add_notifications(tx, await _notices(tx, incident, comment, actor))
            await keeper.finish(tx, comment)
        self._publisher.publish((event, *notices))
        return comment

    async def delete(self, incident_id: int, comment_id: int, *, actor: User) -> None:
        """Hide a comment: one's own, or as an Auror. Raises NotFound, Forbidden, Conflict, Unavailable."""
        async with self._db.transaction() as tx:
            incident = rules.visible(await incidents.hold(tx, incident_id), actor)
            comment = await repository.find(tx, incident_id, comment_id)
            if comment is None:
                raise NotFound("There is no such comment")
            if not rules.may_delete_comment(actor, comment.author.id):
                raise Forbidden("You may delete only your own comments")
            rules.check_open(incident)
            if not await repository.soft_delete(tx, incident_id, comment_id):
                raise NotFound("There is no such comment")
            payload = {"comment": comment_id, "actor": str(actor.id)}
            event = await outbox.add_event(tx, EventType.COMMENT_DELETED, incident_id, payload)
        self._publisher.publish((event,))


async def _notices(tx: Executor, incident: Incident, comment: Comment, actor: User) -> list[NewNotification]:
    """Who is named, if they may see the incident; and the reporter. No one twice, and never the author."""
    readers = {
        account.id: NotificationType.MENTION
        for account in await _named(tx, mentioned(comment.content))
        if account.is_active
        and rules.visibility_of(account.id, account.role).sees(incident.severity, incident.reported_by.id)
    }
    readers.setdefault(incident.reported_by.id, NotificationType.COMMENT_ADDED)
    readers.pop(actor.id, None)
    name = f"{actor.first_name} {actor.last_name}"
    titles = {
        NotificationType.MENTION: f"{name} mentioned you",
        NotificationType.COMMENT_ADDED: f"{name} commented on your incident",
    }
    metadata = {"commentId": comment.id}
    return [
        NewNotification(reader, kind, titles[kind], _excerpt(comment.content), incident.id, metadata)
        for reader, kind in readers.items()
    ]


async def _named(tx: Executor, mentions: Sequence[Mention]) -> list[Account]:
    if not mentions:
        return []
    asked = {address for mention in mentions for address in (*mention.meant, *mention.otherwise)}
    found = {account.email: account for account in await repository.accounts(tx, sorted(asked))}
    addresses = (m.meant if found.keys() & set(m.meant) else m.otherwise for m in mentions)
    return [found[address] for some in addresses for address in some if address in found]


def _excerpt(content: str) -> str:
    return content if len(content) <= EXCERPT else content[: EXCERPT - 1] + "…"
