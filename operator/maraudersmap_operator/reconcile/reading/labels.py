"""Which revision and which component an object is of."""

from __future__ import annotations

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, STATEFUL_SET
from maraudersmap_operator.resource.names import LABEL_COMPONENT, LABEL_REVISION

SELECTING = (DEPLOYMENT.kind, STATEFUL_SET.kind)


def revision_of(obj: Manifest) -> str:
    return str(_labels(obj).get(LABEL_REVISION, ""))


def component_of(obj: Manifest) -> str:
    return str(_labels(obj).get(LABEL_COMPONENT, ""))


def _labels(obj: Manifest) -> Manifest:
    """Its labels. What pods a Deployment is of is read from its selector, which no one can change, while labels are anyone's
    to edit and may stay edited for as long as a repair is refused."""
    labels: Manifest = obj["metadata"].get("labels") or {}
    if obj.get("kind") in SELECTING:
        return labels | ((obj["spec"].get("selector") or {}).get("matchLabels") or {})
    return labels
