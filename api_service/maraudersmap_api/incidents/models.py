"""Incidents as data."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from maraudersmap_api.auth.models import UserRef
from maraudersmap_api.errors import Detail
from maraudersmap_api.fields import INT32_MAX, UNSET, Items, Text, Unset, Url, Whole


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


Title = Annotated[str, Text(most=255)]
Description = Annotated[str, Text(most=10_000, blank=True)]
Tags = Annotated[tuple[str, ...], Items(20, Text(most=50), distinct=True)]
EvidenceUrls = Annotated[tuple[str, ...], Items(20, Url(most=2048))]
WitnessCount = Annotated[int, Whole(0, INT32_MAX)]


@dataclass(frozen=True, slots=True)
class NewIncident:
    """A report. Who reports it comes from the token, never from the body."""

    title: Title
    location: Location
    description: Description = ""
    severity: Severity = Severity.MISCHIEF
    tags: Tags = ()
    evidence_urls: EvidenceUrls = ()
    witness_count: WitnessCount = 0


@dataclass(frozen=True, slots=True)
class IncidentPatch:
    """What to change; what is UNSET stays."""

    title: Title | Unset = UNSET
    location: Location | Unset = UNSET
    description: Description | Unset = UNSET
    severity: Severity | Unset = UNSET
    tags: Tags | Unset = UNSET
    evidence_urls: EvidenceUrls | Unset = UNSET
    witness_count: WitnessCount | Unset = UNSET
    status: Status | Unset = UNSET

    @property
    def edits_text(self) -> bool:
        """Does it touch anything but severity and status?"""
        return any(getattr(self, name) is not UNSET for name in TEXT_FIELDS)

    def changes(self, incident: "Incident") -> tuple["Change", ...]:
        """What it would really change, in the order of the fields."""
        steps = ((name, getattr(incident, name), getattr(self, name)) for name in PATCHABLE)
        return tuple(
            Change(name, _plain(old), _plain(new)) for name, old, new in steps if new not in (UNSET, old)
        )


TEXT_FIELDS = ("title", "location", "description", "tags", "evidence_urls", "witness_count")
PATCHABLE = (*TEXT_FIELDS, "severity", "status")


@dataclass(frozen=True, slots=True)
class Change:
    """One field's step, for the history. `field` is a column's name; the values are JSON-ready."""

    field: str
    old: Any
    new: Any


def _plain(value: Any) -> Any:
    match value:
        case Severity():
            return value.name
        case StrEnum():
            return value.value
        case tuple():
            return list(value)
        case _:
            return value


class Incident(NamedTuple):
    """A stored incident; `version` rises with each change. A tuple: a frozen dataclass takes ten times as long to make."""

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

    def sees(self, severity: Severity, reporter: UUID) -> bool:
        """The same for one incident; filtering.py has it as SQL."""
        return severity <= self.up_to or reporter == self.user_id

    @property
    def everything(self) -> bool:
        """Is nothing hidden from them?"""
        return self.up_to is max(Severity)

    def split(self, wanted: Collection[Severity]) -> tuple[list[Severity], list[Severity]]:
        """Of the wanted severities (none: all): those of which all may be viewed, and those of which only one's own."""
        ordered = sorted(wanted or Severity)
        return [s for s in ordered if s <= self.up_to], [s for s in ordered if s > self.up_to]


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
class FilterQuery:
    """The part of a query string that selects incidents."""

    search: Annotated[str, Text(most=300, blank=True)] = ""  # a title, and more
    severity: tuple[Severity, ...] = ()
    location: tuple[Location, ...] = ()
    status: tuple[Status, ...] = ()
    reported_by: UUID | Unset = UNSET
    date_from: datetime | Unset = UNSET
    date_to: datetime | Unset = UNSET

    @property
    def filters(self) -> "Filters":
        """The same, as the repository takes it."""
        return Filters(
            search=self.search,
            severities=self.severity,
            locations=self.location,
            statuses=self.status,
            reported_by=None if isinstance(self.reported_by, Unset) else self.reported_by,
            date_from=None if isinstance(self.date_from, Unset) else self.date_from,
            date_to=None if isinstance(self.date_to, Unset) else self.date_to,
        )


@dataclass(frozen=True, slots=True)
class ListQuery(FilterQuery):
    """The query string of a list. `page` is for people, `cursor` for programs that read it all."""

    sort: Sort | Unset = UNSET
    order: Order = Order.DESC
    page: Annotated[int, Whole(1, 1_000_000)] = 1
    limit: Annotated[int, Whole(1, 100)] = 20
    cursor: Annotated[str, Text(most=400)] | Unset = UNSET

    def problems(self) -> Iterable[Detail]:
        """What only two fields together show."""
        if self.sort is Sort.RELEVANCE and not self.search:
            yield Detail("sort", "Sort by relevance needs a search")
        if isinstance(self.cursor, str):
            if self.page != 1:
                yield Detail("page", "Give page or cursor, not both")
            if self.sorted_by is Sort.RELEVANCE:
                yield Detail("cursor", "A cursor does not go with relevance: choose another sort")

    @property
    def sorted_by(self) -> Sort:
        """A search shows the best first, anything else the newest."""
        if isinstance(self.sort, Sort):
            return self.sort
        return Sort.RELEVANCE if self.search else Sort.REPORTED_AT


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `total` is exact unless `total_exact` is False; then there are at least so many.

    `page` is None where a cursor led here; `next_cursor` is None at the end, and where no cursor can lead on. `rest` has the
    numbers of those that follow `incidents` on this page and were too much to be read at once.
    """

    incidents: tuple[Incident, ...]
    rest: tuple[int, ...]
    total: int
    total_exact: bool
    page: int | None
    limit: int
    has_more: bool
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Paging:
    """The query string of the short lists: history and comments."""

    page: Annotated[int, Whole(1, 10_000)] = 1
    limit: Annotated[int, Whole(1, 100)] = 20

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * self.limit


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One step of one field."""

    id: int
    field: str
    old_value: Any
    new_value: Any
    changed_by: UserRef
    changed_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A part of an incident's history, oldest first."""

    entries: tuple[HistoryEntry, ...]
    total: int
    page: int
    limit: int

    @property
    def has_more(self) -> bool:
        """Is there anything after this part?"""
        return self.page * self.limit < self.total


@dataclass(frozen=True, slots=True)
class NoDetails:
    """The body of resolve and reopen: empty, or `{}`."""
