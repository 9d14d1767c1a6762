"""How long a revision's containers may take to start: as asked for when its Deployment was made, for as long as it lives.

Noted on the Deployment, beside the probe itself, and both are anyone's to edit: pods that work would be exchanged for that,
and a candidate that starts slowly be rejected.
"""

from __future__ import annotations

from collections.abc import Callable

from maraudersmap_operator.children import CONTAINER
from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.resource.names import ANNOTATION_DIGEST, ANNOTATION_STARTUP
from maraudersmap_operator.resource.policy import LONGEST_DEADLINE_SECONDS

from ..apply.sealed import digest_of


def as_made(live: Manifest, make: Callable[[int | None], Manifest]) -> Manifest:
    """The Deployment that should be, with the seconds that `live` was made with. `make`: it with so many; with None as it was
    made by releases that noted none."""
    annotations = live["metadata"].get("annotations") or {}
    noted, runs = _seconds(annotations.get(ANNOTATION_STARTUP)), _seconds(_threshold(live))
    if noted is None or noted != runs:
        for seconds in (runs, noted, None):
            if digest_of(wanted := make(seconds)) == annotations.get(ANNOTATION_DIGEST):
                return wanted
    # Where nothing shows which one is ours: too long a time rejects no one.
    return make(max((s for s in (noted, runs) if s is not None), default=None))


def _threshold(live: Manifest) -> object:
    containers = live["spec"]["template"]["spec"].get("containers") or ()
    probes = [c.get("startupProbe") or {} for c in containers if c.get("name") == CONTAINER]
    # One failure a second.
    return next((p.get("failureThreshold") for p in probes), None)


def _seconds(written: object) -> int | None:
    """None for what can be no such time."""
    text = str(written)
    if not (text.isdecimal() and text.isascii() and len(text) <= len(str(LONGEST_DEADLINE_SECONDS))):
        return None
    return seconds if 0 < (seconds := int(text)) <= LONGEST_DEADLINE_SECONDS else None
