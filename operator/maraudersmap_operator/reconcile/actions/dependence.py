"""Which actions of a decision depend on which, and what each is called where a condition has to name it."""

from __future__ import annotations

from maraudersmap_operator.children import names
from maraudersmap_operator.resource.status_control import StableRevision
from maraudersmap_operator.rollout import (
    Action,
    Deploy,
    MarkMigrated,
    Migrate,
    RecordRevision,
    Retire,
    RouteTo,
    ScaleTo,
    Weigh,
)

# What is written apart from the rest of its object has a fate of its own.
SELECTOR = "Selector of Service"
SIZE = "Size of Deployment"

Failed = frozenset[tuple[type[Action], str]]
"""Actions that could not be carried out in this pass: what they are, and of which revision."""


class NotYet(Exception):
    """An action has to wait: what it depends on has failed, or the world is not as decided on. Looked at again soon."""


def moves_traffic(action: Action) -> bool:
    return isinstance(action, RouteTo | Weigh)


def goes_back(action: Action, stable: StableRevision | None) -> bool:
    """Traffic moves to the stable revision, and away from any other."""
    match action:
        case RouteTo(revision=revision):
            return stable is not None and revision == stable.revision
        case Weigh(percent=percent):
            return percent == 0
        case _:
            return False


def with_failed(failed: Failed, action: Action) -> Failed:
    return failed | {(type(action), getattr(action, "revision", ""))}


def depends_on(action: Action, failed: Failed) -> bool:
    """Something that this action needs is among those that have failed."""
    match action:
        case Migrate(revision=revision) | Deploy(revision=revision):
            needed: Failed = frozenset({(RecordRevision, revision)})
        case ScaleTo(revision=revision):
            needed = frozenset({(RecordRevision, revision), (Deploy, revision)})
        case Retire():
            needed = frozenset(f for f in failed if f[0] in (RouteTo, Weigh))
        case _:
            return False
    return bool(needed & failed)


def named(action: Action, owner: str) -> tuple[str, str] | None:
    """What the action does to which object of that resource; None for one whose object has a fate of its own already."""
    match action:
        case RouteTo():
            return SELECTOR, names.service(owner)
        case ScaleTo(revision=revision):
            return SIZE, names.deployment(owner, revision)
        case Retire(revision=revision):
            return "Removal of Deployment", names.deployment(owner, revision)
        case MarkMigrated(revision=revision):
            return "Note in ControllerRevision", names.controller_revision(owner, revision)
        case _:
            return None
