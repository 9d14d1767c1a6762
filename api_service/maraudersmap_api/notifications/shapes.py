"""Notifications as clients see them."""

from typing import Any, TypedDict

from maraudersmap_api.notifications.models import Notification
from maraudersmap_api.outbox.models import NotificationType
from maraudersmap_api.wire import Id, Timestamp, rfc3339, rfc3339_or_none


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
