"""Which images are thrown away."""

from dev.cluster.images import inventory


def test_the_newest_two_stay() -> None:
    """Docker lists the newest first; another clone may be a commit behind."""
    listed = ["marauders-node:local", "marauders-node:c", "marauders-node:b", "marauders-node:a"]
    assert inventory.replaced(listed, "marauders-node:c") == ["marauders-node:a"]


def test_what_has_just_been_built_stays_however_old_its_layers_are() -> None:
    """Another checkout has built newer ones meanwhile."""
    listed = ["marauders-node:c", "marauders-node:b", "marauders-node:a"]
    assert inventory.replaced(listed, "marauders-node:a") == ["marauders-node:b"]


def test_unnamed_images_are_left_to_docker() -> None:
    """They have no reference that could be removed, and may be stages of a build that runs."""
    assert inventory.replaced(["marauders-node:<none>", "marauders-node:c"], "marauders-node:c", keep=1) == []
