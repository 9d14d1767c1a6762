"""What an event becomes for each reader, as a table: what is sent depends on now, not on when it was stored."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from maraudersmap_api.auth.models import Role, UserRef
from maraudersmap_api.comments.models import Comment
from maraudersmap_api.incidents.models import Incident, Location, Severity, Status, Visibility
from maraudersmap_api.incidents.rules import visibility_of
from maraudersmap_api.notifications.models import WITHHELD, Notification
from maraudersmap_api.outbox.models import Event, EventType, NotificationType
from maraudersmap_api.realtime.delivery import Loaded, Rendering, Subject

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPORTER = UUID(int=1)
STUDENT = visibility_of(UUID(int=2), Role.STUDENT)
PREFECT = visibility_of(UUID(int=3), Role.PREFECT)
AUROR = visibility_of(UUID(int=4), Role.AUROR)
OWNER = visibility_of(REPORTER, Role.STUDENT)
PERSON = UserRef(REPORTER, "R", "R", Role.STUDENT, None)


def subject(severity: Severity, *, deleted: bool = False) -> Subject:
    incident = Incident(
        7, "secret", "", severity, Location.HOGWARTS, Status.OPEN, PERSON, NOW, NOW, None, None, (), (), 0, 2
    )
    return Subject(incident, deleted)


def sent(event: Event, loaded: Loaded, seen: Visibility) -> str:
    """The frame's type, or "-"."""
    text = Rendering(event, loaded).for_reader(seen)
    if text is None:
        return "-"
    frame = json.loads(text)
    assert frame["id"] == event.id
    if frame["type"] == "incident:removed":
        assert frame["data"] == {"id": 7}
    return str(frame["type"])


@pytest.mark.parametrize(
    ("kind", "payload", "now", "deleted", "student", "prefect", "auror", "owner"),
    [
        # kind              payload               severity now  deleted  student prefect auror owner
        ("incident:created", {}, Severity.MISCHIEF, False, "sent", "sent", "sent", "sent"),
        ("incident:created", {}, Severity.DANGEROUS, False, "-", "sent", "sent", "sent"),
        ("incident:created", {}, Severity.UNFORGIVABLE, False, "-", "-", "sent", "sent"),
        ("incident:created", {}, Severity.MISCHIEF, True, "-", "-", "-", "-"),
        (
            "incident:escalated",
            {"severityBefore": 1},
            Severity.DANGEROUS,
            False,
            "removed",
            "sent",
            "sent",
            "sent",
        ),
        ("incident:escalated", {"severityBefore": 2}, Severity.DANGEROUS, False, "-", "sent", "sent", "sent"),
        (
            "incident:escalated",
            {"severityBefore": 3},
            Severity.UNFORGIVABLE,
            False,
            "-",
            "removed",
            "sent",
            "sent",
        ),
        # who may still view that much is sent what deleted it
        ("incident:escalated", {"severityBefore": 1}, Severity.DANGEROUS, True, "removed", "-", "-", "-"),
        ("incident:escalated", {"severityBefore": 3}, Severity.UNFORGIVABLE, True, "-", "removed", "-", "-"),
        ("incident:updated", {"severityBefore": 4}, Severity.MISCHIEF, True, "-", "-", "-", "-"),
        ("incident:updated", {"severityBefore": 4}, Severity.DANGEROUS, True, "-", "-", "-", "-"),
        ("incident:updated", {"severityBefore": 4}, Severity.MISCHIEF, False, "sent", "sent", "sent", "sent"),
        ("incident:resolved", {}, Severity.SUSPICIOUS, False, "-", "sent", "sent", "sent"),
        ("incident:deleted", {}, Severity.MISCHIEF, True, "sent", "sent", "sent", "sent"),
        ("incident:deleted", {}, Severity.UNFORGIVABLE, True, "-", "-", "sent", "sent"),
        ("comment:created", {"comment": 5}, Severity.DANGEROUS, False, "-", "sent", "sent", "sent"),
        ("comment:created", {"comment": 6}, Severity.MISCHIEF, False, "-", "-", "-", "-"),
        ("comment:created", {"comment": 5}, Severity.MISCHIEF, True, "-", "-", "-", "-"),
        ("comment:deleted", {"comment": 6}, Severity.DANGEROUS, False, "-", "sent", "sent", "sent"),
    ],
)
def test_who_is_sent_what(
    kind: str,
    payload: dict[str, int],
    now: Severity,
    deleted: bool,
    student: str,
    prefect: str,
    auror: str,
    owner: str,
) -> None:
    event = Event(9, EventType(kind), 7, payload)
    comments = {5: Comment(5, 7, PERSON, "words", NOW, NOW)}  # 6 was deleted
    loaded = Loaded({7: subject(now, deleted=deleted)}, comments)
    frames = {"sent": kind, "removed": "incident:removed", "-": "-"}

    for seen, expected in ((STUDENT, student), (PREFECT, prefect), (AUROR, auror), (OWNER, owner)):
        assert sent(event, loaded, seen) == frames[expected]


def test_a_notification_is_for_its_reader_and_withheld_when_hidden() -> None:
    event = Event(9, EventType.NOTIFICATION_NEW, 7, {"notification": 4}, user_id=STUDENT.user_id)
    stored = Notification(
        4, STUDENT.user_id, NotificationType.MENTION, "secret", "secret", 7, NOW, None, {"commentId": 5}
    )
    visible = Loaded({7: subject(Severity.MISCHIEF)}, {}, {4: stored})
    hidden = Loaded({7: subject(Severity.DANGEROUS)}, {}, {4: stored})

    assert sent(event, visible, AUROR) == "-"
    assert "secret" in str(Rendering(event, visible).for_reader(STUDENT))
    withheld = str(Rendering(event, hidden).for_reader(STUDENT))
    assert WITHHELD in withheld
    assert "secret" not in withheld
    assert sent(event, Loaded({7: subject(Severity.MISCHIEF)}), STUDENT) == "-", "deleted by its reader"


@pytest.mark.parametrize("kind", EventType)
def test_nothing_is_sent_of_what_is_not_there(kind: EventType) -> None:
    event = Event(9, kind, 7, {"comment": 5, "notification": 4}, user_id=AUROR.user_id)

    assert sent(event, Loaded(), AUROR) == "-"


def test_a_frame_is_rendered_once_for_all_who_get_the_same() -> None:
    rendering = Rendering(
        Event(9, EventType.INCIDENT_CREATED, 7, {}), Loaded({7: subject(Severity.MISCHIEF)})
    )

    assert rendering.for_reader(STUDENT) is rendering.for_reader(AUROR)
