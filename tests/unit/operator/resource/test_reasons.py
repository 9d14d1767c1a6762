"""The set of reasons is closed: nothing else is given, every one has its text, and the document is current."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import maraudersmap_operator
from maraudersmap_operator.reconcile.status.fates import State
from maraudersmap_operator.resource import reason_reference
from maraudersmap_operator.resource.reason_texts import ABOUT, NEEDS_A_PERSON
from maraudersmap_operator.resource.reasons import Person, Reason
from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.resource.status_outcomes import Outcome
from maraudersmap_operator.rollout.verdict.pod_failures import Trouble

PACKAGE = Path(maraudersmap_operator.__file__).parent
DOCUMENT = Path(__file__).parents[4] / "docs" / "reasons.md"
DEFINING = {"reasons.py", "reason_texts.py", "reason_reference.py"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name not in DEFINING:
            yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == reason_reference.document(), "run `make reasons`"


def test_every_reason_has_one_text() -> None:
    assert set(ABOUT) == set(Reason)
    in_chapters = [reason for _, _, entries in reason_reference.CHAPTERS for reason in entries]
    assert sorted(in_chapters) == sorted(Reason)


def test_who_is_needed_is_in_one_place() -> None:
    assert frozenset(r for r in Reason if ABOUT[r].person is Person.NEEDED) == NEEDS_A_PERSON


@pytest.mark.parametrize("words", [Phase, Step, State, [t for t in Trouble if t is not Trouble.MAY_PASS]])
def test_words_that_become_reasons_are_in_the_set(words: list[str]) -> None:
    assert {str(word) for word in words} <= set(Reason)


def test_a_rollout_that_ends_without_a_verdict_is_an_event() -> None:
    assert {str(o) for o in Outcome} <= set(Reason)


# Where a reason enters: the function or class, and which of its arguments it is. `reason=` is one everywhere.
ENTRANCES = {
    "block": 0,
    "Rejected": 0,
    "Environment": 0,
    "Failed": 0,
    "Need": 1,
    "Note": 1,
    "missed_deadline": 1,
    "_missing": 0,
}


def spelled(tree: ast.Module) -> Iterator[str]:
    """Reasons that the module gives as literals."""
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        place = ENTRANCES.get(name, -1)
        if name == "note" and call.args and "NoteType" in ast.dump(call.args[0]):
            place = 1
        given = [call.args[place]] if 0 <= place < len(call.args) else []
        given += [k.value for k in call.keywords if k.arg == "reason"]
        values = (n.value for n in given if isinstance(n, ast.Constant))
        yield from (v for v in values if isinstance(v, str) and v)


def test_no_module_spells_a_reason() -> None:
    """Where one enters, mypy wants a member of the set or one that is passed on: a literal is neither."""
    assert {word: name for name, tree in modules() for word in spelled(tree)} == {}


def test_no_reason_is_unused() -> None:
    """Each is named, as a member or by its word, by a module that gives it."""
    named: set[str] = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "Reason":
                named.add(str(Reason[node.attr]))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
    assert set(Reason) - named == set()
