"""Bodies and queries: whatever arrives is either understood or a 400 that names the field."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import pytest
from multidict import MultiDict

from maraudersmap_api.auth.models import Credentials, Registration
from maraudersmap_api.errors import ValidationError
from maraudersmap_api.fields import UNSET, Items, Moment, Text, Unset, Whole, Wrong
from maraudersmap_api.http.models import MOST_NAMED, model, query_problems
from maraudersmap_api.http.reading import parse_object
from maraudersmap_api.incidents.models import Location, NewIncident, Severity

NO_ADDRESS = (  # nothing that a browser could follow: it throws instead
    "http://[", "http://[::1", "http://[fe80::1%25eth0]/", "http://a:b/", "http://a:-1/", "http://a:65536/", "http://@/",
    "http://:80/", "http://a%zz/", "http://a\\b", "http://a<b", "http://a@b@c/",
)  # fmt: skip
GOOD = {"title": "Polyjuice brewed", "location": "HOGWARTS"}


def refusal(values: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        model(NewIncident).from_object(values)
    return [(detail.field, detail.message) for detail in caught.value.details]


def test_a_plain_report_gets_the_defaults() -> None:
    new = model(NewIncident).from_object({**GOOD, "title": "  Polyjuice brewed "})

    assert (new.title, new.description, new.severity) == ("Polyjuice brewed", "", Severity.MISCHIEF)
    assert (new.location, new.tags, new.evidence_urls, new.witness_count) == (Location.HOGWARTS, (), (), 0)


def test_the_canonical_error() -> None:
    assert refusal({"location": "HOGWARTS"}) == [("title", "Title is required")]


def test_every_wrong_field_is_named() -> None:
    found = refusal(
        {"title": " ", "severity": "BAD", "location": "HOME", "witnessCount": -1, "reportedBy": "me"}
    )

    assert [field for field, _ in found] == ["title", "location", "severity", "witnessCount", "reportedBy"]
    assert found[-1][1] == "Field reportedBy is unknown or cannot be set"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", None),
        ("title", 7),
        ("title", "x" * 256),
        ("title", "nul\x00"),
        ("title", "\ud800"),
        ("description", "x" * 10_001),
        ("description", ["a"]),
        ("severity", 3),
        ("severity", "mischief"),
        ("location", {}),
        ("tags", "one"),
        ("tags", ["x" * 51]),
        ("tags", [""]),
        ("tags", [1]),
        ("tags", ["t"] * 21),
        ("evidenceUrls", ["javascript:alert(1)"]),
        ("evidenceUrls", ["ftp://x"]),
        ("evidenceUrls", ["https://"]),
        *(("evidenceUrls", [url]) for url in NO_ADDRESS),
        ("evidenceUrls", ["https://x.example/" + "a" * 2048]),
        ("witnessCount", 1.5),
        ("witnessCount", True),
        ("witnessCount", "3"),
        ("witnessCount", 2**31),
        ("id", 1),
        ("status", "RESOLVED"),
    ],
)
def test_one_wrong_field_is_one_named_problem(field: str, value: object) -> None:
    found = refusal({**GOOD, field: value})

    assert len(found) == 1
    assert found[0][0].split("[")[0] == field


def test_of_what_is_unknown_only_some_is_named() -> None:
    """A body has room for 30,000 names, and an answer with all of them had 2 MB."""
    names = [f"{number:x}" for number in range(25_000)]
    assert [field for field, _ in refusal(dict.fromkeys(names, 0))] == [
        "title",
        "location",
        *names[:MOST_NAMED],
    ]
    assert len(query_problems(MultiDict(dict.fromkeys(names, "")), frozenset())) == MOST_NAMED


def test_an_unknown_name_that_is_no_plain_word_is_not_echoed() -> None:
    assert refusal({**GOOD, "<script>": 1})[0] == ("?", "Field ? is unknown or cannot be set")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"a": NaN}',
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"a": [{"b": 1, "b": 2}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 5000,
    ],
)
def test_what_is_not_a_json_object_is_a_validation_error(raw: bytes) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_object(raw)

    assert caught.value.details[0].field == "body"


@pytest.mark.parametrize(
    "email",
    ["a@hogwarts.edu.evil.com", "@hogwarts.edu", "a b@hogwarts.edu", "a@durmstrang.edu", "ä@hogwarts.edu"],
)
def test_addresses_outside_the_school_are_refused(email: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model(Registration).from_object(
            {"email": email, "password": "12345678", "firstName": "A", "lastName": "B"}
        )

    assert [detail.field for detail in caught.value.details] == ["email"]


def test_addresses_are_trimmed_and_lower_cased_and_passwords_left_alone() -> None:
    new = model(Registration).from_object(
        {"email": " Harry@Hogwarts.EDU ", "password": " spaces ", "firstName": "H", "lastName": "P"}
    )

    assert (new.email, new.password) == ("harry@hogwarts.edu", " spaces ")
    assert " spaces " not in repr(new)


@pytest.mark.parametrize("local_part", ["\u212aate", "har\u0131", "\uff48arry"])
def test_an_address_is_not_made_somebody_elses(local_part: str) -> None:
    """The small letter of a Kelvin sign is `k`, but who writes one is not Kate."""
    email = f"{local_part}@hogwarts.edu"
    with pytest.raises(ValidationError):
        model(Registration).from_object(
            {"email": email, "password": "12345678", "firstName": "A", "lastName": "B"}
        )

    assert model(Credentials).from_object({"email": email, "password": "1"}).email == email


def test_nobody_registers_with_a_role() -> None:
    with pytest.raises(ValidationError) as caught:
        model(Registration).from_object(
            {
                "email": "a@hogwarts.edu",
                "password": "12345678",
                "firstName": "A",
                "lastName": "B",
                "role": "AUROR",
            }
        )

    assert caught.value.details[0].field == "role"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    at: datetime | None = None
    until: datetime | None = None
    severity: tuple[Severity, ...] = ()
    who: UUID | None = None
    words: Annotated[str, Text(most=200, blank=True)] = ""
    page: Annotated[int, Whole(1, 100)] = 1


def test_a_query_reads_lists_times_and_numbers() -> None:
    query = model(SearchQuery).from_query(
        MultiDict(
            {
                "page": "2",
                "severity": "DANGEROUS,MISCHIEF,DANGEROUS",
                "at": "2026-01-02",
                "until": "2026-01-02T05:04:05 02:00",  # an unescaped + arrives as a space
            }
        )
    )

    assert query == SearchQuery(
        at=datetime(2026, 1, 2, tzinfo=UTC),
        until=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        severity=(Severity.DANGEROUS, Severity.MISCHIEF),
        page=2,
    )
    assert model(SearchQuery).from_query(MultiDict()) == SearchQuery()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "1e3"),
        ("page", "-1"),
        ("page", "٣"),
        ("page", "9" * 40),
        ("severity", "dangerous"),
        ("severity", ""),
        ("at", "yesterday"),
        ("at", "2026-01-01T00:00:00"),
        ("at", "9999-12-31T23:59:59-23:00"),
        ("who", "12abc"),
        ("words", "a\x00b"),
        ("words", "x" * 201),
        ("unknown", "1"),
    ],
)
def test_a_wrong_query_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model(SearchQuery).from_query(MultiDict({name: value}))

    assert [detail.field for detail in caught.value.details] == [name]


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="more than once"):
        model(SearchQuery).from_query(MultiDict([("page", "1"), ("page", "2")]))


@dataclass(frozen=True, slots=True)
class Patch:
    title: Annotated[str, Text(most=10)] | Unset = UNSET
    nickname: Annotated[str, Text(most=10)] | Unset | None = UNSET


def test_not_sent_differs_from_null_and_from_every_value() -> None:
    assert model(Patch).from_object({}) == Patch(UNSET, UNSET)
    assert model(Patch).from_object({"nickname": None}) == Patch(UNSET, None)
    with pytest.raises(ValidationError, match="Title must be text"):
        model(Patch).from_object({"title": None})
    with pytest.raises(ValidationError, match="Title must not be blank"):
        model(Patch).from_object({"title": " "})


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u200b\u200b\u2060",
        " \u3164 ",
        "\ufe0f",
        "\x01\x7f",
        "\u034f\u00ad\u180e",
        "\ufeff",
        "\U000e0041",
    ],
)
def test_what_cannot_be_seen_is_blank(text: str) -> None:
    for kind in (Text(most=20), Items(5, Text(most=20))):
        with pytest.raises(Wrong) as refused:
            kind.from_json(text if isinstance(kind, Text) else ["x", text])
        assert "must not be blank" in (refused.value.tail, *(tail for _, tail in refused.value.entries))
    if text.isascii() or max(text) < "\U00010000":
        assert re.search(Text(most=20).schema()["pattern"], text) is None, "published, too"


@pytest.mark.parametrize(
    "text", ["\u200bx", "\U0001f468\u200d\U0001f469", "\u2764\ufe0f", "\u0e33", "-", "\u0301"]
)
def test_what_is_seen_with_it_is_text(text: str) -> None:
    assert Text(most=20).from_text(text) == text
    assert re.search(Text(most=20).schema()["pattern"], text)


def test_a_secret_is_not_judged_by_how_it_looks() -> None:
    """Who chose one of nothing that is seen must be able to sign in."""
    assert Text(most=20, strip=False, secret=True).from_text("\u200b" * 8) == "\u200b" * 8


def test_a_field_without_a_constraint_fails_at_start() -> None:
    @dataclass(frozen=True, slots=True)
    class Loose:
        name: str

    with pytest.raises(TypeError, match=r"Loose\.name: .* needs a constraint"):
        model(Loose)


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "HTTPS://Owl.Post:443/a?b=c#d",
        "http://[::1]:80/",
        "http://u:p@x/",
        "https://\u0444.example/",
        "http://a:/",
    ],
)
def test_an_address_that_a_browser_can_follow(url: str) -> None:
    assert model(NewIncident).from_object({**GOOD, "evidenceUrls": [url]}).evidence_urls == (url,)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T24:00:00Z", "2026-01-31T12:00Z", "2026-W05-6T12:00:00Z", "20260131T120000Z", "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00+01:00:30", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00", "2026-01-31T12:00:61Z",
        "\u0662026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", "0001-01-01T00:00:00Z", "infinity", "now", "",
    ],
)  # fmt: skip
def test_what_is_no_time_in_any_version_of_python(text: str) -> None:
    with pytest.raises(Wrong):
        Moment().from_text(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31t12:00:00z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31 12:00:00.123456789Z", datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)),
        ("2026-01-31T12:00:00 02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2017-01-01T00:59:60+01:00", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_times_of_rfc_3339(text: str, moment: datetime) -> None:
    assert Moment().from_text(text) == moment
