"""`demo-data`: users and incidents to try things out with, and to measure on; a million in a few minutes by COPY.

Everything is made from one seed. The users `demo.student1@hogwarts.edu`, `demo.prefect1@...`, `demo.auror1@...` and so
on share one password, so this is for databases that no one depends on; it refuses one that has other users.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from maraudersmap_api import exit_codes
from maraudersmap_api.auth.models import House, Role
from maraudersmap_api.auth.passwords import Passwords
from maraudersmap_api.commands import UNREACHABLE
from maraudersmap_api.incidents.models import Location, Severity, Status
from maraudersmap_api.infra.connecting import connect_plainly
from maraudersmap_api.infra.logs import configure_logs
from maraudersmap_api.settings import load_database_settings

PASSWORD = "mischief managed"  # noqa: S105 - printed for everybody who loads the data
BATCH = 10_000
SPREAD_DAYS = 365
FEWEST, MOST = 1, 5_000_000

_PEOPLE = {Role.STUDENT: 40, Role.PREFECT: 12, Role.AUROR: 8}
_SEVERITIES = (
    (Severity.MISCHIEF, 70),
    (Severity.SUSPICIOUS, 20),
    (Severity.DANGEROUS, 8),
    (Severity.UNFORGIVABLE, 2),
)
_STATUSES = ((Status.OPEN, 30), (Status.IN_PROGRESS, 15), (Status.RESOLVED, 45), (Status.ARCHIVED, 10))
_THINGS = (
    "Polyjuice Potion", "a boggart", "an invisibility cloak", "a stolen broomstick", "a hippogriff", "dungbombs",
    "a cursed necklace", "a love potion", "the Whomping Willow", "a flying car", "an enchanted mirror",
    "a dementor", "a time-turner", "gnomes", "a dragon egg", "a basilisk", "a howler", "nifflers",
)  # fmt: skip
_DEEDS = (
    "brewed in", "loose in", "hidden behind", "seen near", "smuggled through", "set off in", "reported missing from",
    "duelled over in", "found under", "sold in",
)  # fmt: skip
_PLACES = (
    "the Slytherin common room", "the greenhouse", "the third-floor corridor", "the Owlery", "the library",
    "the prefects' bathroom", "the Great Hall", "the dungeons", "the lake", "the Quidditch pitch",
)  # fmt: skip
_TAGS = (
    "potion",
    "creature",
    "curse",
    "prank",
    "quidditch",
    "night",
    "forbidden",
    "duel",
    "ghost",
    "artefact",
)
_COLUMNS = (
    "title", "description", "severity", "location", "status", "reported_by", "reported_at", "updated_at",
    "resolved_at", "resolved_by", "tags", "evidence_urls", "witness_count", "version",
)  # fmt: skip
# What the API would have written for each of them.
_HISTORY = """
INSERT INTO incident_history (incident_id, changed_by, changed_at, field, old_value, new_value, request_id)
SELECT id, reported_by, reported_at, f.field, NULL, f.value, 'demo-data'
  FROM incidents, LATERAL (VALUES ('status', '"OPEN"'::jsonb),
       ('severity', to_jsonb((ARRAY['MISCHIEF','SUSPICIOUS','DANGEROUS','UNFORGIVABLE'])[severity]))) AS f (field, value)
 WHERE id > $1"""


async def load_demo_data(environ: Mapping[str, str], arguments: argparse.Namespace) -> int:
    """Load it: 0, or 75, or 1 with the reason on standard error. Raises SettingsError."""
    settings = load_database_settings(environ)
    configure_logs(settings.environment, settings.log_level, sys.stderr)
    count: int = arguments.incidents
    if not FEWEST <= count <= MOST:
        return _refuse(f"--incidents must be from {FEWEST} to {MOST}")
    try:
        connection = await connect_plainly(settings.url, 10)
        try:
            return await _load(connection, count, arguments.seed)
        finally:
            await connection.close()
    except UNREACHABLE as error:
        _refuse(f"the database cannot be reached ({type(error).__name__})")
        return exit_codes.UNREACHABLE
    except asyncpg.UndefinedTableError:
        return _refuse("there is no schema yet: run migrate first")


async def _load(connection: Any, count: int, seed: int) -> int:
    if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM users WHERE email NOT LIKE 'demo.%')"):
        return _refuse("this database has users of its own: demo data would mix with theirs")
    dice = random.Random(seed)  # noqa: S311 - not a secret
    people = await _people(connection)
    rows = incidents(dice, people, count, datetime.now(UTC))
    bar = _Bar(count)
    done = 0
    while done < count:
        batch = [row for _, row in zip(range(min(BATCH, count - done)), rows, strict=False)]
        async with connection.transaction():
            last = await connection.fetchval("SELECT coalesce(max(id), 0) FROM incidents")
            await connection.copy_records_to_table("incidents", records=batch, columns=_COLUMNS)
            await connection.execute(_HISTORY, last)
        done += len(batch)
        bar.show(done)
    await connection.execute("SELECT fold_tallies(2147483647)")  # the API folds in small portions, as it goes
    # Else the first queries are planned for empty tables, and totals read past a million changes that were folded away.
    await connection.execute("VACUUM (ANALYZE) incidents, incident_history, incident_tallies, tally_changes")
    names = ", ".join(f"demo.{role.lower()}1..{number}@hogwarts.edu" for role, number in _PEOPLE.items())
    print(f"\n{count:,} incidents; sign in as {names} with the password: {PASSWORD}")  # noqa: T201 - the output
    return exit_codes.OK


async def _people(connection: Any) -> dict[Role, list[UUID]]:
    passwords = Passwords()
    try:
        password_hash = await passwords.hash(PASSWORD)
    finally:
        passwords.close()
    houses = tuple(House)
    people: dict[Role, list[UUID]] = {}
    for role, number in _PEOPLE.items():
        rows = await connection.fetch(
            """INSERT INTO users (email, password_hash, role, first_name, last_name, house)
               SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
               ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash RETURNING id""",
            [f"demo.{role.lower()}{n}@hogwarts.edu" for n in range(1, number + 1)],
            [password_hash] * number,
            [role.value] * number,
            ["Demo"] * number,
            [f"{role.capitalize()} {n}" for n in range(1, number + 1)],
            [houses[n % 4].value for n in range(number)],
        )
        people[role] = [row["id"] for row in rows]
    return people


def incidents(
    dice: random.Random, people: Mapping[Role, list[UUID]], count: int, now: datetime
) -> Iterator[tuple[Any, ...]]:
    """`count` rows in the order of _COLUMNS, the oldest first, spread over the year before `now`. Pure but for `dice`."""
    reporters = [person for group in people.values() for person in group]
    step = timedelta(days=SPREAD_DAYS) / count
    severities, statuses = _weighted(_SEVERITIES), _weighted(_STATUSES)
    for number in range(count):
        place = dice.choice(_PLACES)
        title = f"{dice.choice(_THINGS)} {dice.choice(_DEEDS)} {place}"
        status = dice.choice(statuses)
        reported = _milliseconds(now - timedelta(days=SPREAD_DAYS) + step * number)
        closed = status in (Status.RESOLVED, Status.ARCHIVED)
        resolved = _milliseconds(reported + (now - reported) * dice.random() * 0.2) if closed else None
        tags = dice.sample(_TAGS, dice.randrange(4))
        yield (
            title[0].upper() + title[1:],
            f"Seen by the portraits of {place}. Case {number}: {dice.choice(_THINGS)} is suspected.",
            int(dice.choice(severities)),
            dice.choice(tuple(Location)).value,
            status.value,
            dice.choice(reporters),
            reported,
            resolved or reported,
            resolved,
            dice.choice(people[Role.AUROR]) if closed else None,
            tags,
            [f"https://owl.post/{number}"] if number % 5 == 0 else [],
            dice.randrange(12),
            2 if closed else 1,
        )


def _weighted(pairs: tuple[tuple[Any, int], ...]) -> list[Any]:
    return [value for value, weight in pairs for _ in range(weight)]


def _milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class _Bar:
    """Progress on standard error: a bar on a terminal, a line each tenth elsewhere."""

    def __init__(self, whole: int) -> None:
        self._whole = whole
        self._started = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._tenth = 0

    def show(self, done: int) -> None:
        speed = done / max(0.001, time.monotonic() - self._started)
        left = (self._whole - done) / speed
        numbers = f"{done:,} of {self._whole:,}  {speed:,.0f}/s  {left:.0f} s left"
        if self._terminal:
            full = 30 * done // self._whole
            sys.stderr.write(f"\r[{'#' * full}{'.' * (30 - full)}] {numbers}   ")
        elif 10 * done // self._whole > self._tenth:
            self._tenth = 10 * done // self._whole
            sys.stderr.write(f"demo-data: {numbers}\n")
        sys.stderr.flush()


def _refuse(reason: str) -> int:
    print(f"demo-data: {reason}", file=sys.stderr)  # noqa: T201 - the command's output
    return exit_codes.FAILED
