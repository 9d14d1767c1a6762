"""Whatever stands in a title is found as it is written, however words would be cut."""

import unicodedata
from typing import Literal
from urllib.parse import quote

import pytest
from tests.component.conftest import Api

FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
# Escaped where characters look alike: what is decomposed here must stay so.
TITLES = (
    "See https://map.hogwarts.edu/rooms?id=7#east",
    "Logged on 31.10.2026 at 23:59",
    "vault713.txt was opened",
    "Minus -5 and -17.5 degrees in the dungeons",
    "Nimbus v2.0.1-rc.3 falls apart",
    "/var/log/owlery/post.log is full",
    "Write to minerva.mcgonagall@hogwarts.edu",
    "C++ & <script> 100%_sure",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902 \u0918\u091f\u0928\u093e",  # Hindi
    "\u0e01\u0e32\u0e23\u0e23\u0e32\u0e22\u0e07\u0e32\u0e19\u0e40\u0e2b\u0e15\u0e38\u0e01\u0e32\u0e23\u0e13\u0e4c",  # Thai
    "Cafe\u0301 in Hogsmeade",
    "Fa\u00e7ade of \u00c5lesund",
    "\u039f\u0394\u039f\u03a3 \u03c0\u03cc\u03bb\u03b7",  # Greek, with a sigma at an end
    "O'Brien\\'s \"quoted\" owl",
    "Dungbombs ... again!!! (third time)",
)


async def found(api: Api, text: str, user: str = "moody") -> list[str]:
    reply = await api.call("GET", f"/api/incidents?limit=100&search={quote(text)}", user=user)
    assert reply.status == 200, reply.body
    assert reply.body["total"] == len(reply.body["data"])
    return [incident["title"] for incident in reply.body["data"]]


@pytest.fixture
async def full(api: Api) -> Api:
    """With an incident of each title."""
    await api.person("moody", "AUROR")
    for title in TITLES:
        await api.report("moody", title)
    return api


async def test_every_part_of_every_title(full: Api) -> None:
    for title in TITLES:
        assert title in await found(full, title), "pasted as a whole"
        for start in range(0, len(title) - 3, 3):
            part = title[start : start + 5]
            if len(part.strip()) >= 3:
                assert title in await found(full, part), (title, part)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("map.hogwarts.edu", 0),
        ("hogwarts.edu/rooms", 0),
        ("31.10.2026", 1),
        ("10.20", 1),
        ("vault713.txt", 2),
        ("ult713", 2),
        ("-5", 3),
        ("-17.5", 3),
        ("2.0.1-RC", 4),
        ("log/owlery", 5),
        ("mcgonagall@hog", 6),
        ("%_sure", 7),
        ("caf\u00e9 IN", 10),
        ("\uff23\uff41\uff46", 10),
        ("fac\u0327ade", 11),
        ("\u00e5LES", 11),
        ("\u03bf\u03b4\u03bf\u03c2", 12),
        ("...", 14),
    ],
)
async def test_in_whatever_case_and_form(full: Api, text: str, title: int) -> None:
    assert TITLES[title] in await found(full, text)
    for form in FORMS:
        assert TITLES[title] in await found(full, unicodedata.normalize(form, text))


async def test_what_is_not_written_is_not_found(full: Api) -> None:
    for text in ("map.hogwarts.org", "hogwarts_edu", "01.10.2026", "vault713-txt", "100%sure", "...!", "zz"):
        assert await found(full, text) == [], text


async def test_what_may_not_be_seen_is_not_found_either(full: Api) -> None:
    await full.person("luna")
    await full.report("moody", "Secret of vault713.txt", severity="UNFORGIVABLE")

    assert await found(full, "ult713", "luna") == [TITLES[2]]
    facets = await full.call("GET", "/api/incidents/search/facets?search=ult713", user="luna")
    assert facets.body["total"] == 1
    suggested = await full.call("GET", "/api/incidents/autocomplete?q=ult713", user="luna")
    assert [suggestion["title"] for suggestion in suggested.body["data"]] == [TITLES[2]]


