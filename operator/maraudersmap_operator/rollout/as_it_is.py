"""What a spec asks for where it is not understood: nothing but what is there.

A default in the place of what someone has set would be a wish of no one's: three pods where ten carry the load.
"""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.resource import MaraudersMap, MaraudersMapSpec
from maraudersmap_operator.resource.policy import LONGEST_DEADLINE_SECONDS, LONGEST_TIMEOUT_SECONDS
from maraudersmap_operator.resource.traffic import Gateway

from .facts import Observed, Only

SIZE = frozenset({"replicas", "autoscaling", "suspend"})
# Which Gateways lead here is nothing that the engine asks.
SOME_GATEWAY = Gateway.model_construct(parent_refs=(), hostnames=())


def as_it_is(resource: MaraudersMap, observed: Observed) -> MaraudersMapSpec:
    """The spec with the unknown parts that the engine obeys as they are observed: no pod more or less, nothing that goes
    forward, and no deadline, for no one knows which one is meant."""
    spec = resource.spec
    changes: dict[str, Any] = {}
    size = _size(observed)
    # None at all is a wish only where it is not known whether the service is suspended: else it is an outage.
    if resource.unknown & SIZE and size is not None and (size or "suspend" in resource.unknown):
        changes["replicas"] = size
        changes["autoscaling"] = spec.autoscaling.model_copy(update={"enabled": False})
    if "rollout" in resource.unknown:
        held = {
            "paused": True,
            "progress_deadline_seconds": LONGEST_DEADLINE_SECONDS,
            "timeout_seconds": LONGEST_TIMEOUT_SECONDS,
        }
        changes["rollout"] = spec.rollout.model_copy(update=held)
    if "gateway" in resource.unknown:
        # The route that there is leads users here, and what it gives the candidate must be able to go back.
        changes["gateway"] = SOME_GATEWAY if observed.route is not None else None
    return spec.model_copy(update=changes)


def _size(observed: Observed) -> int | None:
    """Pods of the revision that serves, or else of the largest; None when there is none."""
    serving = observed.traffic
    if isinstance(serving, Only) and serving.revision in observed.revisions:
        return observed.revisions[serving.revision].size
    return max((facts.size for facts in observed.revisions.values()), default=None)
