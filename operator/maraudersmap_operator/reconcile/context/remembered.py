"""What this process remembers of one resource between two passes. All of it may be lost: a restart costs a few reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from maraudersmap_operator.resource import MaraudersMap, MaraudersMapStatus
from maraudersmap_operator.rollout import Admission, Note

from ..reading.references import References
from ..reading.unwatched_time import LastPass
from ..status.fates import Fate, Fates
from .verification import Known

# A referenced Secret or ConfigMap that is missing is looked for again after this long, less and less often: no watch has it.
MISSING_FIRST = timedelta(seconds=5)
MISSING_MOST = timedelta(seconds=60)
# A changed one neither: the operator may read Secrets by name only, so that its rights end there. Together with the age of an
# answer that others have asked for (reference_versions.py) it is seen within three minutes.
POLL = timedelta(seconds=170)
# ... as long as there are few resources: each look costs some milliseconds of a core, and a thousand every three minutes
# would be most of what an idle fleet costs.
BETWEEN_LOOKS = timedelta(milliseconds=330)
SOONEST = timedelta(milliseconds=100)
# Everything is looked at again after this long, whatever the watches deliver.
RESYNC = timedelta(minutes=10)
# What became of a child is reported at once, but one that fails in another way each time must not keep the passes going.
HASTE_PAUSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Unannounced:
    """A status that was sent and not acknowledged: it may be stored all the same, and then its Events are still owed."""

    resource: MaraudersMap
    before: MaraudersMapStatus
    sent: dict[str, Any]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What a convergence has left of monitoring, each as "<kind> <name>"."""

    objects: tuple[str, ...] = ()
    failed: tuple[Fate, ...] = ()


@dataclass(slots=True)
class Remembered:
    uid: str
    fates: Fates = field(default_factory=Fates)
    known: Known = field(default_factory=Known)
    monitoring: Made | None = None  # of the last convergence
    references: References | None = None
    references_of: int = 0  # fingerprint of the spec and annotations that they were read for
    references_at: datetime | None = None
    missing_since: datetime | None = None
    generated: dict[str, str] = field(
        default_factory=dict
    )  # digests of our own values, as they were read last
    undecided: bool = False  # the last convergence has read other ones than were decided on
    newest: object = None  # the pass that has decided last: an older one converges no further
    unannounced: Unannounced | None = None
    storing: asyncio.Task[bool] | None = None  # a status whose answer is still waited for
    to_announce: list[tuple[MaraudersMap, Note]] = field(default_factory=list)  # is stored
    unanswered: dict[str, datetime] = field(default_factory=dict)  # Secrets that gave no answer, and when
    last: LastPass | None = None  # at it, by a good pass
    failed_since: bool = False  # a pass has failed since the last good one
    ask_admission: bool = False
    admission: Admission | None = None
    converged_at: datetime | None = None
    hastened_at: datetime | None = None
    quiet: int | None = None  # fingerprint of everything known when the last pass found nothing to do
    routine: bool = False  # what is planned next is no news: it can wait for another resource's
    poll: timedelta = POLL  # what no watch shows is looked at this often

    def forget_times(self) -> None:
        """The clock has been put back: what is remembered by its time would not come due for as long."""
        self.fates, self.known, self.quiet = Fates(), Known(), None
        self.references_at = self.missing_since = self.converged_at = self.hastened_at = None
        self.unanswered.clear()

    def references_due(self, wish: int, now: datetime) -> bool:
        """They have to be read again."""
        if self.references is None or self.references_of != wish or self.references_at is None:
            return True
        return now >= self.references_at + self._pause(now)

    def looks_due(self, now: datetime) -> bool:
        """Of a quiet resource: what its spec refers to has to be looked at."""
        return self.references_due(self.references_of, now)

    def _poll_after(self, now: datetime) -> timedelta:
        """When they are to be read again."""
        if self.references_at is None:
            return timedelta(0)
        return max(self.references_at + self._pause(now) - now, SOONEST)

    @property
    def whole_pass_at(self) -> datetime:
        """When a quiet resource is passed over as a whole again."""
        again = self.converged_at or datetime.min.replace(tzinfo=UTC)
        if self.undecided:
            return again
        again += RESYNC
        return again if self.known.verify_at is None else min(again, self.known.verify_at)

    def next_look(self, now: datetime) -> timedelta:
        """When a resource that nothing happens to is due."""
        whole = max(self.whole_pass_at - now, SOONEST)
        return whole if self.references is None else min(whole, self._poll_after(now))

    def _pause(self, now: datetime) -> timedelta:
        if self.missing_since is None:
            return self.poll
        return min(max(MISSING_FIRST, (now - self.missing_since) / 4), MISSING_MOST)

    def hasten(self, now: datetime) -> timedelta:
        """How long the next pass waits when there is something to report."""
        last, self.hastened_at = self.hastened_at, now
        if last is None or now >= last + HASTE_PAUSE:
            return timedelta(0)
        return HASTE_PAUSE

    def keep_references(self, references: References, wish: int, now: datetime) -> None:
        self.references, self.references_of, self.references_at = references, wish, now
        if references.need.ready:
            self.missing_since = None
        elif self.missing_since is None:
            self.missing_since = now


def poll_of(resources: int) -> timedelta:
    """How often each of so many resources is looked at."""
    return max(POLL, resources * BETWEEN_LOOKS)
