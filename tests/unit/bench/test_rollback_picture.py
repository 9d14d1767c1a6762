"""The picture of the README shows what the bench has measured last."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from bench.rollback.picture import CASE, PICTURE, RESULTS, draw

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_of_the_results_that_are_kept() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert PICTURE.read_text(encoding="utf-8") == draw(results), "use `make picture`"


def test_a_tool_that_took_nothing_back_is_shown_so_and_failures_are_counted() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for result in results:
        if (result["contender"], result["case"]) == ("ours-default", CASE):
            result |= {"restored": None, "reported": None, "watched": 77.0, "failed_new": 3, "sent": 9}
    texts = [text.text or "" for text in ElementTree.fromstring(draw(results)).iter(f"{SVG}text")]  # noqa: S314
    assert "not within 77 s, 3 of 9 requests failed" in texts


def test_a_tool_without_a_result_is_not_left_out_silently() -> None:
    with pytest.raises(KeyError):
        draw([])
