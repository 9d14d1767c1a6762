"""What a reason means and what a person can do about it, for one resource."""

from __future__ import annotations

from maraudersmap_operator.resource.reason_texts import ABOUT
from maraudersmap_operator.resource.reasons import About, Person, Reason

FOREIGN = About(
    (),
    Person.IF_IT_LASTS,
    "this version of the plugin does not know the reason; the message is all there is",
    ("read the documentation of the operator's version: docs/reasons.md",),
)


def known(reason: str) -> bool:
    """Whether it is a reason of this version: a newer operator may have others, and a Gateway has its own."""
    return reason in ABOUT


def advice(reason: str) -> About:
    """What is known about the reason; of a foreign one, that nothing is."""
    return ABOUT[Reason(reason)] if known(reason) else FOREIGN
