"""What became of each child in a pass: one never decides about another.

Fates are remembered from pass to pass, for a refused write is tried again after a pause of its own, and a child that someone
keeps changing back is not fought over at full speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from maraudersmap_operator.cluster import ClusterError, Conflict, NotFound, Refused, namespace_ends
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.telemetry import logger

RETRY_FIRST = timedelta(seconds=1)
RETRY_MOST = timedelta(minutes=1)
# What only a person can mend is asked for again less often.
REFUSED_FIRST = timedelta(seconds=5)
REFUSED_MOST = timedelta(minutes=2)
# So many repairs of one child within the window are a contest with another writer.
CONTEST_REPAIRS = 3
CONTEST_WINDOW = timedelta(minutes=10)
CONTEST_FIRST = timedelta(seconds=10)
CONTEST_MOST = timedelta(minutes=10)


class State(StrEnum):
    AS_WANTED = Reason.AS_WANTED
    REFUSED = Reason.REFUSED  # the API server will not have it: quota, admission, rights, validation
    UNAVAILABLE = Reason.UNAVAILABLE  # it could not be asked; tried again
    OWNED_BY_ANOTHER = Reason.CONFLICT
    LEAVING = Reason.LEAVING  # an earlier one of that name is being deleted
    CONTESTED = Reason.CONTESTED  # someone keeps changing it
    MISSING = Reason.CONFIG_MAP_NOT_FOUND  # what is needed is gone, and is not ours to make again
    WAITING = Reason.WAITING  # its repair would disturb a rollout, or its removal users' requests


# No waiting cures these.
NEEDS_A_PERSON = frozenset({State.REFUSED, State.OWNED_BY_ANOTHER, State.CONTESTED, State.MISSING})


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one child. `message`: the API server's sentence, or ours; empty when it is as wanted."""

    kind: str
    name: str
    state: State
    message: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.kind} {self.name}: {self.message}"


@dataclass(slots=True)
class _Record:
    """What is remembered of one child. `digest`: of what was wanted when it failed."""

    fate: Fate | None = None
    digest: str = ""
    failures: int = 0
    retry_at: datetime | None = None
    repairs: list[datetime] = field(default_factory=list)
    put_off_since: datetime | None = None


class Fates:
    """The children of one resource. Lives as long as this process knows the resource."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], _Record] = {}
        self._namespace_ends = False
        self._logged: dict[str, str] = {}

    def begin(self) -> None:
        """A pass starts: what it does not ask about is no longer wanted."""
        self._asked: set[tuple[str, str]] = set()

    def end(self) -> None:
        """The pass has asked about every child."""
        for child in set(self._records) - self._asked:
            del self._records[child]

    def waits(self, kind: str, name: str, digest: str, now: datetime) -> bool:
        """Its last failure is too recent to try the same again."""
        record = self._of(kind, name)
        return record.digest == digest and record.retry_at is not None and now < record.retry_at

    def note(self, fate: Fate, digest: str, now: datetime) -> None:
        """What became of it now."""
        record = self._of(fate.kind, fate.name)
        record.fate = fate
        if fate.state is State.AS_WANTED:
            record.failures, record.retry_at, record.digest = 0, None, digest
            return
        record.failures = record.failures + 1 if record.digest == digest else 1
        first, most = (
            (REFUSED_FIRST, REFUSED_MOST) if fate.state in NEEDS_A_PERSON else (RETRY_FIRST, RETRY_MOST)
        )
        record.digest = digest
        record.retry_at = now + min(first * 2 ** min(record.failures - 1, 10), most)

    def excused(self, error: ClusterError) -> bool:
        """It failed because the namespace is being deleted: that goes into the log once, not with every child and pass until
        the resource is gone as well."""
        if not namespace_ends(error):
            return False
        if not self._namespace_ends:
            self._namespace_ends = True
            logger().info("the namespace is being deleted: nothing more is made in it")
        return True

    def is_news(self, what: str, error: ClusterError) -> bool:
        """It goes into the log: once for as long as the same fails with the same words."""
        before, self._logged[what] = self._logged.get(what), error.message
        return before != error.message

    def is_over(self, what: str) -> None:
        """It has worked: the next failure is news."""
        self._logged.pop(what, None)

    def may_repair(self, kind: str, name: str, now: datetime) -> bool:
        """Someone has changed the child: is it to be put right now?"""
        record = self._of(kind, name)
        record.repairs = [moment for moment in record.repairs if now - moment < CONTEST_WINDOW]
        extra = len(record.repairs) - CONTEST_REPAIRS
        pause = min(CONTEST_FIRST * 2 ** min(extra, 10), CONTEST_MOST) if extra >= 0 else timedelta(0)
        return extra < 0 or now >= record.repairs[-1] + pause

    def repaired(self, kind: str, name: str, now: datetime) -> None:
        """It was put right. An attempt that failed does not count: it is no sign of another writer."""
        self._of(kind, name).repairs.append(now)

    def put_off(self, kind: str, name: str, now: datetime) -> datetime:
        """It is not done in this pass; since when it has not been, in passes that followed each other."""
        record = self._of(kind, name)
        record.put_off_since = record.put_off_since or now
        return record.put_off_since

    def of(self, kind: str, name: str) -> Fate | None:
        """What became of it last; None when nothing did."""
        record = self._records.get((kind, name))
        return record.fate if record else None

    def forget(self, kind: str, name: str) -> None:
        """It has none: there can be no such object."""
        self._records.pop((kind, name), None)
        self._asked.discard((kind, name))

    def failed(self) -> list[Fate]:
        """Those that are not as wanted, by kind and name."""
        return sorted(
            (f for f in self._all() if f.state is not State.AS_WANTED), key=lambda f: (f.kind, f.name)
        )

    def next_try(self, now: datetime) -> timedelta | None:
        """When the first of them may be tried again."""
        times = [r.retry_at - now for r in self._records.values() if r.retry_at is not None]
        return max(min(times), timedelta(milliseconds=100)) if times else None

    def _all(self) -> Iterator[Fate]:
        return (r.fate for r in self._records.values() if r.fate is not None)

    def _of(self, kind: str, name: str) -> _Record:
        self._asked.add((kind, name))
        return self._records.setdefault((kind, name), _Record())


def state_of(error: ClusterError) -> State:
    """What a failed call means for the child that it was about."""
    if isinstance(error, Refused):
        # Our own: the API server's conflicts are another class.
        return State.OWNED_BY_ANOTHER if error.status == 409 else State.REFUSED
    if isinstance(error, NotFound):
        return State.REFUSED  # its namespace or its kind is gone
    assert not isinstance(error, Conflict) or error.status == 409
    return State.UNAVAILABLE
