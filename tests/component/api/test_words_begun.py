"""A beginning of a word is asked for as the words that begin so: what is found stays what begins so."""

import asyncio
import random
from urllib.parse import quote

import asyncpg
import pytest
from tests.component.conftest import PATIENCE_SECONDS, Api

from maraudersmap_api.incidents.filtering import search_terms, tsquery
from maraudersmap_api.infra.migrate import migrate, shipped_migrations

SHIPPED = shipped_migrations()
BEFORE = 13
"""The schema that knew no words."""

LETTERS = ("a", "b", "\u00e9", "\u0e01", "7", "_")
# What PostgreSQL's parser and its query language treat in a way of their own.
AWKWARD = (
    "O'Brien",
    "back\\slash",
    "map.hogwarts.edu",
    "-5",
    "a|b",
    "x&y",
    "!no",
    "fo:*",
    "STRASSE",
    "\u0130stanbul",
)
MISSING = """SELECT DISTINCT u.lexeme FROM incidents i, unnest(i.search) u
              WHERE NOT EXISTS (SELECT 1 FROM search_words w WHERE w.word = u.lexeme COLLATE "C")"""
# The search by its definition: without an index, a word after the other; or as it stands in the title.
DEFINITION = """SELECT id FROM incidents WHERE coalesce(search @@ to_tsquery('simple', $1), false)
                    OR length($2) >= 3 AND strpos(folded(title), folded($2)) > 0"""


async def test_the_same_as_by_the_definition(api: Api) -> None:
    """Whatever the words are, and also where more begin so than are named."""
    await api.person("moody", "AUROR")
    dice = random.Random(14)  # noqa: S311 - no secret
    short = ["".join(dice.choices(LETTERS, k=dice.randint(1, 4))) for _ in range(60)]
    # At first nothing begins with b7, then 70 words do.
    many = [f"b7{number}" for number in range(70)]
    for words in ([*short, *AWKWARD], [*short, *AWKWARD, *many]):
        titles = [" ".join(dice.sample(words, dice.randint(1, 3))) for _ in range(200)]
        await api.sql(
            """INSERT INTO incidents (title, location, reported_by)
               SELECT t, 'HOGWARTS', u.id FROM unnest($1::text[]) t, users u""",
            titles,
        )
        for _ in range(150):
            asked = [word[: dice.randint(1, len(word))] for word in dice.sample(words, dice.randint(1, 3))]
            text = " ".join([*asked, dice.choice(("", "b", "b7"))]).strip()
            terms = tsquery(search_terms(text))
            expected = {row["id"] for row in await api.sql(DEFINITION, terms, text)}
            path = f"/api/incidents?limit=100&search={quote(text)}&sort=reportedAt"
            found = (await api.call("GET", path, user="moody")).body
            assert found["total"] == len(expected), text
            assert {incident["id"] for incident in found["data"]} <= expected, text


async def test_a_hyphenated_word_is_found_by_its_parts(api: Api) -> None:
    """All that PostgreSQL's parser makes of it has the parts as well: asking for them alone leaves nothing out."""
    dice = random.Random(15)  # noqa: S311 - no secret
    parts = ["time", "turner", "Turn", "a", "x", "half", "blood", "www", "e"]
    joints = ["-", "-", "-", " ", ".", "--", "/", "@", "_", "-7"]
    around = ["", "", "(", ")", ",", ".", "'", '"', "!", "?", "]", ":", "/", "&", "@"]

    def some() -> str:
        words = dice.choices(parts, k=dice.randint(1, 3))
        return words[0] + "".join(dice.choice(joints) + word for word in words[1:])

    titles = [
        " ".join(f"{dice.choice(around)}{some()}{dice.choice(around)}" for _ in range(3)) for _ in range(300)
    ]
    lost_by = """SELECT 1 FROM unnest($1::text[]) t WHERE to_tsvector('simple', t) @@ to_tsquery('simple', $2)
                    AND NOT to_tsvector('simple', t) @@ to_tsquery('simple', $3)"""
    shortened = 0
    for _ in range(300):
        asked = (
            f"{dice.choice(around)}{'-'.join(dice.choices(parts, k=dice.randint(1, 3)))}{dice.choice(around)}"
        )
        (*_, last) = terms = search_terms(asked)
        shortened += "|" not in last[0]
        quoted = asked.replace("'", "''")
        lost = await api.sql(lost_by, titles, f"'{quoted}':*", tsquery(terms))
        assert lost == [], asked
    assert shortened > 50  # the others are asked for as they were


async def test_every_word_is_known_whoever_writes(api: Api) -> None:
    await api.person("moody", "AUROR")
    incident = await api.report("moody", "A boggart", description="in the wardrobe")
    path = f"/api/incidents/{incident['id']}"
    for change in ({"title": "A kelpie"}, {"description": "in the lake"}, {"location": "AZKABAN"}):
        assert (await api.call("PATCH", path, user="moody", json=change)).status == 200
    await api.sql("UPDATE incidents SET title = 'grindylow ' || id, witness_count = 3")

    assert await api.sql(MISSING) == []
    for word in ("grind", "lak", "azk"):
        assert (await api.call("GET", f"/api/incidents?search={word}", user="moody")).body["total"] == 1


async def test_two_that_bring_the_same_word_do_not_wait_for_one_another(api: Api) -> None:
    """And each keeps it, whatever becomes of the other."""
    await api.person("moody", "AUROR")
    insert = "INSERT INTO incidents (title, location, reported_by) SELECT $1, 'HOGWARTS', id FROM users"
    first, second = [await asyncpg.connect(api.database_url) for _ in range(2)]
    try:
        undone = first.transaction()
        await undone.start()
        await first.execute(insert, "thestral one")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await second.execute(insert, "thestral two")
        await undone.rollback()
    finally:
        await first.close()
        await second.close()

    assert (await api.call("GET", "/api/incidents?search=thes", user="moody")).body["total"] == 1


@pytest.mark.parametrize("stop", [BEFORE + 1, BEFORE + 2])
async def test_words_from_before_are_added_while_others_write(empty_database: str, stop: int) -> None:
    await migrate(empty_database, SHIPPED[:BEFORE])
    insert = "INSERT INTO incidents (title, location, reported_by) SELECT $1, 'AZKABAN', id FROM users"
    connection, writer = [await asyncpg.connect(empty_database) for _ in range(2)]
    try:
        await connection.execute(
            "INSERT INTO users (email, password_hash, first_name, last_name) VALUES ('a@hogwarts.edu', 'x', 'A', 'B')"
        )
        await connection.execute(insert, "before")
        await migrate(empty_database, SHIPPED[: BEFORE + 1])
        writing = writer.transaction()
        await writing.start()
        await writer.execute(insert, "meanwhile")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await migrate(empty_database, SHIPPED[:stop])
            await migrate(empty_database, SHIPPED[: BEFORE + 2])
        await writing.commit()
        await connection.execute(insert, "after")

        assert await connection.fetch(MISSING) == []
        begun = await connection.fetchval("SELECT words_begun(to_tsquery('simple', '''me'':*'))::text")
        assert begun == "'meanwhile'"
    finally:
        await connection.close()
        await writer.close()
