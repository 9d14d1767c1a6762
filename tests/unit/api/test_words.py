"""Small pure things: who is named in a comment, what a spreadsheet may see, what is a frame."""

import csv
import io
import re
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maraudersmap_api.analytics.export import csv_lines, harmless
from maraudersmap_api.comments.models import DOMAIN, MOST_MENTIONS, mentioned
from maraudersmap_api.errors import BadFrame
from maraudersmap_api.realtime.frames import ClientFrame, parse_frame, room_of, since_of


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("@harry", "harry"),
        ("@Harry.Potter, look", "harry.potter"),
        ("see @ron.weasley.", "ron.weasley. ron.weasley"),
        ("(@luna) and @neville!", "luna neville! neville"),
        ("@harry @harry @HARRY", "harry"),
        ("mail harry@hogwarts.edu or a.b@x", ""),
        ("@@harry", ""),
        ("@", ""),
        ("nothing", ""),
        ("line\n@mad-eye", "mad-eye"),
        ("\u8acb@harry\u770b", "harry"),
        ("\u3042\u308a\u304c\u3068\u3046@harry", "harry"),
        ("_@harry_", "harry_ harry"),
        ("a+b@harry a-b-@harry 7@harry a.@harry", ""),
    ],
)
def test_who_is_named(content: str, names: str) -> None:
    assert all(mention.otherwise == mention.meant for mention in mentioned(content))
    assert [address for mention in mentioned(content) for address in mention.meant] == [
        f"{name}@hogwarts.edu" for name in names.split()
    ]


@pytest.mark.parametrize(
    ("content", "mentions"),
    [
        ("@harry's wand", [("harry's", "harry")]),
        ("@harry|@luna", [("harry|", "harry"), ("luna", "luna")]),
        ("@harry&@luna", [("harry&", "harry"), ("luna", "luna")]),
        ("'@harry'!", [("harry'! harry", "harry")]),
        ("@harry.|@o'brien's.", [("harry.|", "harry. harry"), ("o'brien's. o'brien's", "o")]),
        ("@'harry'", [("'harry' 'harry", "")]),
    ],
)
def test_who_is_meant_where_the_whole_is_no_name(content: str, mentions: list[tuple[str, str]]) -> None:
    assert [
        tuple(
            " ".join(a.removesuffix(DOMAIN) for a in addresses)
            for addresses in (mention.meant, mention.otherwise)
        )
        for mention in mentioned(content)
    ] == mentions


def test_a_comment_names_only_so_many() -> None:
    many = " ".join(f"@user{n}" for n in range(1000))

    assert len(mentioned(many)) == MOST_MENTIONS


_CELLS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    st.text("=+-@\uff1d\uff0b\uff0d\uff20;,|\t\r\n\"' ax1"),
)
SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd" + "".join(
    map(chr, range(0x13430, 0x13440))  # joints of hieroglyphs
)
UNSEEN = "\x00\x01\x1f\x7f\x9f\u034f\u115f\u1160\u17b4\u180b\u2065\u3164\ufe00\ufe0f\uffa0\ufff0\U000e0100\U000e0fff"
SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


@given(st.lists(st.lists(_CELLS, min_size=2, max_size=4)))
def test_what_is_exported_can_be_read_back_and_begins_no_formula(lines: list[list[str]]) -> None:
    text = csv_lines(lines).decode()

    read = list(csv.reader(io.StringIO(text, newline="")))

    assert read == [[harmless(cell) for cell in line] for line in lines]
    assert not [cell for line in read for cell in line if cell[:1] in (*SIGNS, "\t", "\r", "\n") and cell]
    for line, was in zip(read, lines, strict=True):
        for cell, original in zip(line, was, strict=True):
            assert cell.replace("'", "") == original.replace("'", ""), "nothing but apostrophes is added"


