"""How long pods may take to start is noted on their Deployment, where anyone can edit it."""

from __future__ import annotations

import pytest
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import DEPLOYMENT
from maraudersmap_operator.resource.names import ANNOTATION_DIGEST, ANNOTATION_STARTUP

SLOW = [{"name": "MISBEHAVE", "value": "slow-start:5"}]
EDITS = ["1", "9" * 5000, "0", "-5", "30", "3600", "99999999999", "a while", None]


def uids(loop: Loop) -> set[str]:
    return {p["metadata"]["uid"] for p in loop.pods()}


def annotate(loop: Loop, revision: str, **annotations: str | None) -> None:
    names = {"startup": ANNOTATION_STARTUP, "digest": ANNOTATION_DIGEST}
    patch = {"metadata": {"annotations": {names[k]: v for k, v in annotations.items()}}}
    loop.server.merge(DEPLOYMENT, NAMESPACE, f"{API}-{revision}", patch, manager="kubectl-annotate")


def probe(loop: Loop, revision: str) -> Manifest:
    template = loop.get(DEPLOYMENT, f"{API}-{revision}")["spec"]["template"]
    found: Manifest = template["spec"]["containers"][0]["startupProbe"]
    return found


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("value", EDITS, ids=lambda value: str(value)[:12])
async def test_an_edited_note_exchanges_no_pods_and_is_put_right(value: str | None, restarted: bool) -> None:
    async with Loop() as loop:
        await loop.create()
        before = uids(loop)
        # The policy has changed since: what the pods were made with stays.
        loop.edit(rollout={"progressDeadlineSeconds": 240})
        await loop.run(10)
        annotate(loop, loop.stable, startup=value)
        if restarted:
            loop.restart()
        await loop.run(60)
        meta = loop.get(DEPLOYMENT, f"{API}-{loop.stable}")["metadata"]
        assert meta["annotations"][ANNOTATION_STARTUP] == "300"
        assert probe(loop, loop.stable)["failureThreshold"] == 300
        assert uids(loop) == before


async def test_an_edited_note_rejects_no_candidate() -> None:
    async with Loop() as loop:
        await loop.create(config={"env": SLOW})
        first = loop.stable
        loop.edit(config={"env": [*SLOW, {"name": "VARIANT", "value": "2"}]})
        await loop.until(lambda: len(loop.pods(loop.candidate.get("revision") or "none")) == 2, 60)
        annotate(loop, loop.candidate["revision"], startup="1")
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != first, 200)
        assert not loop.rejected


async def test_where_nothing_shows_which_is_ours_the_longer_time_holds() -> None:
    """A tool that has put back another object, digest and all, in the moment in which pods are exchanged."""
    async with Loop() as loop:
        await loop.create()
        annotate(loop, loop.stable, startup="1", digest="other")
        loop.ask("restart")
        await loop.run(60)
        assert probe(loop, loop.stable)["failureThreshold"] == 300


async def test_an_edited_probe_is_put_right_by_the_note() -> None:
    async with Loop() as loop:
        await loop.create()
        name = f"{API}-{loop.stable}"

        def edit(obj: Manifest) -> None:
            obj["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["failureThreshold"] = 1

        loop.server.edit(DEPLOYMENT, NAMESPACE, name, edit)
        await loop.until(lambda: probe(loop, loop.stable)["failureThreshold"] == 300, 10)


async def test_a_deployment_of_a_release_without_the_note_is_left_as_it_is() -> None:
    async with Loop() as loop:
        await loop.create()
        before = uids(loop)
        annotate(loop, loop.stable, startup=None, digest="of an earlier release")
        loop.edit(rollout={"progressDeadlineSeconds": 240})
        loop.restart()
        await loop.run(60)
        assert probe(loop, loop.stable)["failureThreshold"] == 300
        assert uids(loop) == before
