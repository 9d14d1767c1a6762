"""Secrets are live: a change restarts pods, once it has come to rest."""

from __future__ import annotations

from .world import World


def world_with(**secrets: str) -> World:
    world = World(rollout={"minReadySeconds": 3, "bakeSeconds": 5})
    world.secrets = dict(secrets)
    return world.run(20)


def test_first_sight_of_a_secret_restarts_nothing() -> None:
    """An operator that is new to a resource must not exchange its pods."""
    world = world_with(database="aaaaaa")
    assert world.status.secrets.digests == {"database": "aaaaaa"}
    assert world.status.secrets.restarted_for == ""


def test_changed_secret_restarts_once_it_is_still() -> None:
    """Two Secrets rotated 6 s apart: one restart, 10 s after the second."""
    world = world_with(database="aaaaaa", jwt="bbbbbb")
    world.secrets = {"database": "cccccc", "jwt": "bbbbbb"}
    world.run(6)
    world.secrets = {"database": "cccccc", "jwt": "dddddd"}
    world.run(9)
    assert world.status.secrets.restarted_for == ""
    world.run(3)
    assert world.status.secrets.restarted_for != ""
    assert world.reasons["SecretsChanged"] == 1
    world.run(60)
    assert world.reasons["SecretsChanged"] == 1
    assert world.turn().actions == ()


def test_unreadable_secret_is_unknown_not_changed() -> None:
    world = world_with(database="aaaaaa")
    world.secrets = {}
    world.run(30)
    world.secrets = {"database": "aaaaaa"}
    world.run(30)
    assert world.status.secrets.restarted_for == ""


def test_a_change_that_comes_while_one_cannot_be_read_is_seen_when_it_can() -> None:
    """A Secret is deleted and made again with another password, and a pass comes in between: pods have the old one still."""
    world = world_with(database="aaaaaa", jwt="bbbbbb")
    world.secrets = {"database": "", "jwt": "bbbbbb"}
    world.run(30)
    assert world.status.secrets.restarted_for == ""
    world.secrets = {"database": "cccccc", "jwt": "bbbbbb"}
    world.run(30)
    assert world.reasons["SecretsChanged"] == 1
    assert world.status.secrets.digests == {"database": "cccccc", "jwt": "bbbbbb"}


def test_another_secret_named_by_the_spec_is_a_rollout_not_a_restart() -> None:
    world = world_with(database="aaaaaa")
    world.secrets = {"other": "bbbbbb"}
    world.run(30)
    assert world.status.secrets.digests == {"other": "bbbbbb"}
    assert world.status.secrets.restarted_for == ""
