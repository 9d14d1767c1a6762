"""What analytics ask for, and what they find."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from maraudersmap_api.auth.models import UserRef
from maraudersmap_api.fields import Whole
from maraudersmap_api.incidents.models import Location, Severity, Status

LEADERBOARD_DAYS = 30
POINTS: Mapping[Severity, int] = {
    Severity.MISCHIEF: 10,
    Severity.SUSPICIOUS: 25,
    Severity.DANGEROUS: 50,
    Severity.UNFORGIVABLE: 100,
}


@dataclass(frozen=True, slots=True)
class DaysQuery:
    """The last so many days, today included; days are UTC's."""

    days: Annotated[int, Whole(1, 366)] = 30


@dataclass(frozen=True, slots=True)
class LeaderboardQuery:
    """How many reporters to show."""

    limit: Annotated[int, Whole(1, 100)] = 10


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of all incidents that are not deleted. `mean_seconds`: from report to resolution, None if none was."""

    total: int
    severity: Mapping[Severity, int]
    status: Mapping[Status, int]
    location: Mapping[Location, int]
    mean_seconds: float | None


@dataclass(frozen=True, slots=True)
class Day:
    """What was reported and what was resolved on one day."""

    day: date
    reported: Mapping[Severity, int]
    resolved: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A place on the leaderboard; equal points share a rank."""

    rank: int
    user: UserRef
    points: int
    incidents: int


@dataclass(frozen=True, slots=True)
class Heat:
    """How much happened at one place."""

    location: Location
    severity: Mapping[Severity, int]

    @property
    def total(self) -> int:
        """Of all severities."""
        return sum(self.severity.values())
