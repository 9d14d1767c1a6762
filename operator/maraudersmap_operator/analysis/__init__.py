"""Is the candidate worse than its control group? Pure: no I/O, no clock. docs/analysis.md explains the statistics.

`record` adds what a look has seen to the comparison that is kept in the status, `judge` says what follows from it.
"""

from .evaluate import judge
from .looks import Look, anew, begin, record, wait
from .result import Failed, Inconclusive, Judgement, Passed
from .tally import increase, plus, thinned

__all__ = [
    "Failed",
    "Inconclusive",
    "Judgement",
    "Look",
    "Passed",
    "anew",
    "begin",
    "increase",
    "judge",
    "plus",
    "record",
    "thinned",
    "wait",
]
