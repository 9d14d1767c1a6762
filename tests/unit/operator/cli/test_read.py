"""Reading with little rights, and answers to names that are not there."""

from __future__ import annotations

from typing import Any

import pytest

from maraudersmap_operator.cli.explain import explain
from maraudersmap_operator.cli.read import NoSuchResource, read_all, read_one
from maraudersmap_operator.cli.status import status_tree
from maraudersmap_operator.cli.tree import plain
from maraudersmap_operator.cluster import Kind, Listing, Manifest, NotFound, Refused
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, EVENT, MARAUDERSMAP, POD

from . import given


class Shelf:
    """The reading half of the port, over fixed objects. `forbidden`: kinds that may not be listed, or whole-cluster lists."""

    def __init__(
        self, resources: list[Manifest], forbidden: tuple[Kind | None, ...] = (), installed: bool = True
    ):
        self.resources = resources
        self.forbidden = forbidden
        self.installed = installed
        self.others = {
            POD: given.SERVING,
            CONTROLLER_REVISION: given.RECORDS,
            EVENT: (given.event("A", "b", 1),),
        }

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return next(
            (
                o
                for o in self.resources
                if (o["metadata"]["namespace"], o["metadata"]["name"]) == (namespace, name)
            ),
            None,
        )

    async def list(self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "") -> Listing:
        if kind in self.forbidden or (namespace is None and None in self.forbidden):
            raise Refused(f"{kind.plural} is forbidden", 403)
        if kind is not MARAUDERSMAP:
            return Listing(self.others[kind], 1)
        if not self.installed:
            raise NotFound("the server could not find the requested resource", 404)
        found = [o for o in self.resources if namespace in (None, o["metadata"]["namespace"])]
        return Listing(tuple(found), 1)


def shelf(*resources: Manifest, **options: Any) -> Any:
    return Shelf(list(resources), **options)


READY = given.resource(given.healthy())


async def test_everything_that_belongs_to_it_is_read() -> None:
    found = await read_one(shelf(READY), given.NAMESPACE, given.NAME, events=True)
    assert [p.revision for p in found.pods or ()] == [given.STABLE, given.STABLE]
    assert [r.number for r in found.records or ()] == [1, 2]
    assert [h.reason for h in found.happenings or ()] == ["A"]
    assert found.notes == ()


@pytest.mark.parametrize("kind", [POD, CONTROLLER_REVISION, EVENT])
async def test_what_may_not_be_read_is_left_out_and_noted(kind: Kind) -> None:
    found = await read_one(shelf(READY, forbidden=(kind,)), given.NAMESPACE, given.NAME, events=True)
    left_out = {POD: found.pods, CONTROLLER_REVISION: found.records, EVENT: found.happenings}
    assert left_out[kind] is None
    assert len(found.notes) == 1
    assert f"{kind.plural} are left out" in found.notes[0]


@pytest.mark.parametrize(
    ("options", "namespace", "name", "answer"),
    [
        ({}, given.NAMESPACE, "nap", "no MaraudersMap 'nap' in namespace 'owlery'; there is map"),
        ({}, "tower", "map", "in other namespaces there is owlery/map (-n chooses one)"),
        (
            {"forbidden": (None,)},
            "tower",
            "map",
            "no MaraudersMap 'map' in namespace 'tower'; -n chooses another",
        ),
        ({"installed": False}, "tower", "map", "this cluster knows no MaraudersMap"),
    ],
)
async def test_a_name_that_is_not_there_is_answered_with_those_that_are(
    options: dict[str, Any], namespace: str, name: str, answer: str
) -> None:
    with pytest.raises(NoSuchResource) as error:
        await read_one(shelf(READY, **options), namespace, name)
    assert answer in str(error.value)


async def test_all_of_a_namespace_or_the_answer_that_there_are_none() -> None:
    assert [s.name for s in await read_all(shelf(READY), given.NAMESPACE)] == [given.NAME]
    with pytest.raises(NoSuchResource, match="no MaraudersMap in namespace 'tower', nor in any other"):
        await read_all(shelf(), "tower")
    with pytest.raises(NoSuchResource, match="the operator is not installed"):
        await read_all(shelf(installed=False), "tower")


async def test_of_a_newer_operators_status_is_shown_what_is_understood() -> None:
    seen = await read_one(shelf(given.resource(given.from_a_newer_operator())), given.NAMESPACE, given.NAME)
    # then what is known is there, and the phase in the word that was written
    assert seen.phase == "Enchanted"
    assert seen.status.stable is not None
    assert [h.revision for h in seen.status.history] == [given.STABLE]
    assert seen.status.candidate is None
    # and the rest is named, with what to do
    [note] = seen.notes
    for part in ("status.phase", "status.candidate", "status.history.0", "newer", "upgrade"):
        assert part in note
    shown = "\n".join(plain(status_tree(seen, given.NOW)))
    assert "Enchanted" in shown
    assert "not seen" not in shown
    assert "Enchanted" in explain(seen, given.NOW).phase
    assert "serves" in explain(seen, given.NOW).verdict


TWIN = given.rejected(revision="wxvtsz99")  # the same image failed in the same words, with other settings


def test_the_entry_of_the_ledger_is_found_by_its_revision() -> None:
    status = {**given.rolled_back(), "rejected": [TWIN, given.rejected()]}
    found = given.snapshot(given.resource(status, image=given.BAD)).rejection
    assert found is not None
    assert found.revision == given.NEXT


def test_an_older_operator_does_not_name_it_and_the_newest_of_the_image_is_meant() -> None:
    status = {
        **given.rolled_back(),
        "rejected": [
            given.rejected(image=given.GOOD, revision="wxvtsz99"),
            given.rejected(message="other words"),
        ],
    }
    del status["target"]
    found = given.snapshot(given.resource(status, image=given.BAD)).rejection
    assert found is not None
    assert found.revision == given.NEXT