@given(st.lists(st.lists(_CELLS, min_size=2, max_size=4)))
def test_nor_where_a_spreadsheet_splits_elsewhere_and_knows_no_quotes(lines: list[list[str]]) -> None:
    text = csv_lines([["1", *line] for line in lines]).decode()  # the first column is a number

    for separator in ";|\t":
        for line in re.split(r"[\r\n]", text):
            for cell in line.split(separator):
                bare = cell.lstrip(' "')
                assert not bare.startswith(SIGNS), line


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('x;=HYPERLINK("http://evil.example";"a")', 'x;\'=HYPERLINK("http://evil.example";"a")'),
        ("x; =1", "x; '=1"),
        ('x;"=1"', 'x;"\'=1"'),
        ("x\n@SUM(1)", "x\n'@SUM(1)"),
        ("x\t-1", "x\t'-1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("x;\uff201", "x;'\uff201"),
        ("=1;=2", "'=1;'=2"),
        ("a - b, c + d; e = f", "a - b, c + d; e = f"),
        ("troll;x=1", "troll;x=1"),
        ("'=1", "'=1"),
        *(
            (f"{sign}1", f"'{sign}1")
            for sign in "\ufe66\ufe62\ufe63\ufe6b\u207c\u207a\u207b\u208c\u208a\u208b\u2212"
        ),
        ("\u200b=1", "'\u200b=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\u202e@SUM(1)", "'\u202e@SUM(1)"),
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("x;\u2060=1", "x;\u2060'=1"),
        *((f"x;{unseen}=1", f"x;{unseen}'=1") for unseen in "\u034f\u3164\ufe0f\u206f\x01\x7f\U000e0001"),
        ("x;\t'\t\"|-1", "x;\t'\t\"|'-1"),
        ("5 \u2212 3", "5 \u2212 3"),
        ("", ""),
    ],
)
def test_formulas_are_text(cell: str, shown: str) -> None:
    assert harmless(cell) == shown


def test_every_sign_by_whatever_name_and_behind_whatever_is_not_seen() -> None:
    every = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF]
    signs = [c for c in every if unicodedata.normalize("NFKC", c).startswith(("=", "+", "-", "@"))]
    assert len(signs) > 15
    # Of what has no form of its own, those that Unicode shows as nothing. Others of its category, as of Arabic, are seen.
    unseen = [c for c in every if unicodedata.category(c) == "Cf" and c not in SEEN] + list(UNSEEN)

    assert [c for c in signs if not harmless(f"{c}1").startswith("'")] == []
    assert [c for c in unseen if not harmless(f"{c}=1").startswith("'")] == []


def test_a_cell_of_separators_is_read_once() -> None:
    """Whatever follows them: what is looked for behind each of them alone would take a second of everybody's time."""
    began = time.process_time()
    for separators in ("\t", "\n", " ;", "\t\x01'"):
        harmless("x" + separators * 10_000 + "y")

    assert time.process_time() - began < 0.2


@given(st.text(max_size=200))
def test_no_text_is_anything_but_a_frame_or_a_bad_frame(text: str) -> None:
    try:
        kind, fields = parse_frame(text)
    except BadFrame:
        return
    assert fields["type"] == kind


@pytest.mark.parametrize(
    "room", [None, 7, "", "incident:", "incident:-1", "incident:1.0", "incident:٣", "lobby:1", "x" * 99]
)
def test_rooms_are_incidents(room: object) -> None:
    with pytest.raises(BadFrame):
        room_of({"room": room})
    assert room_of({"room": "incident:12"}) == 12


@pytest.mark.parametrize("since", ["1", -1, 1.5, True, 2**63, []])
def test_since_is_the_id_of_an_event(since: object) -> None:
    with pytest.raises(BadFrame):
        since_of({"since": since})
    assert since_of({"since": 5}) == 5
    assert since_of({}) is None
    assert parse_frame('{"type":"auth"}') == (ClientFrame.AUTH, {"type": "auth"})
