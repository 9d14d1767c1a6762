"""Incidents as data."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

from maraudersmap_api.auth.models import UserRef


class Severity(IntEnum):
    """Ordered: a number, so that it is never compared as text."""

    MISCHIEF = 1
    SUSPICIOUS = 2
    DANGEROUS = 3
    UNFORGIVABLE = 4


class Status(StrEnum):
    """Where an incident stands."""

    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    RESOLVED = "RESOLVED"
    ARCHIVED = "ARCHIVED"


class Location(StrEnum):
    """Where the map reaches."""

    HOGWARTS = "HOGWARTS"
    HOGSMEADE = "HOGSMEADE"
    KNOCKTURN_ALLEY = "KNOCKTURN_ALLEY"
    FORBIDDEN_FOREST = "FORBIDDEN_FOREST"
    MINISTRY = "MINISTRY"
    AZKABAN = "AZKABAN"
    DIAGON_ALLEY = "DIAGON_ALLEY"
    PLATFORM_9_3_4 = "PLATFORM_9_3_4"


class Sort(StrEnum):
    """What a list is ordered by."""

    REPORTED_AT = "reportedAt"
    SEVERITY = "severity"
    STATUS = "status"
    RELEVANCE = "relevance"


class Order(StrEnum):
    """Which end comes first."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class NewIncident:
    """A report that passed validation."""

    title: str
    description: str
    severity: Severity
    location: Location
    tags: tuple[str, ...]
    evidence_urls: tuple[str, ...]
    witness_count: int


@dataclass(frozen=True, slots=True)
class Incident:
    """A stored incident; `version` rises with each change."""

    id: int
    title: str
    description: str
    severity: Severity
    location: Location
    status: Status
    reported_by: UserRef
    reported_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    resolved_by: UserRef | None
    tags: tuple[str, ...]
    evidence_urls: tuple[str, ...]
    witness_count: int
    version: int

    @property
    def etag(self) -> str:
        """Names this version of this incident."""
        return f'"{self.id}-{self.version}"'


@dataclass(frozen=True, slots=True)
class Visibility:
    """What somebody may view: incidents up to a severity, and their own whatever the severity."""

    user_id: UUID
    up_to: Severity


@dataclass(frozen=True, slots=True)
class Filters:
    """Which incidents a list shows: OR inside a tuple, AND across; empty and None mean any. `date_to` is exclusive."""

    search: str = ""
    severities: tuple[Severity, ...] = ()
    locations: tuple[Location, ...] = ()
    statuses: tuple[Status, ...] = ()
    reported_by: UUID | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list, in which order. `page` starts at 1."""

    page: int = 1
    limit: int = 20
    sort: Sort = Sort.REPORTED_AT
    order: Order = Order.DESC


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `total` is exact unless `total_exact` is False; then there are at least so many."""

    incidents: tuple[Incident, ...]
    total: int
    total_exact: bool
    page: int
    limit: int

    @property
    def has_more(self) -> bool:
        """Is there anything after this part?"""
        return self.page * self.limit < self.total or (
            not self.total_exact and len(self.incidents) == self.limit
        )
