"""`/api/notifications`: parse, call, shape. There is no rule but "one's own", which is in the SQL."""

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import NotFound
from maraudersmap_api.http.api import Answer, Api
from maraudersmap_api.incidents.rules import visibility
from maraudersmap_api.infra.db import Database
from maraudersmap_api.notifications import repository
from maraudersmap_api.notifications.models import NotificationQuery
from maraudersmap_api.notifications.shapes import (
    CountJson,
    NotificationJson,
    NotificationListJson,
    notification_json,
)


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
        """Mark all of your notifications as read; the answer counts those that were not."""
        return Answer({"count": await repository.mark_all_read(db.writer, caller.id)})

    @routes.delete("/api/notifications/{id}", refuses=(NotFound,))
    async def delete(id: int, caller: User) -> None:  # noqa: A002 - as in the path
        """Delete one of your notifications."""
        if not await repository.delete(db.writer, id, caller.id):
            raise NotFound("You have no such notification")
