"""Who may do what, as tables: role by action by severity; and which states follow which."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pytest

from maraudersmap_api.auth.models import House, Role, User, UserRef
from maraudersmap_api.errors import Conflict, Forbidden
from maraudersmap_api.incidents import rules
from maraudersmap_api.incidents.filtering import search_terms, tsquery
from maraudersmap_api.incidents.models import Incident, IncidentPatch, Location, Severity, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)
LEVELS = {
    "M": Severity.MISCHIEF,
    "S": Severity.SUSPICIOUS,
    "D": Severity.DANGEROUS,
    "U": Severity.UNFORGIVABLE,
}


def user(role: Role, house: House | None = None) -> User:
    return User(ME, "me@hogwarts.edu", role, "M", "E", house, None, 1, True, NOW, NOW, None)


def incident(severity: Severity, reporter: UUID = OTHER, status: Status = Status.OPEN) -> Incident:
    by = UserRef(reporter, "R", "R", Role.STUDENT, None)
    return Incident(
        1, "t", "", severity, Location.HOGWARTS, status, by, NOW, NOW, None, None, (), (), 0, version=1
    )


def _letters(allowed: set[Severity]) -> str:
    return "".join(letter for letter, severity in LEVELS.items() if severity in allowed)


VIEW, EDIT, RESOLVE, DELETE = rules.may_view, rules.may_edit, rules.may_resolve, rules.may_delete


@pytest.mark.parametrize(
    ("action", "role", "others", "own"),
    [
        (VIEW, Role.STUDENT, "M", "MSDU"),
        (VIEW, Role.PREFECT, "MSD", "MSDU"),
        (VIEW, Role.AUROR, "MSDU", "MSDU"),
        (EDIT, Role.STUDENT, "", "MSDU"),
        (EDIT, Role.PREFECT, "MSD", "MSDU"),
        (EDIT, Role.AUROR, "MSDU", "MSDU"),
        (RESOLVE, Role.STUDENT, "", ""),
        (RESOLVE, Role.PREFECT, "MSD", "MSDU"),
        (RESOLVE, Role.AUROR, "MSDU", "MSDU"),
        (DELETE, Role.STUDENT, "", ""),
        (DELETE, Role.PREFECT, "", ""),
        (DELETE, Role.AUROR, "MSDU", "MSDU"),
    ],
)
def test_the_matrix(action: object, role: Role, others: str, own: str) -> None:
    """For which severities of others' and of one's own incidents an action is allowed."""
    assert callable(action)

    assert _letters({level for level in Severity if action(user(role), incident(level))}) == others
    assert _letters({level for level in Severity if action(user(role), incident(level, ME))}) == own


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.STUDENT, ""),
        (Role.PREFECT, "M>S M>D S>D"),
        (Role.AUROR, "M>S M>D M>U S>M S>D S>U D>M D>S D>U U>M U>S U>D"),
    ],
)
def test_which_severity_may_become_which(role: Role, allowed: str) -> None:
    steps = [
        f"{a}>{b}"
        for a, before in LEVELS.items()
        for b, after in LEVELS.items()
        if a != b and rules.may_set_severity(user(role), incident(before, ME), after)
    ]

    assert " ".join(steps) == allowed


def test_a_prefect_raises_nothing_that_they_cannot_see() -> None:
    assert not rules.may_set_severity(user(Role.PREFECT), incident(Severity.UNFORGIVABLE), Severity.DANGEROUS)


FREE = {(Status.OPEN, Status.IN_PROGRESS), (Status.IN_PROGRESS, Status.OPEN)}
SAME = {(status, status) for status in Status}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("before", Status)
@pytest.mark.parametrize("after", Status)
def test_status_by_patch(role: Role, before: Status, after: Status) -> None:
    """403 for a role that may never do it, 409 for a step that does not exist, in this order."""
    step = (before, after)
    at_first = incident(Severity.MISCHIEF, status=before)
    patch = IncidentPatch(status=after)

    def attempt() -> None:
        rules.permit(user(role), at_first, patch)
        rules.check_patch(at_first, patch.changes(at_first))

    expected: type[Exception] | None
    if step in SAME:
        expected = None
    elif role is Role.STUDENT or (role is Role.PREFECT and after is Status.ARCHIVED):
        expected = Forbidden
    elif step in FREE or step == (Status.RESOLVED, Status.ARCHIVED):
        expected = None
    else:
        expected = Conflict

    if expected is None:
        attempt()
    else:
        with pytest.raises(expected):
            attempt()


@pytest.mark.parametrize("status", Status)
def test_closed_incidents_are_read_only_but_can_be_reopened(status: Status) -> None:
    closed = status in (Status.RESOLVED, Status.ARCHIVED)
    at_hand = incident(Severity.MISCHIEF, status=status)
    edit = IncidentPatch(title="other").changes(at_hand)
    refused_when_closed: tuple[Callable[[], None], ...] = (
        partial(rules.check_patch, at_hand, edit),
        partial(rules.check_open, at_hand),
        partial(rules.check_resolvable, at_hand),
    )

    for attempt in refused_when_closed:
        if closed:
            with pytest.raises(Conflict):
                attempt()
        else:
            attempt()
    if closed:
        rules.check_reopenable(at_hand)
    else:
        with pytest.raises(Conflict):
            rules.check_reopenable(at_hand)


def test_whole_objects_sent_back_ask_only_for_what_differs() -> None:
    """Clients PUT what they were given: an unchanged severity is no request to change it."""
    own = incident(Severity.DANGEROUS, ME)
    patch = IncidentPatch(title="new", severity=Severity.DANGEROUS, status=Status.OPEN)

    rules.permit(user(Role.STUDENT), own, patch)

    assert [change.field for change in patch.changes(own)] == ["title"]
    with pytest.raises(Forbidden):
        rules.permit(user(Role.STUDENT), own, replace(patch, severity=Severity.MISCHIEF))
    with pytest.raises(Forbidden):
        rules.permit(user(Role.STUDENT), incident(Severity.MISCHIEF), IncidentPatch(title="t"))


def test_what_analytics_count() -> None:
    with pytest.raises(Forbidden):
        rules.analytics_scope(user(Role.STUDENT))
    with pytest.raises(Forbidden, match="house"):
        rules.analytics_scope(user(Role.PREFECT))
    assert rules.analytics_scope(user(Role.PREFECT, House.RAVENCLAW)).house is House.RAVENCLAW
    assert rules.analytics_scope(user(Role.AUROR, House.RAVENCLAW)).house is None


def test_comments_are_deleted_by_their_author_or_an_auror() -> None:
    assert rules.may_delete_comment(user(Role.STUDENT), ME)
    assert not rules.may_delete_comment(user(Role.PREFECT), OTHER)
    assert rules.may_delete_comment(user(Role.AUROR), OTHER)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Poly", "'Poly':*"),
        ("two words", "'two':* & 'words':*"),
        ("a' | !b:*", "'a':* & ('b':* | '!b:*':*)"),
        ("'a | !b:* ''c''d", "'a':* & ('b':* | '!b:*':*) & ('c':* & 'd':* | '''''c''''d':*)"),
        ("(a time-turner, again!)", "'a':* & 'time':* & 'turner':* & 'again':*"),
        (
            "10-year /owl a-",
            "('10':* & 'year':* | '10-year':* | '-10-year':* | '+10-year':*) & ('owl':* | '/owl':*) & ('a':* | 'a-':*)",
        ),
        ("map.hogwarts.edu", "('map':* & 'hogwarts':* & 'edu':* | 'map.hogwarts.edu':*)"),
        ("-5", "('5':* | '-5':* | '+5':*)"),
        ("vault 13", "'vault':* & ('13':* | '-13':* | '+13':*)"),
        ("2.5", "('2':* & '5':* | '2.5':* | '-2.5':* | '+2.5':*)"),
        ("(13) a-7", "('13':* | '(13)':* | '-13)':* | '+13)':*) & ('a':* & '7':* | 'a-7':*)"),
        ("7'", "('7':* | '7''':* | '-7''':* | '+7''':*)"),
        ("13a \u0661\u0663", "'13a':* & '\u0661\u0663':*"),
        ("caf\u00e9 noir", "('caf\u00e9':* | 'cafe\u0301':*) & 'noir':*"),
        ("cafe\u0301", "('caf\u00e9':* | 'cafe\u0301':*)"),
        (
            "caf\u00e9-7",
            "('caf\u00e9':* & '7':* | 'cafe\u0301':* & '7':* | 'caf\u00e9-7':* | 'cafe\u0301-7':*)",
        ),
        ("\\ & ( ) <->", ""),
    ],
)
def test_search_text_never_reaches_the_query_language(text: str, terms: str) -> None:
    assert tsquery(search_terms(text)) == terms
