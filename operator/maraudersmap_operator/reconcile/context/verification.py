"""How exactly the children of a resource are known, and how much may be asked of the API server to find out.

After a restart a fleet's children are known only roughly: each is verified by a dry run, some at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

# What no watch shows is read again after this long, although it was as wanted.
UNWATCHED_AGAIN = timedelta(minutes=10)


class Budget:
    """How many dry runs the whole operator may make: after a restart a fleet's children are verified one by one, not all at
    once. The times are of the passes."""

    def __init__(self, per_second: float = 10, burst: int = 100) -> None:
        self._per_second, self._burst = per_second, burst
        self._left = float(burst)
        self._at: datetime | None = None

    def take(self, now: datetime) -> bool:
        """True when one may be made now."""
        self._refill(now)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def reserve(self, number: int, now: datetime) -> datetime:
        """From when on so many may be made: those who ask first go first, and each comes again only once."""
        self._refill(now)
        self._left -= number
        return now + timedelta(seconds=max(-self._left, 0.0) / self._per_second)

    def _refill(self, now: datetime) -> None:
        passed = (now - self._at).total_seconds() if self._at else 0.0
        self._at = now
        self._left = min(self._burst, self._left + max(passed, 0.0) * self._per_second)


@dataclass(slots=True)
class Known:
    """The exact form of one resource's children: UID -> (digest of the wish, digest of the sealed part).

    Of kinds that no watch shows, by kind and name: `seen`, digest of the wish and when it was last met; `absent`, those that
    are neither wanted nor there. `granted`: dry runs set aside for it, from `verify_at` on; None when it waits for none.
    """

    sealed: dict[str, tuple[str, str]] = field(default_factory=dict)
    seen: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    absent: set[tuple[str, str]] = field(default_factory=set)
    granted: int = 0
    verify_at: datetime | None = None

    def take_dry_run(self, budget: Budget, now: datetime) -> bool:
        """True when one may be made now."""
        if self.verify_at is not None and self.granted and now >= self.verify_at:
            self.granted -= 1
            return True
        return budget.take(now)

    def verified_but(self, unverified: int, budget: Budget, now: datetime) -> None:
        """A convergence has ended that has looked at so many children only roughly."""
        if not unverified:
            self.granted, self.verify_at = 0, None
        elif self.verify_at is None or now >= self.verify_at:
            self.granted, self.verify_at = unverified, budget.reserve(unverified, now)

    def seen_lately(self, kind: str, name: str, digest: str, now: datetime) -> bool:
        wish, at = self.seen.get((kind, name), ("", now))
        return wish == digest and now < at + UNWATCHED_AGAIN

    def forget(self, kind: str, name: str) -> None:
        """It is to be looked at again."""
        self.seen.pop((kind, name), None)
