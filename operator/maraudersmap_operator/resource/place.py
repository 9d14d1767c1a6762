"""Where a rollout stands, as one word that a person's `promote` names: Witnesses, Sharing-2, FullSize, Baking, ..."""

from __future__ import annotations

from .policy import Strategy

# A revision that is held, not on trial.
HELD = "Held"
STEPS = ("Migrating", "Witnesses", "Sharing", "FullSize", "Baking")


def place_of(step: str, strategy: Strategy, canary_step: int) -> str:
    """The word. Only a canary has more than one share."""
    numbered = step == "Sharing" and strategy is Strategy.CANARY
    return f"{step}-{canary_step + 1}" if numbered else step


def order_of(place: str) -> tuple[int, int] | None:
    """Sorts places as a rollout passes them; None for a word that is no place."""
    step, _, number = place.partition("-")
    if step not in STEPS or not (number.isdecimal() or not number):
        return None
    return STEPS.index(step), int(number or 0)
