"""Stories that random play has found to break an invariant, made as short as they get."""

from __future__ import annotations

import pytest
from tests.unit.operator.fake.story import Event, play

FOUND: dict[str, list[Event]] = {
    "a migrations Job that may not be made was another attempt in each pass": [
        ("refuse", 1691761761),
        ("good", 365436743),
    ],
    "a revision was retired while its pods, whose owners were not known yet, had all of the traffic": [
        ("good", 1871632773), ("", 836262670), ("", 1289756164), ("", 929784879), ("allow", 1123218146), ("", 2120673678),
        ("", 2060119834), ("", 27427167), ("", 1819981057), ("orphan", 1507929412), ("", 1390505311),
    ],
    "slices that an orphaned Service has left behind named pods for ever": [
        ("orphan", 1488772509), ("spec", 1594453126),
    ],
    "stable was made larger and smaller in turn while a candidate that someone had scaled still got requests": [
        ("good", 1155513673), ("", 688033818), ("", 801383866), ("heal", 1035909623), ("", 1954089592), ("", 958264267),
        ("secret", 325640218), ("", 919480757), ("", 926091134), ("good", 1754433689), ("scale", 2001390767),
    ],
    "traffic went from pods that answered, and whose Deployment someone had deleted, to a stable revision without any": [
        ("hold", 968751536), ("pods", 1102780186), ("good", 447970228), ("", 863868217), ("delete-child", 2129484327),
        ("good", 1964753720), ("orphan", 928426691),
    ],
    "a spec waited for ever for a baking candidate to go back to a stable revision that never got ready": [
        ("verb", 1968492352), ("bad", 1099308815), ("restart", 942903212), ("status", 1200774200),
    ],
    "a database pod that had lost a label was in the way of its successor": [("labels", 1818497153)],
    "a stable revision of which there is nothing was waited for, beside the one that served": [
        ("good", 1850454969), ("verb", 57972729), ("status", 672593535), ("good", 273382841),
    ],
    "a Service made again while its watch was silent stood beside the one it had followed, and was contested": [
        ("watch", 2042564980), ("watch", 1377267895), ("delete-child", 1129557958),
    ],
    "traffic went from pods that answered, whose ReplicaSet had lost a label, to a stable revision without any": [
        ("good", 597182209), ("bad", 1069391550), ("good", 1584143552), ("pods", 1458236879), ("good", 1794330146),
        ("monitoring", 2060857864), ("", 986605550), ("allow", 631149297), ("refuse", 17849243), ("good", 1624726032),
        ("labels", 1475750612),
    ],
    "a Deployment that was on its way when its revision was rejected came four seconds later, and went again": [
        ("bad", 1426538484), ("bad", 741468502), ("status", 1324725216), ("fault", 133389871), ("edit-child", 1746735420),
        ("orphan", 895428954), ("spec", 607206705), ("monitoring", 1358203757), ("reference", 1538868836),
        ("delete-child", 31254449), ("", 1309547475), ("", 608726251), ("", 753575700), ("fault", 617360946),
        ("", 884171393), ("", 925007407), ("verb", 552437689), ("verb", 547497732),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", FOUND)
async def test_a_story_that_broke_an_invariant_once(what: str) -> None:
    assert (await play(FOUND[what])).broken == ""
