"""Who may do what. Pure; the table is API.md's."""

from maraudersmap_api.auth.models import Role, User
from maraudersmap_api.incidents.models import Incident, Severity, Visibility

_VIEW_UP_TO = {
    Role.STUDENT: Severity.MISCHIEF,
    Role.PREFECT: Severity.DANGEROUS,
    Role.AUROR: Severity.UNFORGIVABLE,
}


def visibility(user: User) -> Visibility:
    """What `user` may view, in a form that a query can use."""
    return Visibility(user.id, _VIEW_UP_TO[user.role])


def may_view(user: User, incident: Incident) -> bool:
    """The same rule for one incident."""
    seen = visibility(user)
    return incident.severity <= seen.up_to or incident.reported_by.id == seen.user_id
