"""What an event becomes for one reader, now. Pure.

An event holds references only. What they lead to is loaded when it is delivered, and the reader is judged by that:
an incident that was escalated a moment ago is not sent to those whom the escalation hid it from, whenever the event
was stored. They get instead, once, that it is gone for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from maraudersmap_api.comments.models import Comment
from maraudersmap_api.comments.shapes import comment_json
from maraudersmap_api.incidents.models import Incident, Severity, Visibility
from maraudersmap_api.incidents.shapes import incident_json
from maraudersmap_api.notifications.models import Notification
from maraudersmap_api.notifications.shapes import notification_json
from maraudersmap_api.outbox.models import Event, EventType
from maraudersmap_api.realtime.frames import ServerFrame, frame


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides who may view an incident now, even when it is deleted; without its text, which may be long."""

    severity: Severity
    reporter: UUID
    deleted: bool

    def visible_to(self, seen: Visibility) -> bool:
        """May it be viewed now?"""
        return not self.deleted and seen.sees(self.severity, self.reporter)

    def gone_for(self, seen: Visibility) -> bool:
        """Could it be viewed before it was deleted?"""
        return self.deleted and seen.sees(self.severity, self.reporter)


@dataclass(frozen=True, slots=True)
class Subject:
    """An incident as it is now, even when it is deleted."""

    incident: Incident
    deleted: bool

    @property
    def standing(self) -> Standing:
        """Who may view it."""
        return Standing(self.incident.severity, self.incident.reported_by.id, self.deleted)

    def visible_to(self, seen: Visibility) -> bool:
        """May it be viewed now?"""
        return self.standing.visible_to(seen)

    def gone_for(self, seen: Visibility) -> bool:
        """Could it be viewed before it was deleted?"""
        return self.standing.gone_for(seen)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a batch of events refers to; what is missing was deleted."""

    subjects: Mapping[int, Subject] = field(default_factory=dict)
    comments: Mapping[int, Comment] = field(default_factory=dict)
    notifications: Mapping[int, Notification] = field(default_factory=dict)


class Rendering:
    """The frames of one event. Rendered once for all readers who get the same."""

    def __init__(self, event: Event, loaded: Loaded) -> None:
        self._event = event
        self._loaded = loaded
        self._subject = loaded.subjects.get(event.incident_id)
        self._full: bytes | None = None
        self._removed: bytes | None = None

    def for_reader(self, seen: Visibility) -> bytes | None:
        """The frame for a reader who may view so much, None when it is not for them."""
        subject, event = self._subject, self._event
        if subject is None:
            return None
        match event.type:
            case EventType.NOTIFICATION_NEW:
                return self._notification(seen) if event.user_id == seen.user_id else None
            case EventType.INCIDENT_DELETED:
                return self._framed({"id": event.incident_id}) if subject.gone_for(seen) else None
            case EventType.COMMENT_CREATED:
                comment = self._loaded.comments.get(event.payload["comment"])
                if comment is None or not subject.visible_to(seen):
                    return None
                return self._full or self._framed(comment_json(comment))
            case EventType.COMMENT_DELETED:
                if not subject.visible_to(seen):
                    return None
                return self._framed({"id": event.payload["comment"], "incidentId": event.incident_id})
            case _:
                if subject.visible_to(seen):
                    return self._full or self._framed(incident_json(subject.incident))
                return self._gone() if self._has_become_hidden(subject, seen) else None

    def hides_from(self, seen: Visibility) -> bool:
        """Must a reader who may view so much leave the incident's room?"""
        return self._subject is None or not self._subject.visible_to(seen)

    @property
    def may_hide(self) -> bool:
        """Can this event have changed who may view the incident?"""
        return self._event.type is EventType.INCIDENT_DELETED or "severityBefore" in self._event.payload

    def _has_become_hidden(self, subject: Subject, seen: Visibility) -> bool:
        """Deleted since, too: of that only those hear who might still view it, and others would keep it on their screens."""
        before = self._event.payload.get("severityBefore")
        return (
            before is not None
            and not subject.gone_for(seen)
            and seen.sees(Severity(before), subject.incident.reported_by.id)
        )

    def _framed(self, data: object) -> bytes:
        self._full = self._full or frame(self._event.type, data, self._event.id)
        return self._full

    def _gone(self) -> bytes:
        self._removed = self._removed or frame(
            ServerFrame.REMOVED, {"id": self._event.incident_id}, self._event.id
        )
        return self._removed

    def _notification(self, seen: Visibility) -> bytes | None:
        notification = self._loaded.notifications.get(self._event.payload["notification"])
        if notification is None or self._subject is None:
            return None
        shown = notification if self._subject.visible_to(seen) else notification.withheld()
        return frame(self._event.type, notification_json(shown), self._event.id)
