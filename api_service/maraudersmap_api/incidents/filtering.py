"""Filters and visibility as SQL conditions: what lists, counts, facets, autocomplete and exports have in common.

Values always travel as parameters; only fixed text is put together.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from maraudersmap_api.incidents.models import Filters, Severity, Visibility

MOST_WORDS = 16
MOST_GRAMS = 8
"""Groups of three characters that the index is asked for: more would be met for longer than they spare."""

LEAST_WRITTEN = 3
MOST_ASKED = 2

Term = tuple[str, ...]
"""Parts of a tsquery, one of which must hold."""


class Where:
    """Conditions on `incidents i`, with their parameters."""

    def __init__(self) -> None:
        self.args: list[Any] = []
        self.period = ""  # those that the order by time can be narrowed to: not deleted, and when
        self.terms: Sequence[Term] = ()  # of a search
        self.filters = ""  # everything but what is searched for
        self._conditions: list[str] = []
        self._words = ""

    def bind(self, value: Any) -> str:
        """A parameter for `value`."""
        self.args.append(value)
        return f"${len(self.args)}"

    def add(self, condition: str) -> None:
        """Another condition that must hold."""
        self._conditions.append(condition)

    def widen(self, condition: str) -> None:
        """Take this one in place of the newest, too."""
        self._conditions[-1] = f"({self._conditions[-1]} OR {condition})"

    @property
    def words(self) -> str:
        """The tsquery of a search; empty without any word."""
        if self.terms and not self._words:  # a parameter that no statement uses would have no type
            self._words = f"(SELECT to_tsquery('simple', {self.bind(tsquery(self.terms))}))"
        return self._words

    @property
    def last(self) -> str:
        """The newest of them."""
        return self._conditions[-1]

    @property
    def text(self) -> str:
        """All of them."""
        return " AND ".join(self._conditions)


def where(
    filters: Filters,
    seen: Visibility,
    *,
    walk: bool = False,
    titles: bool = False,
) -> Where:
    """Not deleted, visible, and asked for. `walk` as in `search`.

    `titles`: a search also finds what has its text in the title, one row after the other; see frequency.all_matches.
    """
    made = Where()
    made.add("i.deleted_at IS NULL")
    if filters.date_from is not None:
        made.add(f"i.reported_at >= {made.bind(filters.date_from)}")
    if filters.date_to is not None:
        made.add(f"i.reported_at < {made.bind(filters.date_to)}")
    made.period = made.text
    _see(made, *seen.split(filters.severities), seen)
    if filters.locations:
        made.add(f"i.location = ANY({made.bind([item.value for item in filters.locations])}::text[])")
    if filters.statuses:
        made.add(f"i.status = ANY({made.bind([item.value for item in filters.statuses])}::text[])")
    if filters.reported_by is not None:
        made.add(f"i.reported_by = {made.bind(filters.reported_by)}")
    made.filters = made.text
    if filters.search:
        search(made, search_terms(filters.search), walk=walk)
        if titles and is_written(filters.search):
            made.widen(in_title(made, filters.search))
    return made


def _see(made: Where, open_to_all: list[Severity], only_own: list[Severity], seen: Visibility) -> None:
    """Severity and visibility at once: apart, the planner would read every DANGEROUS row for a student, to whom only
    their own are shown."""
    if len(open_to_all) == len(Severity):
        return
    either = []
    if open_to_all:
        either.append(_severity(made, open_to_all))
    if only_own:
        either.append(f"({_severity(made, only_own)} AND i.reported_by = {made.bind(seen.user_id)})")
    made.add(f"({' OR '.join(either)})")


def _severity(made: Where, severities: list[Severity]) -> str:
    if len(severities) == 1:  # equality, and not ANY: then the index also gives the order
        return f"i.severity = {made.bind(int(severities[0]))}"
    return f"i.severity = ANY({made.bind([int(severity) for severity in severities])}::smallint[])"


def search(made: Where, terms: Sequence[Term], *, walk: bool = False) -> None:
    """Only what has all the words; without any word nothing is found.

    The planner cannot know how common the beginning of a word is, and the difference is a thousandfold; so the
    statement decides which way to go. Words in a subquery are read once, not for each row, and hidden from it: it then
    takes half a percent to match and asks the index on words. `walk`: by COALESCE it takes half of all rows to match,
    has no index for it, and goes through the rows in the order asked for until it has enough.

    The index is asked for the whole words that begin as asked (migration 0015): for each beginning it would first gather
    all that begins so, which takes five times as long. Of more than two words it is asked for the two longest, and what it
    gives is held against all: for `in`, `the` or `a` too many words begin so to name them.
    """
    if not terms:
        made.add("false")
        return
    made.terms = terms
    if walk:
        made.add(matches(made))
        return
    asked = sorted(terms, key=lambda term: len(term[0]))[-MOST_ASKED:]
    begun = " && ".join(_begun(made, term) for term in asked)
    index = f"i.search @@ (SELECT {begun})"
    made.add(index if len(terms) <= MOST_ASKED else f"({index} AND {matches(made)})")


def _begun(made: Where, term: Term) -> str:
    """The whole words for a term: each of its parts apart, since `words_begun` knows one beginning only."""
    either = " || ".join(f"words_begun(to_tsquery('simple', {made.bind(part)}))" for part in term)
    return f"({either})"


def matches(made: Where) -> str:
    """The condition that an incident has all the words, for which no index is asked."""
    return f"coalesce(i.search @@ {made.words}, false)"


def in_title(made: Where, text: str) -> str:
    """The condition that a title has this text as it stands, in whatever case and whichever way it was typed.

    The index finds what has some of its groups of three characters; the text itself is then compared.
    """
    written = f"{made.bind(text)}::text"
    apart = max(1, len(text) // MOST_GRAMS)  # from all of the text: neighbours stand in the same titles
    groups = f"unnest(grams({written})) WITH ORDINALITY AS u (g, n)"
    some = f"SELECT array_agg(g) FROM {groups} WHERE n % {apart} = 0"  # noqa: S608 - constant text
    return (
        f'(grams(i.title) COLLATE "C" @> ({some})'
        f" AND strpos(folded(i.title), (SELECT folded({written}))) > 0)"
    )


def is_written(text: str) -> bool:
    """Is it long enough to be looked for as it stands? Shorter text would be found everywhere."""
    return len(text.strip()) >= LEAST_WRITTEN


# Letters, and what may stand around a word in a sentence. Not `/`, with which a path begins, nor `&` or `@`.
_HYPHENATED = re.compile(r"""[("'\[]*[A-Za-z]+(?:-[A-Za-z]+)*[,;:!?.)"'\]]*""")


# PostgreSQL's parser stores a number with the sign before it: `12-13` as 12 and -13, `Nimbus-2000` as nimbus and -2000.
_NUMBER = re.compile(r"[0-9]+(?:[Ee][0-9]+)?")
_SIGNS = ("-", "+")


def search_terms(text: str, weights: str = "") -> list[Term]:
    """Free text as terms, all of which must hold: every word must begin some word, of these weights (A title, B
    description, C location; none: any). Nothing of the query language gets through.

    What is more than a word (`map.hogwarts.edu`, `-5`) may also be found as PostgreSQL's parser takes it, which cut the
    stored text: it keeps addresses, versions and signed numbers in one piece. What begins with a number is looked for with
    a sign, too. A hyphenated word the parser stores with its parts, so these are enough; and only of parts the index can be
    asked as of whole words (`words_begun`). What is not ASCII is looked for in both of its forms: a keyboard gives `é`, and
    some systems an `e` with an accent behind it.
    """
    label = f"*{weights}"
    terms: list[Term] = []
    left = MOST_WORDS
    for term in text.split():
        composed = unicodedata.normalize("NFC", term)
        words = re.findall(r"\w+", composed, re.UNICODE)[:left]
        left -= len(words)
        if not words:
            continue
        if [composed] == words or _HYPHENATED.fullmatch(term):
            terms += [
                tuple(
                    _quoted(form, label) for form in dict.fromkeys((*_spellings(word), *_signed(word, word)))
                )
                for word in words
            ]
        else:
            apart = dict.fromkeys(
                " & ".join(_quoted(word, label) for word in spelled)
                for spelled in zip(*map(_spellings, words), strict=False)
            )
            signed = _signed(words[0], composed[composed.index(words[0]) :])
            whole = dict.fromkeys((term, *_spellings(term), *signed))
            terms.append((tsquery([(*apart, *(_quoted(form, label) for form in whole))]),))
    return terms


def _spellings(text: str) -> tuple[str, str]:
    """The text composed and decomposed."""
    return unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)


def _signed(first: str, text: str) -> tuple[str, ...]:
    """Text with each sign in front, if its first word is a number."""
    return tuple(sign + text for sign in _SIGNS) if _NUMBER.fullmatch(first) else ()


def _quoted(text: str, label: str) -> str:
    """The part of a tsquery for what begins with this text, as PostgreSQL's parser takes it."""
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}':{label}"


def tsquery(terms: Sequence[Term]) -> str:
    """Terms as text of PostgreSQL's query language."""
    return " & ".join(term[0] if len(term) == 1 else f"({' | '.join(term)})" for term in terms)
