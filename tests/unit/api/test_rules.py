"""Who may view what."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from maraudersmap_api.auth.models import Role, User, UserRef
from maraudersmap_api.incidents.models import Incident, Location, Page, Severity, Status
from maraudersmap_api.incidents.repository import search_terms
from maraudersmap_api.incidents.rules import may_view

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)


def user(role: Role) -> User:
    return User(ME, "me@hogwarts.edu", role, "M", "E", None, None, 1, True, NOW, NOW, None)


def incident(severity: Severity, reporter: UUID) -> Incident:
    by = UserRef(reporter, "R", "R", Role.STUDENT, None)
    return Incident(
        1, "t", "", severity, Location.HOGWARTS, Status.OPEN, by, NOW, NOW, None, None, (), (), 0, version=1
    )


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        (Role.STUDENT, {Severity.MISCHIEF}),
        (Role.PREFECT, {Severity.MISCHIEF, Severity.SUSPICIOUS, Severity.DANGEROUS}),
        (Role.AUROR, set(Severity)),
    ],
)
def test_others_reports_by_role_and_ones_own_always(role: Role, seen: set[Severity]) -> None:
    assert {severity for severity in Severity if may_view(user(role), incident(severity, OTHER))} == seen
    assert all(may_view(user(role), incident(severity, ME)) for severity in Severity)


@pytest.mark.parametrize(
    ("page", "total", "exact", "shown", "more"),
    [
        (1, 20, True, 20, False),
        (1, 21, True, 20, True),
        (2, 21, True, 1, False),
        (501, 10_000, False, 20, True),
    ],
)
def test_has_more(page: int, total: int, exact: bool, shown: int, more: bool) -> None:
    shown_incidents = (incident(Severity.MISCHIEF, ME),) * shown

    assert Page(shown_incidents, total, exact, page, 20).has_more is more


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Poly", "'Poly':*"),
        ("two words", "'two':* & 'words':*"),
        ("a' | !b:*", "'a':* & 'b':*"),
        ("\\ & ( ) <->", ""),
    ],
)
def test_search_text_never_reaches_the_query_language(text: str, terms: str) -> None:
    assert search_terms(text) == terms
