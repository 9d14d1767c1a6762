"""Who is notified of what about an incident. Pure."""

from collections.abc import Iterable
from uuid import UUID

from maraudersmap_api.auth.models import User
from maraudersmap_api.incidents.models import Incident, Location
from maraudersmap_api.outbox.models import NewNotification, NotificationType


def created(incident: Incident, readers: Iterable[UUID]) -> list[NewNotification]:
    """A dangerous report."""
    title = f"New {incident.severity.name} incident"
    return [_notice(reader, NotificationType.INCIDENT_CREATED, title, incident) for reader in readers]


def escalated(incident: Incident, readers: Iterable[UUID]) -> list[NewNotification]:
    """It has become dangerous."""
    title = f"Incident escalated to {incident.severity.name}"
    return [_notice(reader, NotificationType.INCIDENT_ESCALATED, title, incident) for reader in readers]


def resolved(incident: Incident, actor: User) -> list[NewNotification]:
    """The reporter's case is closed; who closed their own knows."""
    if incident.reported_by.id == actor.id:
        return []
    title = "Your incident was resolved"
    return [_notice(incident.reported_by.id, NotificationType.INCIDENT_RESOLVED, title, incident)]


def _notice(reader: UUID, kind: NotificationType, title: str, incident: Incident) -> NewNotification:
    metadata = {"severity": incident.severity.name, "location": incident.location.value}
    message = f"{incident.title} ({_place(incident.location)})"
    return NewNotification(reader, kind, title, message, incident.id, metadata)


def _place(location: Location) -> str:
    return location.value.replace("_", " ").title()
