"""Incidents as clients see them."""

from typing import Annotated, Any, NotRequired, TypedDict

from maraudersmap_api.auth.shapes import UserRefJson, user_ref_json
from maraudersmap_api.fields import OneOf
from maraudersmap_api.incidents.models import (
    HistoryEntry,
    HistoryPage,
    Incident,
    Location,
    Page,
    Severity,
    Status,
)
from maraudersmap_api.wire import Timestamp, rfc3339, rfc3339_or_none


class IncidentJson(TypedDict):
    """An incident as clients see it."""

    id: int
    title: str
    description: str
    severity: Annotated[str, OneOf(Severity)]
    location: Location
    status: Status
    reportedBy: UserRefJson
    reportedAt: Timestamp
    updatedAt: Timestamp
    resolvedAt: Timestamp | None
    resolvedBy: UserRefJson | None
    tags: list[str]
    evidenceUrls: list[str]
    witnessCount: int
    version: int


class IncidentPageJson(TypedDict):
    """A part of a list. `total` is exact unless `totalExact` is false; then there are at least so many."""

    data: list[IncidentJson]
    total: int
    page: int | None
    limit: int
    hasMore: bool
    nextCursor: str | None
    totalExact: NotRequired[bool]


class HistoryEntryJson(TypedDict):
    """One step of one field; the old value is null where there was none, or where its reader might not have seen it."""

    id: int
    field: str
    oldValue: Any
    newValue: Any
    changedBy: UserRefJson
    changedAt: Timestamp
    requestId: str


class HistoryPageJson(TypedDict):
    """A part of a history."""

    data: list[HistoryEntryJson]
    total: int
    page: int
    limit: int
    hasMore: bool


# By number: the name of an enumeration's member is a call in Python, and a list asks for twenty.
_SEVERITIES = ("", *(severity.name for severity in sorted(Severity)))


def incident_json(incident: Incident) -> IncidentJson:
    """One incident."""
    return {
        "id": incident.id,
        "title": incident.title,
        "description": incident.description,
        "severity": _SEVERITIES[incident.severity],
        "location": incident.location,
        "status": incident.status,
        "reportedBy": user_ref_json(incident.reported_by),
        "reportedAt": rfc3339(incident.reported_at),
        "updatedAt": rfc3339(incident.updated_at),
        "resolvedAt": rfc3339_or_none(incident.resolved_at),
        "resolvedBy": user_ref_json(incident.resolved_by) if incident.resolved_by else None,
        "tags": list(incident.tags),
        "evidenceUrls": list(incident.evidence_urls),
        "witnessCount": incident.witness_count,
        "version": incident.version,
    }


def page_json(found: Page) -> IncidentPageJson:
    """A part of a list; of one with a `rest`, what was read of it so far."""
    body: IncidentPageJson = {
        "data": [incident_json(incident) for incident in found.incidents],
        "total": found.total,
        "page": found.page,
        "limit": found.limit,
        "hasMore": found.has_more,
        "nextCursor": found.next_cursor,
    }
    if not found.total_exact:
        body["totalExact"] = False
    return body


def history_page_json(found: HistoryPage) -> HistoryPageJson:
    """A part of a history."""
    return {
        "data": [_entry(entry) for entry in found.entries],
        "total": found.total,
        "page": found.page,
        "limit": found.limit,
        "hasMore": found.has_more,
    }


def _entry(entry: HistoryEntry) -> HistoryEntryJson:
    return {
        "id": entry.id,
        "field": entry.field,
        "oldValue": entry.old_value,
        "newValue": entry.new_value,
        "changedBy": user_ref_json(entry.changed_by),
        "changedAt": rfc3339(entry.changed_at),
        "requestId": entry.request_id,
    }
