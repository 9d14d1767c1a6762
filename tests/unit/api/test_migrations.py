"""Migrations, as far as no database is needed: files, plans, and what code a schema serves."""

import pytest

from maraudersmap_api.infra.migrate import (
    MigrationError,
    SchemaState,
    parse_migrations,
    plan,
    schema_problem,
    shipped_migrations,
)

FILES = [
    ("0001_one.sql", "-- serves code from: 1\nSELECT 1"),
    ("0002_two.sql", "-- serves code from: 1\n-- transaction: none\nSELECT 2"),
]


def test_the_shipped_files_parse_and_serve_the_release_before() -> None:
    migrations = shipped_migrations()

    assert [migration.version for migration in migrations] == list(range(1, len(migrations) + 1))
    for migration in migrations[1:]:
        assert migration.serves_from < migration.version, "a schema also serves the previous release"


def test_headers_are_read() -> None:
    one, two = parse_migrations(FILES)

    assert (one.in_transaction, two.in_transaction) == (True, False)
    assert (one.serves_from, two.name) == (1, "two")


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ([("0002_two.sql", FILES[0][1])], "0001_"),
        ([("0001_Upper.sql", FILES[0][1])], "0001_"),
        ([("0001_one.sql", "SELECT 1")], "serves code from"),
    ],
)
def test_files_out_of_order_or_without_header_are_refused(
    files: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(MigrationError, match=complaint):
        parse_migrations(files)


def test_only_what_is_missing_is_planned() -> None:
    one, two = parse_migrations(FILES)

    assert plan((one, two), {}) == [one, two]
    assert plan((one, two), {1: one.checksum}) == [two]
    assert plan((one, two), {1: one.checksum, 2: two.checksum}) == []


def test_a_file_changed_after_it_was_applied_is_refused() -> None:
    with pytest.raises(MigrationError, match=r"0001_one\.sql was changed"):
        plan(parse_migrations(FILES), {1: "another"})


def test_a_database_migrated_by_a_later_release_is_left_alone() -> None:
    one, two = parse_migrations(FILES)

    assert plan((one, two), {1: one.checksum, 2: two.checksum, 3: "later"}) == []


def test_a_hole_below_what_is_applied_is_refused() -> None:
    one, two = parse_migrations(FILES)

    with pytest.raises(MigrationError, match="applied in order"):
        plan((one, two), {2: two.checksum})


@pytest.mark.parametrize(
    ("version", "serves_from", "code", "fits"),
    [(1, 1, 1, True), (2, 1, 1, True), (1, 1, 2, False), (0, 0, 1, False), (3, 2, 1, False), (3, 2, 2, True)],
)
def test_which_code_a_schema_serves(version: int, serves_from: int, code: int, fits: bool) -> None:
    assert (schema_problem(SchemaState(version, serves_from), code) is None) is fits
