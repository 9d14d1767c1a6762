"""Events and notifications as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class EventType(StrEnum):
    """What happened; also the `type` of its frame."""

    INCIDENT_CREATED = "incident:created"
    INCIDENT_UPDATED = "incident:updated"
    INCIDENT_ESCALATED = "incident:escalated"
    INCIDENT_RESOLVED = "incident:resolved"
    INCIDENT_DELETED = "incident:deleted"
    COMMENT_CREATED = "comment:created"
    COMMENT_DELETED = "comment:deleted"
    NOTIFICATION_NEW = "notification:new"


def changes_incident(event_type: str) -> bool:
    """Is the incident itself another one after such an event?"""
    return event_type.startswith("incident:")


class NotificationType(StrEnum):
    """Why somebody is notified."""

    INCIDENT_CREATED = "INCIDENT_CREATED"
    INCIDENT_ESCALATED = "INCIDENT_ESCALATED"
    INCIDENT_RESOLVED = "INCIDENT_RESOLVED"
    COMMENT_ADDED = "COMMENT_ADDED"
    MENTION = "MENTION"


@dataclass(frozen=True, slots=True)
class Event:
    """One stored event. It holds references and what has passed, never text: what a reader gets is looked up when
    it is delivered, and judged then. `user_id` None: for everybody who may view the incident."""

    id: int
    type: EventType
    incident_id: int
    payload: Mapping[str, Any]
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """An event that has been committed, and the number of its transaction. `type` may be one that only a newer release
    knows."""

    event_id: int
    transaction: int
    type: str
    incident_id: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the outbox gave. All transactions below `floor` had ended by then, none from `ceiling` on had
    begun. `snapshot` has it exactly, in the words of the server that `server` names (it changes with a restart or a
    failover). `committed` None: more than can be read."""

    snapshot: str
    floor: int
    ceiling: int
    server: datetime
    committed: tuple[Committed, ...] | None = ()


@dataclass(frozen=True, slots=True)
class NewNotification:
    """A notification for one user, not stored yet."""

    user_id: UUID
    type: NotificationType
    title: str
    message: str
    incident_id: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
