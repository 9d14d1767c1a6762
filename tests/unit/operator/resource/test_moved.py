"""Fields that have moved since the first release: read in either place, written in both, declared in both."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.fake import schema
from tests.unit.operator.fake.patches import copied

from maraudersmap_operator.resource.crd import status_schema
from maraudersmap_operator.resource.definition import Declared
from maraudersmap_operator.resource.moved import MOVED
from maraudersmap_operator.resource.other_release import carried, dump, read_status

from .test_other_release import RECORDED, at

ON_TRIAL = {name: status for name, status in RECORDED.items() if "candidate" in status}


def first_release() -> dict[str, Any]:
    """The definition of the first release."""
    found: dict[str, Any] = schema.declared(schema.FIRST_RELEASE)["properties"]["status"]
    return found


def test_the_recordings_have_every_field_that_has_moved() -> None:
    assert MOVED.keys() <= {key for status in ON_TRIAL.values() for key in status["candidate"]}


@pytest.mark.parametrize("name", ON_TRIAL)
def test_what_is_read_in_the_old_places_is_written_in_both_and_read_again(name: str) -> None:
    stored = ON_TRIAL[name]["candidate"]
    status, left_out = read_status(ON_TRIAL[name])
    assert left_out == ()
    written = dump(status)
    for old, new in MOVED.items():
        if old in stored:
            assert at(written["candidate"], old) == at(written["candidate"], new) == stored[old], old
        else:
            assert at(written["candidate"], old) == at(written["candidate"], new), old
    assert read_status(written)[0] == status
    # and with the old places gone, as a later release writes it
    for old in MOVED:
        written["candidate"].pop(old, None)
    assert read_status(written)[0] == status


@pytest.mark.parametrize("name", ON_TRIAL)
def test_where_the_places_differ_the_first_release_has_written_last(name: str) -> None:
    ours = dump(read_status(ON_TRIAL["bluegreen-migrating"])[0])["candidate"]
    theirs = ON_TRIAL[name]["candidate"]
    both = ON_TRIAL[name] | {"candidate": theirs | {key: ours[key] for key in ours if key not in MOVED}}
    read = dump(read_status(both)[0])["candidate"]
    for old, new in MOVED.items():
        if old in theirs:
            assert at(read, new) == theirs[old]


def test_what_the_first_release_has_forgotten_stays_forgotten() -> None:
    """It carries along what it finds in the new places."""
    both = dump(read_status(ON_TRIAL["bluegreen-migrating"])[0])
    failures = both["candidate"]["memory"]["failures"]
    failures |= {"pullErrorSince": "2026-03-01T12:00:00.000000Z"}
    read = dump(read_status(both)[0])["candidate"]
    assert "pullErrorSince" not in read
    assert at(read, "memory.failures.pullErrorSince") is None


def test_counts_that_the_first_release_does_not_know_are_of_the_time_before_it_wrote() -> None:
    """It carries them along as well, and counts on: whose the new errors are it does not know."""
    ours = copied(ON_TRIAL["bluegreen-baking"])
    ours["candidate"]["analysis"]["trial"] |= {"requestsByCallers": [7, 0], "errorsByCallers": [1, 0]}
    stored = dump(read_status(ours | {"candidate": _both(ours["candidate"])})[0])
    assert at(stored["candidate"], "memory.analysis.trial.errorsByCallers") == [1, 0]
    assert at(stored["candidate"], "analysis.trial.errorsByCallers") == [1, 0]
    # nothing else has written
    assert dump(read_status(stored)[0]) == stored
    # then v0.1.0 has
    analysis = stored["candidate"]["analysis"]
    trial = analysis["trial"] | {"requests": analysis["trial"]["requests"] + 5}
    stored["candidate"]["analysis"] = analysis | {"trial": trial}
    read = dump(read_status(stored)[0])["candidate"]
    assert at(read, "memory.analysis.trial.requests") == at(stored["candidate"], "analysis.trial.requests")
    assert at(read, "memory.analysis.trial.requestsByCallers") is None
    assert at(read, "memory.analysis.trial.errorsByCallers") is None


def _both(candidate: dict[str, Any]) -> dict[str, Any]:
    """With the comparison in the new place as well."""
    return candidate | {"memory": {"analysis": copied(candidate["analysis"])}}


def test_what_cannot_be_read_in_an_old_place_is_left_out_alone() -> None:
    stored = copied(ON_TRIAL["bluegreen-baking"])
    stored["candidate"]["controlsHurtSince"] = "yesterday"
    status, left_out = read_status(stored)
    assert left_out == ("status.candidate.memory.controlGroup.hurtSince",)
    assert status == read_status(ON_TRIAL["bluegreen-baking"])[0]


def test_a_part_that_a_later_release_remembers_besides_is_carried_along() -> None:
    stored = dump(read_status(ON_TRIAL["bluegreen-baking"])[0])
    stored["candidate"]["memory"]["progress"]["luck"] = 7
    kept = carried(stored, dump(read_status(stored)[0]))
    assert kept["candidate"]["memory"]["progress"]["luck"] == 7


@pytest.mark.parametrize("name", ON_TRIAL)
def test_the_first_release_s_definition_keeps_what_that_release_knows(name: str) -> None:
    kept = Declared(first_release()).fit(dump(read_status(ON_TRIAL[name])[0]), {})["candidate"]
    assert not {"memory", "verdict"} & kept.keys()
    assert {old: kept.get(old) for old in MOVED} == {
        old: ON_TRIAL[name]["candidate"].get(old) for old in MOVED
    }


def test_only_what_is_new_has_no_place_in_the_first_release_s_definition() -> None:
    lost = Declared(first_release()).no_place_for()
    assert not {f"status.candidate.{place}" for place in (*MOVED, *MOVED.values())} & set(lost)
    assert "status.candidate.memory" not in lost
    assert "status.candidate.memory.progress.unwatchedSeconds" in lost
    # a part of what it does keep: the whole is not lost with it
    assert "status.candidate.analysis.trial.errorsByCallers" in lost
    # and what neither place keeps is lost: one name may begin with another (controls)
    declared = copied(first_release())
    del declared["properties"]["candidate"]["properties"]["controlsHurtSince"]
    assert set(Declared(declared).no_place_for()) - set(lost) == {
        "status.candidate.controlsHurtSince",
        "status.candidate.memory.controlGroup.hurtSince",
    }


def test_a_definition_without_the_old_places_has_a_place_for_everything() -> None:
    declared = copied(status_schema())
    for old in MOVED:
        del declared["properties"]["candidate"]["properties"][old]
    assert Declared(declared).no_place_for() == ()


def test_a_part_without_a_place_is_lost_alone_and_only_if_the_other_place_has_none_either() -> None:
    parts = {
        place: f"status.candidate.{place}.trial.errorsByCallers" for place in ("analysis", "memory.analysis")
    }
    declared = copied(status_schema())
    candidate = declared["properties"]["candidate"]["properties"]
    del candidate["memory"]["properties"]["analysis"]["properties"]["trial"]["properties"]["errorsByCallers"]
    assert Declared(declared).no_place_for() == ()
    del candidate["analysis"]["properties"]["trial"]["properties"]["errorsByCallers"]
    assert Declared(declared).no_place_for() == (parts["analysis"], parts["memory.analysis"])
    # and without any old place, nothing is kept there either
    for old in MOVED:
        del candidate[old]
    assert Declared(declared).no_place_for() == (parts["memory.analysis"],)


def test_a_definition_without_one_old_place_has_no_place_for_that() -> None:
    """Beside the others, what is missing there counts as forgotten."""
    declared = copied(status_schema())
    del declared["properties"]["candidate"]["properties"]["controls"]
    assert Declared(declared).no_place_for() == ("status.candidate.controls",)


def test_no_default_appears_in_an_old_place() -> None:
    """It would win over what a release that writes the new place alone has stored."""
    candidate = status_schema()["properties"]["candidate"]
    assert [old for old in MOVED if "default" in candidate["properties"][old]] == []
    # nor is anything asked of the first release that it does not write
    assert "memory" not in candidate["required"]
