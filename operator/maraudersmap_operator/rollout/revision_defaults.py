"""The defaults that a revision's hash leaves out: each as it was in the release that brought its field.

Never edited: a field that comes gets its first default here, one whose default changes keeps it. Else a new release of the
operator would give another name to a revision that runs, and roll it out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from maraudersmap_operator.resource.model import Model

FROZEN: Final[dict[str, dict[str, Any]]] = {
    "MaraudersMapSpec": {
        "pull_policy": None,
        "pull_secrets": [],
        "resources": {},
        "config": {},
        "cache": {},
        "jwt_secret": None,
        "probes": {},
        "availability": {},
        "pod_template": {},
    },
    "LocalRef": {},
    "Resources": {"requests": {}, "limits": {}},
    "Requests": {"cpu": "500m", "memory": "256Mi"},
    "Limits": {"cpu": "1", "memory": "512Mi"},
    "Config": {
        "log_level": "info",
        "cors_origins": [],
        "rate_limits": {},
        "trusted_proxies": 0,
        "env": [],
        "config_map_refs": [],
    },
    "RateLimits": {"anonymous": 100, "authenticated": 1000, "window_seconds": 900},
    "EnvVar": {"value": None, "value_from": None},
    "EnvSource": {"secret_key_ref": None, "config_map_key_ref": None},
    "SecretKeySelector": {},
    "ConfigMapKeySelector": {},
    "Database": {"external": None, "evaluation": None},
    "SecretSource": {},
    "EvaluationDatabase": {"storage": None},
    "Storage": {"size": "1Gi", "storage_class_name": None, "retention": "Delete"},
    "Cache": {"external": None, "evaluation": None, "disabled": False},
    "EvaluationCache": {"max_memory": "256Mi"},
    "Probes": {"liveness": {}, "readiness": {}},
    "LivenessProbe": {
        "timeout_seconds": 3,
        "failure_threshold": 3,
        "initial_delay_seconds": 10,
        "period_seconds": 30,
    },
    "ReadinessProbe": {
        "timeout_seconds": 3,
        "failure_threshold": 3,
        "initial_delay_seconds": 5,
        "period_seconds": 10,
    },
    "Availability": {
        "pod_disruption_budget": {},
        "topology_spread": {},
        "drain_seconds": 5,
        "termination_grace_seconds": 30,
    },
    "PodDisruptionBudget": {"enabled": True, "max_unavailable": "1"},
    "TopologySpread": {
        "topology_keys": ["kubernetes.io/hostname", "topology.kubernetes.io/zone"],
        "when_unsatisfiable": "ScheduleAnyway",
    },
    "PodTemplate": {
        "labels": {},
        "annotations": {},
        "node_selector": {},
        "tolerations": [],
        "affinity": {},
        "priority_class_name": None,
        "runtime_class_name": None,
    },
    "Toleration": {
        "key": None,
        "operator": "Equal",
        "value": None,
        "effect": None,
        "toleration_seconds": None,
    },
}
"""Model -> field -> default, as JSON. A nested model whose fields are all at their defaults is an empty object."""


def written(model: Model, only: Collection[str] = ()) -> dict[str, Any]:
    """What a user wrote, apart from what equals the default in the release that brought it. JSON types.

    `only`: these fields; none means all.
    """
    frozen = FROZEN[type(model).__name__]
    fields = [n for n in type(model).model_fields if n in model.model_fields_set and (not only or n in only)]
    plain = model.model_dump(mode="json", by_alias=False, include=set(fields))
    found = {name: _plain(getattr(model, name), plain[name]) for name in fields}
    return {name: value for name, value in found.items() if not (name in frozen and frozen[name] == value)}


def _plain(value: Any, dumped: Any) -> Any:
    if isinstance(value, Model):
        return written(value)
    if isinstance(value, tuple):
        return [_plain(v, d) for v, d in zip(value, dumped, strict=True)]
    return dumped
