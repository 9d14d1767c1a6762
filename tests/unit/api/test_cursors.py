"""Cursors: they come back as they went out, belong to their list, and nothing made up gets through."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maraudersmap_api.errors import ValidationError
from maraudersmap_api.incidents.cursor import Place, read_cursor, write_cursor
from maraudersmap_api.incidents.models import ListQuery, Location, Order, Severity, Sort, Status

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(-62_135_596_800_000, 10**14).map(lambda number: EPOCH + timedelta(milliseconds=number))
places = st.builds(Place, st.integers(0, 4), moments, st.integers(1, 2**63 - 1))
queries = st.builds(
    ListQuery,
    search=st.sampled_from(["", "troll"]),
    severity=st.lists(st.sampled_from(Severity), unique=True, max_size=2).map(tuple),
    location=st.lists(st.sampled_from(Location), unique=True, max_size=2).map(tuple),
    status=st.lists(st.sampled_from(Status), unique=True, max_size=2).map(tuple),
    sort=st.sampled_from([Sort.REPORTED_AT, Sort.SEVERITY, Sort.STATUS]),
    order=st.sampled_from(Order),
)


@given(places, queries)
def test_a_cursor_leads_back_to_its_place(place: Place, query: ListQuery) -> None:
    assert read_cursor(write_cursor(place, query), query) == place


@given(places, queries, queries)
def test_a_cursor_belongs_to_its_filters_and_order(place: Place, one: ListQuery, other: ListQuery) -> None:
    cursor = write_cursor(place, one)
    same = (one.filters, one.sorted_by, one.order) == (other.filters, other.sorted_by, other.order)

    if same:
        assert read_cursor(cursor, other) == place
    else:
        with pytest.raises(ValidationError, match="other filters"):
            read_cursor(cursor, other)


@given(
    st.one_of(st.text(max_size=400), st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()))
)
def test_nothing_made_up_gets_through(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read_cursor(text, ListQuery())

    assert refused.value.details[0].field == "cursor"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=5),
        max_leaves=8,
    )
)
def test_nor_anything_of_the_right_form(value: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(value).encode()).decode()

    with pytest.raises(ValidationError):
        read_cursor(cursor, ListQuery())


@pytest.mark.parametrize("rank", [-1, 5, 2**70])
@pytest.mark.parametrize("milliseconds", [0, 2**62])
@pytest.mark.parametrize("number", [0, 2**63])
def test_numbers_that_no_row_can_have(rank: int, milliseconds: int, number: int) -> None:
    good = write_cursor(Place(0, EPOCH, 1), ListQuery())
    binding = json.loads(base64.urlsafe_b64decode(good + "=="))[0]
    cursor = base64.urlsafe_b64encode(json.dumps([binding, rank, milliseconds, number]).encode()).decode()

    with pytest.raises(ValidationError):
        read_cursor(cursor, ListQuery())


@pytest.mark.parametrize(
    ("milliseconds", "moment"),
    [
        (-(10**15), None),
        (-253_000_000_000_000, None),
        (-62_167_132_800_000, None),
        (-62_135_596_800_001, None),
        (-62_135_596_800_000, datetime(1, 1, 1, tzinfo=UTC)),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (253_402_300_800_000, None),
        (10**15, None),
    ],
)
def test_moments_that_no_calendar_has(milliseconds: int, moment: datetime | None) -> None:
    good = write_cursor(Place(0, EPOCH, 1), ListQuery())
    binding = json.loads(base64.urlsafe_b64decode(good + "=="))[0]
    cursor = base64.urlsafe_b64encode(json.dumps([binding, 0, milliseconds, 1]).encode()).decode()

    if moment is not None:
        assert read_cursor(cursor, ListQuery()).reported_at == moment
    else:
        with pytest.raises(ValidationError):
            read_cursor(cursor, ListQuery())
