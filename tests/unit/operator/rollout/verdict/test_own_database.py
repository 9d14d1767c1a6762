"""What becomes of a candidate while its evaluation database is away, or empty, is nothing against it."""

from __future__ import annotations

from maraudersmap_operator.resource.status import Phase

from ..world import Behaviour, World
from .test_environment import assert_withdrawn, ready_world

NEXT, BAD = "good:2", "bad:1"
CRASHES = Behaviour(ready_after=None, dies_after=1)


def baking() -> World:
    world = ready_world().edit(image=NEXT).run(25)
    assert world.phase() is Phase.BAKING
    return world


def test_containers_that_keep_ending_in_front_of_a_new_database_are_tried_once_more() -> None:
    world = ready_world().behave(BAD, CRASHES).edit(image=BAD).run(4)
    stable = world.serving
    world.data_since = world.now
    # when
    world.run(25)
    # then
    assert_withdrawn(world, stable, "DatabaseDisturbed")
    world.run(60)
    assert world.rejections() == ["CrashLoop"]


def test_pods_that_fall_under_traffic_a_moment_before_the_database_is_seen_to_be_away() -> None:
    world = baking()
    stable = world.status.stable
    assert stable is not None
    world.behave(NEXT, Behaviour(ready_after=None)).run(2)
    # when
    world.set_database(ready=False)
    world.run(10)
    # then
    assert_withdrawn(world, stable.revision, "DatabaseDisturbed")


def test_an_image_that_is_not_there_is_so_with_any_database() -> None:
    world = ready_world().behave(BAD, Behaviour(image_missing=True)).edit(image=BAD).run(1)
    world.data_since = world.now
    assert world.rejections() == []
    # when
    world.run(20)
    # then
    assert world.rejections() == ["ImageNotFound"]
