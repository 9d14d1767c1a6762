"""What of an incident's past its reader may see: what they might have seen at the time. Pure.

Somebody redacts a report and lowers its severity, so that more people may read it. Its history must not give them what was
there before. So a change is shown to those who could view the incident right after it; what it replaced, to those who could
view the incident right before it too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maraudersmap_api.incidents.models import Severity

FOR_EVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Step:
    """A change of severity. Entries with ids from `first` to `last` were written with it; `before` None: the report."""

    first: int
    last: int
    before: Severity | None
    after: Severity


@dataclass(frozen=True, slots=True)
class Past:
    """Ranges of entry ids, each from its first id to before its second: those shown, and those without the old value."""

    shown: tuple[tuple[int, int], ...]
    withheld: tuple[tuple[int, int], ...]

    def withholds(self, entry_id: int) -> bool:
        """Is the old value of this entry kept back?"""
        return any(first <= entry_id < end for first, end in self.withheld)


def past_of(steps: Sequence[Step], sees: Callable[[Severity], bool]) -> Past:
    """What somebody may see who `sees` these severities of this incident. `steps` in the order in which they happened.

    What is older than the first step has its severity from before, or is of the report itself.
    """
    shown: list[tuple[int, int]] = []
    withheld: list[tuple[int, int]] = []
    if not steps or steps[0].before is None or sees(steps[0].before):
        shown.append((0, steps[0].first if steps else FOR_EVER))
    for index, step in enumerate(steps):
        if not sees(step.after):
            continue
        shown.append((step.first, steps[index + 1].first if index + 1 < len(steps) else FOR_EVER))
        if step.before is not None and not sees(step.before):
            withheld.append((step.first, step.last + 1))
    return Past(tuple(shown), tuple(withheld))
