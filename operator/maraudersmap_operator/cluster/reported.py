"""What an object's status reports: its conditions."""

from __future__ import annotations

from .client import Manifest


def condition_of(status: Manifest, kind: str) -> Manifest:
    """The condition of that type, of a status or a part of one; empty when there is none."""
    return next((c for c in status.get("conditions") or () if c["type"] == kind), {})


def has_condition(obj: Manifest, kind: str) -> bool:
    """The object's status has it, and it is True."""
    return condition_of(obj.get("status") or {}, kind).get("status") == "True"
