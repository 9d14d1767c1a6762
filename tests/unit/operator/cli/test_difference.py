"""Differences are listed by path, and an item of a list keeps its name wherever it stands."""

from __future__ import annotations

import pytest

from maraudersmap_operator.cli.difference import Change, changes_between, compare
from maraudersmap_operator.cli.verbs import CannotAct

from . import given


def test_an_inserted_item_does_not_shift_the_others() -> None:
    old = {"env": [{"name": "A", "value": "1"}, {"name": "C", "value": "3"}]}
    new = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "4"}]}
    assert list(changes_between(old, new)) == [
        Change("env[C].value", '"3"', '"4"'),
        Change("env[B]", None, '{"name": "B", "value": "2"}'),
    ]


def test_lists_without_names_are_shown_as_a_whole() -> None:
    assert list(changes_between({"args": ["a"]}, {"args": ["a", "b"]})) == [
        Change("args", '["a"]', '["a", "b"]')
    ]


def test_a_key_with_dots_is_bracketed() -> None:
    assert list(changes_between({"a": {"x.y/z": 1}}, {"a": {}})) == [Change("a[x.y/z]", "1", None)]


def test_the_hash_itself_is_no_difference() -> None:
    found = compare(given.snapshot(given.resource(given.healthy())), ("1", "2"))
    assert [c.path for c in found.changes] == [
        "spec.containers[api].image",
        "spec.containers[api].env[LOG_LEVEL].value",
    ]


def test_one_revision_is_compared_with_stable() -> None:
    found = compare(given.snapshot(given.resource(given.healthy())), ("2",))
    assert found.old.startswith(given.NEXT)
    assert found.new.startswith(given.STABLE)


def test_a_spec_that_has_not_begun_is_compared_by_what_the_user_wrote() -> None:
    """Paused before its first pod, it has no pod template yet."""
    waiting = given.resource(
        given.healthy(), image=given.BAD, config={"logLevel": "debug"}, rollout={"paused": True}
    )
    found = compare(given.snapshot(waiting), ())
    assert found.new == "the spec as it is now"
    assert set(found.changes) == {
        Change("image", f'"{given.GOOD}"', f'"{given.BAD}"'),
        Change("config", None, '{"logLevel": "debug"}'),
    }


def test_what_cannot_be_compared_is_reported() -> None:
    with pytest.raises(CannotAct, match="no stable revision"):
        compare(given.snapshot(given.resource()), ())
    with pytest.raises(CannotAct, match="recorded: zxwvts56"):
        compare(given.snapshot(given.resource(given.healthy())), ("1", "9"))
    with pytest.raises(CannotAct, match="controllerrevisions"):
        compare(given.snapshot(given.resource(given.healthy()), records=None), ())
