"""What is promised of a service, and of which service a rule speaks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Objectives:
    """`failed` and `slow`: percent of the answers in 30 days that may be a 5xx, or take longer than half a second.

    `least`: bad answers within the longer window of an alert below which it does not fire. With little traffic a single one
    is a large part of all, and no reason to wake someone.
    """

    failed: float = 0.1
    slow: float = 5
    least: int = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource; without a name all of them."""

    namespace: str = ""
    name: str = ""

    def of(self, metric: str, *matchers: str) -> str:
        """A selector of the metric's series within the scope."""
        own = (f'namespace="{self.namespace}"', f'maraudersmap="{self.name}"') if self.name else ()
        wanted = ", ".join((*own, *matchers))
        return f"{metric}{{{wanted}}}" if wanted else metric


ALL = Scope()
