"""Which revision and which component an object is of."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, JOB, STATEFUL_SET
from maraudersmap_operator.resource.names import LABEL_COMPONENT, LABEL_REVISION, Component

SELECTING = (DEPLOYMENT.kind, STATEFUL_SET.kind)
OF_A_RECORD = (LABEL_COMPONENT, LABEL_REVISION)

_REFERENCE = {"name": str, "key": str}
# What is read of a template: fields with their shapes, a list of one for a list of such. "?": it may be absent.
_TEMPLATE = {
    "metadata": {"labels": dict, "annotations?": dict},
    "spec": {
        "containers": [
            {
                "name": str,
                "env?": [{"valueFrom?": {"secretKeyRef?": _REFERENCE, "configMapKeyRef?": _REFERENCE}}],
                "envFrom?": [{"configMapRef?": {"name": str}}],
                "startupProbe?": dict,
            }
        ]
    },
}


def revision_of(obj: Manifest) -> str:
    return str(_labels(obj).get(LABEL_REVISION, ""))


def component_of(obj: Manifest) -> str:
    return str(_labels(obj).get(LABEL_COMPONENT, ""))


def _labels(obj: Manifest) -> Manifest:
    """Its labels. What pods a Deployment is of is read from its selector, of a record from its data, of a Job from its name,
    which no one can change, while labels are anyone's to edit and may stay edited for as long as a repair is refused."""
    labels: Manifest = obj["metadata"].get("labels") or {}
    if obj.get("kind") in SELECTING:
        return labels | ((obj["spec"].get("selector") or {}).get("matchLabels") or {})
    if obj.get("kind") == JOB.kind and (
        revision := children.names.migrated_revision(obj["metadata"]["name"])
    ):
        return labels | {LABEL_COMPONENT: Component.MIGRATIONS, LABEL_REVISION: revision}
    if obj.get("kind") == CONTROLLER_REVISION.kind:
        made = recorded_template(obj).get("metadata", {}).get("labels", {})
        # Under another name it is someone's copy.
        if obj["metadata"]["name"].endswith(f"-{made.get(LABEL_REVISION)}"):
            return labels | {k: made[k] for k in OF_A_RECORD if k in made}
    return labels


def recorded_data(record: Manifest) -> Manifest:
    """What a record holds; empty for what is none of ours. The API server takes any JSON there."""
    data = record.get("data")
    return data if isinstance(data, dict) else {}


def recorded_inputs(record: Manifest) -> Manifest:
    """What a revision was made from; empty for a record that was written again from what ran, and does not show it."""
    inputs = recorded_data(record).get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def recorded_template(record: Manifest) -> Manifest:
    """What a revision's pods are made from; empty for a record that is not one of ours, or broken: anyone may make one."""
    template = recorded_data(record).get("template")
    return template if isinstance(template, dict) and is_template(template) else {}


def is_template(value: Any) -> bool:
    """Of a revision's pods, as far as anything in it is read here."""
    return _has_shape(value, _TEMPLATE) and any(
        container["name"] == children.CONTAINER for container in value["spec"]["containers"]
    )


def _has_shape(value: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_has_shape(item, shape[0]) for item in value)
    if not isinstance(shape, dict):
        return isinstance(value, shape)
    return isinstance(value, dict) and all(
        _has_shape(value.get(field.removesuffix("?")), of_field)
        for field, of_field in shape.items()
        if not field.endswith("?") or field[:-1] in value
    )
