"""Notifications as their reader gets them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from maraudersmap_api.fields import Whole
from maraudersmap_api.outbox.models import NotificationType

WITHHELD = "This incident is no longer visible to you"


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification; its text is withheld once the incident is hidden from its reader."""

    id: int
    user_id: UUID
    type: NotificationType
    title: str
    message: str
    incident_id: int
    created_at: datetime
    read_at: datetime | None
    metadata: Mapping[str, Any]

    def withheld(self) -> "Notification":
        """What is left of it for a reader from whom the incident is hidden."""
        return replace(self, title=WITHHELD, message="", metadata={})


@dataclass(frozen=True, slots=True)
class NotificationQuery:
    """Which notifications."""

    unread_only: bool = False
    limit: Annotated[int, Whole(1, 100)] = 20
