"""Is the candidate worse than its control group? Pure: no I/O, no clock. docs/analysis.md explains the statistics.

`add_look` adds what a look has seen to the comparison that is kept in the status, `evaluate` finds what follows from it.
"""

from .evaluate import evaluate
from .looks import Look, add_look, begin, recount, until_next_look
from .result import Failed, Inconclusive, Passed, Result
from .tally import increase, plus, thinned

__all__ = [
    "Failed",
    "Inconclusive",
    "Look",
    "Passed",
    "Result",
    "add_look",
    "begin",
    "evaluate",
    "increase",
    "plus",
    "recount",
    "thinned",
    "until_next_look",
]
