"""`/api/notifications`: parse, call, shape. There is no rule but "one's own", which is in the SQL."""

from typing import Any, TypedDict

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import NotFound
from maraudersmap_api.http.answers import rfc3339, rfc3339_or_none
from maraudersmap_api.http.api import Answer, Api
from maraudersmap_api.http.outputs import Id, Timestamp
from maraudersmap_api.incidents.rules import visibility
from maraudersmap_api.infra.db import Database
from maraudersmap_api.notifications import repository
from maraudersmap_api.notifications.models import Notification, NotificationQuery
from maraudersmap_api.outbox.models import NotificationType


class NotificationJson(TypedDict):
    """A notification. Title, message and metadata are withheld once the incident is hidden from its reader."""

    id: int
    userId: Id
    type: NotificationType
    title: str
    message: str
    incidentId: int
    createdAt: Timestamp
    readAt: Timestamp | None
    metadata: dict[str, Any]


class NotificationListJson(TypedDict):
    """The newest notifications."""

    data: list[NotificationJson]


class CountJson(TypedDict):
    """How many."""

    count: int


def add_notification_routes(api: Api, db: Database) -> None:
    """One's own notifications."""
    routes = api.tagged("notifications")

    @routes.get("/api/notifications")
    async def index(query: NotificationQuery, caller: User) -> Answer[NotificationListJson]:
        """List your notifications, newest first."""
        found = await repository.listed(db, query, visibility(caller))
        return Answer({"data": [notification_json(notification) for notification in found]})

    @routes.get("/api/notifications/unread/count")
    async def unread(caller: User) -> Answer[CountJson]:
        """Count your unread notifications."""
        return Answer({"count": await repository.unread(db, caller.id)})

    @routes.post("/api/notifications/{id}/read", refuses=(NotFound,))
    async def read(id: int, caller: User) -> Answer[NotificationJson]:  # noqa: A002 - as in the path
        """Mark one of your notifications as read."""
        notification = await repository.mark_read(db.writer, id, visibility(caller))
        if notification is None:
            raise NotFound("You have no such notification")
        return Answer(notification_json(notification))

    @routes.post("/api/notifications/read-all")
    async def read_all(caller: User) -> Answer[CountJson]:
        """Mark all of your notifications as read; tells how many were not."""
        return Answer({"count": await repository.mark_all_read(db.writer, caller.id)})

    @routes.delete("/api/notifications/{id}", refuses=(NotFound,))
    async def delete(id: int, caller: User) -> None:  # noqa: A002 - as in the path
        """Delete one of your notifications."""
        if not await repository.delete(db.writer, id, caller.id):
            raise NotFound("You have no such notification")


def notification_json(notification: Notification) -> NotificationJson:
    """One notification."""
    return {
        "id": notification.id,
        "userId": str(notification.user_id),
        "type": notification.type,
        "title": notification.title,
        "message": notification.message,
        "incidentId": notification.incident_id,
        "createdAt": rfc3339(notification.created_at),
        "readAt": rfc3339_or_none(notification.read_at),
        "metadata": dict(notification.metadata),
    }
