"""What waits for what on one machine."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from dev.cluster import cli
from dev.cluster.host import lock


def held(path: Path) -> bool:
    with path.open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@pytest.mark.parametrize(
    ("command", "machine", "helm"),
    [("up", True, False), ("build", True, False), ("helm", False, True), ("status", False, False)],
)
def test_a_tool_is_built_without_the_clusters_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, machine: bool, helm: bool
) -> None:
    """Building Helm takes minutes; a cluster of another checkout must not wait for it."""
    monkeypatch.setattr(lock, "MACHINE", tmp_path / "home")
    with cli.lock_for(command):
        assert held(tmp_path / "home.lock") == machine
        assert held(tmp_path / "home-helm.lock") == helm
    assert not held(tmp_path / "home.lock")
