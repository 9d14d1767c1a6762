"""Bodies and queries: whatever arrives is either understood or a 400 that names the field."""

import pytest
from multidict import MultiDict

from maraudersmap_api.auth.handlers import parse_registration
from maraudersmap_api.errors import ValidationError
from maraudersmap_api.http.query import Query
from maraudersmap_api.http.reading import parse_object
from maraudersmap_api.incidents.handlers import parse_new_incident
from maraudersmap_api.incidents.models import Location, Severity

GOOD = {"title": "Polyjuice brewed", "location": "HOGWARTS"}


def refusal(values: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        parse_new_incident(values)
    return [(detail.field, detail.message) for detail in caught.value.details]


def test_a_plain_report_gets_the_defaults() -> None:
    new = parse_new_incident({**GOOD, "title": "  Polyjuice brewed "})

    assert (new.title, new.description, new.severity) == ("Polyjuice brewed", "", Severity.MISCHIEF)
    assert (new.location, new.tags, new.evidence_urls, new.witness_count) == (Location.HOGWARTS, (), (), 0)


def test_the_canonical_error() -> None:
    assert refusal({"location": "HOGWARTS"}) == [("title", "Title is required")]


def test_every_wrong_field_is_named() -> None:
    found = refusal(
        {"title": " ", "severity": "BAD", "location": "HOME", "witnessCount": -1, "reportedBy": "me"}
    )

    assert [field for field, _ in found] == ["title", "severity", "location", "witnessCount", "reportedBy"]
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
        ("evidenceUrls", ["https://x.example/" + "a" * 2048]),
        ("witnessCount", 1.0),
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
        parse_registration({"email": email, "password": "12345678", "firstName": "A", "lastName": "B"})

    assert [detail.field for detail in caught.value.details] == ["email"]


def test_addresses_are_trimmed_and_lower_cased_and_passwords_left_alone() -> None:
    new, password = parse_registration(
        {"email": " Harry@Hogwarts.EDU ", "password": " spaces ", "firstName": "H", "lastName": "P"}
    )

    assert (new.email, password, new.role.value) == ("harry@hogwarts.edu", " spaces ", "STUDENT")


def test_nobody_registers_with_a_role() -> None:
    with pytest.raises(ValidationError) as caught:
        parse_registration(
            {
                "email": "a@hogwarts.edu",
                "password": "12345678",
                "firstName": "A",
                "lastName": "B",
                "role": "AUROR",
            }
        )

    assert caught.value.details[0].field == "role"


def test_a_query_reads_lists_times_and_numbers() -> None:
    query = Query(
        MultiDict(
            {
                "page": "2",
                "severity": "DANGEROUS,MISCHIEF",
                "from": "2026-01-02",
                "to": "2026-01-02T03:04:05Z",
            }
        )
    )

    assert query.integer("page", default=1, least=1, most=9) == 2
    assert query.choices("severity", Severity) == (Severity.DANGEROUS, Severity.MISCHIEF)
    start, end = query.moment("from"), query.moment("to")
    assert start is not None
    assert end is not None
    assert (end - start).total_seconds() == 3 * 3600 + 4 * 60 + 5
    query.finish()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "1e3"),
        ("page", "-1"),
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
    query = Query(MultiDict({name: value}))
    query.integer("page", default=1, least=1, most=100)
    query.choices("severity", Severity)
    query.moment("at")
    query.uuid("who")
    query.text("words", most=200)

    with pytest.raises(ValidationError) as caught:
        query.finish()

    assert [detail.field for detail in caught.value.details] == [name]


def test_a_name_given_twice_is_refused() -> None:
    query = Query(MultiDict([("page", "1"), ("page", "2")]))
    query.integer("page", default=1, least=1, most=9)

    with pytest.raises(ValidationError, match="more than once"):
        query.finish()