async def test_facets_suggestions_and_exports_find_the_same(full: Api) -> None:
    for text in ("ult713", "10.20", "mcgonagall@hog"):
        (title,) = await found(full, text)
        facets = await full.call("GET", f"/api/incidents/search/facets?search={quote(text)}", user="moody")
        suggested = await full.call("GET", f"/api/incidents/autocomplete?q={quote(text)}", user="moody")
        export = await full.call("GET", f"/api/analytics/export.csv?search={quote(text)}", user="moody")

        assert facets.body["total"] == 1
        assert [suggestion["title"] for suggestion in suggested.body["data"]] == [title]
        assert len(export.body.decode().splitlines()) == 2


async def test_pages_of_parts_follow_one_another(api: Api) -> None:
    await api.person("moody", "AUROR")
    for number in range(25):
        await api.report("moody", f"underground {number}")
    seen: list[int] = []
    cursor = ""
    while True:
        path = f"/api/incidents?limit=10&search=ground&sort=reportedAt{cursor}"
        body = (await api.call("GET", path, user="moody")).body
        assert body["total"] == 25
        seen += [incident["id"] for incident in body["data"]]
        if body["nextCursor"] is None:
            break
        cursor = f"&cursor={body['nextCursor']}"

    assert len(seen) == len(set(seen)) == 25


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Vault 12-13", "13"),
        ("Vault 12-13", "Vault 13"),
        ("Vault 12-13", "13, vault"),
        ("Vault 12-13", "(13) vault"),
        ("Vault 12-13", "12-13"),
        ("Call 555-1234", "1234"),
        ("Call 555-1234", "12 call"),
        ("Nimbus-2000 v2.0.1-rc.3", "2000"),
        ("Nimbus-2000 v2.0.1-rc.3", "nimbus 2000"),
        ("Due 2026-10-31", "10-31"),
        ("Due 2026-10-31", "due 31"),
        ("From 1.5-2.5 galleons", "2.5"),
        ("From 1.5-2.5 galleons", "galleons 2"),
        ("At -17 degrees", "17"),
        ("Owl to +44-20-7946", "44"),
        ("Rooms 12+13", "rooms 13"),
        ("Room 1-2e3", "2e3"),
    ],
)
async def test_digits_after_a_sign_or_a_hyphen(api: Api, text: str, query: str) -> None:
    """PostgreSQL's parser stores them with it, as numbers below zero."""
    await api.person("moody", "AUROR")
    await api.report("moody", "An owl", description=text)
    await api.report("moody", text)
    await api.report("moody", "Vault 14, call 99, rooms and galleons")

    assert sorted(await found(api, query)) == sorted(["An owl", text])
    suggested = await api.call("GET", f"/api/incidents/autocomplete?q={quote(query)}", user="moody")
    assert [suggestion["title"] for suggestion in suggested.body["data"]] == [text]
    facets = await api.call("GET", f"/api/incidents/search/facets?search={quote(query)}", user="moody")
    assert facets.body["total"] == 2


@pytest.mark.parametrize(
    "query", ["caf\u00e9", "CAF\u00c9 noir", "(caf\u00e9)", "caf\u00e9-noir", "noir \u00e9t\u00e9"]
)
@pytest.mark.parametrize("form", FORMS)
async def test_words_of_a_description_whichever_way_they_were_typed(
    api: Api, query: str, form: Literal["NFC", "NFD"]
) -> None:
    await api.person("moody", "AUROR")
    text = "In the caf\u00e9 noir, last \u00e9t\u00e9"
    await api.report("moody", "Composed", description=unicodedata.normalize("NFC", text))
    await api.report("moody", "Decomposed", description=unicodedata.normalize("NFD", text))
    await api.report("moody", "Neither", description="The cafeteria is noir, not et\u00e9")

    assert sorted(await found(api, unicodedata.normalize(form, query))) == ["Composed", "Decomposed"]
