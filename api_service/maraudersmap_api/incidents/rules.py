"""Who may do what, and which states follow which. Pure; the tables stand in docs/api-incidents.md.

Permission and state are judged apart, because the order of refusal is 404, 403, 412, 409: somebody who may not touch
an incident learns nothing about its version or state.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from maraudersmap_api.auth.models import House, Role, User
from maraudersmap_api.errors import Conflict, Forbidden, NotFound
from maraudersmap_api.incidents.models import Change, Incident, IncidentPatch, Severity, Status, Visibility

_VIEW_UP_TO = {
    Role.STUDENT: Severity.MISCHIEF,
    Role.PREFECT: Severity.DANGEROUS,
    Role.AUROR: Severity.UNFORGIVABLE,
}

ALARMING = Severity.DANGEROUS
"""From this severity on every Auror is notified."""

_BY_PATCH = frozenset(
    {
        (Status.OPEN, Status.IN_PROGRESS),
        (Status.IN_PROGRESS, Status.OPEN),
        (Status.RESOLVED, Status.ARCHIVED),
    }
)
_CLOSED = frozenset({Status.RESOLVED, Status.ARCHIVED})


@dataclass(frozen=True, slots=True)
class Scope:
    """Which incidents analytics count: those whose reporter is of `house` (None: all), as far as `seen` reaches."""

    seen: Visibility
    house: House | None


def visibility(user: User) -> Visibility:
    """What `user` may view, in a form that a query can use."""
    return visibility_of(user.id, user.role)


def visibility_of(user_id: UUID, role: Role) -> Visibility:
    """The same for a user of whom only this is known."""
    return Visibility(user_id, _VIEW_UP_TO[role])


def may_view(user: User, incident: Incident) -> bool:
    """The same rule for one incident."""
    return visibility(user).sees(incident.severity, incident.reported_by.id)


def may_edit(user: User, incident: Incident) -> bool:
    """Title, description, location, tags, evidence, witnesses."""
    match user.role:
        case Role.STUDENT:
            return incident.reported_by.id == user.id
        case Role.PREFECT | Role.AUROR:
            return may_view(user, incident)


def may_set_severity(user: User, incident: Incident, to: Severity) -> bool:
    """Prefects raise alarms, up to DANGEROUS; only Aurors call them off."""
    match user.role:
        case Role.STUDENT:
            return False
        case Role.PREFECT:
            return may_view(user, incident) and incident.severity < to <= Severity.DANGEROUS
        case Role.AUROR:
            return True


def may_set_status(user: User, incident: Incident, to: Status) -> bool:
    """By PATCH. Only Aurors put anything into the archive; what no PATCH can do is a matter of `check_status`."""
    match user.role:
        case Role.STUDENT:
            return False
        case Role.PREFECT:
            return may_view(user, incident) and to is not Status.ARCHIVED
        case Role.AUROR:
            return True


def may_resolve(user: User, incident: Incident) -> bool:
    """Resolving and reopening."""
    return user.role is not Role.STUDENT and may_view(user, incident)


def may_delete(user: User, incident: Incident) -> bool:
    """Soft delete."""
    return user.role is Role.AUROR and may_view(user, incident)


def may_delete_comment(user: User, author: UUID) -> bool:
    """One's own; Aurors moderate."""
    return user.role is Role.AUROR or author == user.id


def analytics_scope(user: User) -> Scope:
    """What `user` may count. Raises Forbidden."""
    match user.role:
        case Role.STUDENT:
            raise Forbidden("Analytics are for Prefects and Aurors")
        case Role.PREFECT:
            if user.house is None:
                raise Forbidden("Analytics show a Prefect their own house, and you have none")
            return Scope(visibility(user), user.house)
        case Role.AUROR:
            return Scope(visibility(user), None)


def permit(user: User, incident: Incident, patch: IncidentPatch) -> None:
    """May `user` make this patch? Raises Forbidden.

    A severity or status that is what it was already asks for nothing: clients send back whole objects.
    """
    if patch.edits_text and not may_edit(user, incident):
        raise Forbidden("You may not edit this incident")
    match patch.severity:
        case Severity() as to if to is not incident.severity and not may_set_severity(user, incident, to):
            raise Forbidden("You may not give this incident that severity")
    match patch.status:
        case Status() as stage if stage is not incident.status and not may_set_status(user, incident, stage):
            raise Forbidden("You may not give this incident that status")


def check_patch(incident: Incident, changes: Iterable[Change]) -> None:
    """Does the incident's state allow these changes by PATCH? Raises Conflict."""
    for change in changes:
        if change.field == "status":
            if (incident.status, Status(change.new)) not in _BY_PATCH:
                raise Conflict(_transition(incident.status, Status(change.new)))
        elif incident.status in _CLOSED:
            raise Conflict(f"This incident is {_word(incident.status)} and read-only: reopen it first")


def check_open(incident: Incident) -> None:
    """May it still be commented on? Raises Conflict."""
    if incident.status in _CLOSED:
        raise Conflict(f"This incident is {_word(incident.status)} and read-only: reopen it first")


def check_resolvable(incident: Incident) -> None:
    """Raises Conflict: resolving twice would overwrite who did it and when."""
    if incident.status in _CLOSED:
        raise Conflict(f"This incident is {_word(incident.status)} already")


def check_reopenable(incident: Incident) -> None:
    """Raises Conflict."""
    if incident.status not in _CLOSED:
        raise Conflict("This incident is not resolved, so there is nothing to reopen")


def _transition(now: Status, to: Status) -> str:
    if to is Status.RESOLVED and now not in _CLOSED:
        return "An incident is resolved with POST .../resolve, not by setting its status"
    if now in _CLOSED and to is not Status.ARCHIVED:
        return f"This incident is {_word(now)} and read-only: reopen it with POST .../reopen"
    return f"An incident that is {_word(now)} cannot become {_word(to)}"


def _word(status: Status) -> str:
    return status.value.lower().replace("_", " ")


def visible(incident: Incident | None, viewer: User) -> Incident:
    """The incident, if there is one and `viewer` may see it. Raises NotFound, or Forbidden without any detail."""
    found = existing(incident)
    permit_view(viewer, found.severity, found.reported_by.id)
    return found


def existing(incident: Incident | None) -> Incident:
    """The incident, if there is one. Raises NotFound."""
    if incident is None:
        raise NotFound("There is no such incident")
    return incident


def permit_view(viewer: User, severity: Severity, reporter: UUID) -> None:
    """May `viewer` see what has this severity and this reporter? Raises Forbidden, which names neither."""
    if not visibility(viewer).sees(severity, reporter):
        raise Forbidden("You may not see this incident")


def sees_everything(viewer: User) -> bool:
    """Is no incident hidden from `viewer`, whatever becomes of it?"""
    return visibility(viewer).everything
