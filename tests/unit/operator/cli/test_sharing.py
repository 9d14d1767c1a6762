"""Two revisions that share the traffic are both shown to serve."""

from __future__ import annotations

from maraudersmap_operator.cli.status import revisions, roles
from maraudersmap_operator.resource.names import SHARED

from . import given


def test_both_serve_a_share_and_no_third_revision_is_shown() -> None:
    snapshot = given.snapshot(given.resource(given.on_trial("Sharing") | {"serving": SHARED}))
    assert set(revisions(snapshot)) == {given.STABLE, given.NEXT}
    assert "serving a share" in roles(snapshot, given.STABLE)
    assert "serving a share" in roles(snapshot, given.NEXT)
