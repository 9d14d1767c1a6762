"""What the autoscaler reports of itself, in plain words and a closed set of reasons. Pure.

It takes no readiness away: what runs goes on running, with as many pods as there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.mask import Mask
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import ConditionType, Stated

from .child_conditions import SENTENCE

# Words of the autoscaler that begin every kind of missing metric: FailedGetResourceMetric, FailedGetPodsMetric, ...
NO_METRIC, METRIC = "FailedGet", "Metric"
AMBIGUOUS = "AmbiguousSelector"
AT_MAXIMUM = "TooManyReplicas"
# It does not scale what has no pods: suspended, or about to start.
SWITCHED_OFF = "ScalingDisabled"
_LISTED = re.compile(r"\[([^\[\]]*)\]")


def scaling_active(spec: MaraudersMapSpec, autoscaler: Manifest | None) -> list[Stated]:
    """ScalingActive. `autoscaler`: as it was last seen; without a word from it there is no condition."""
    if not spec.autoscaling.enabled or autoscaler is None:
        return []
    known = {c["type"]: c for c in (autoscaler.get("status") or {}).get("conditions") or ()}
    if not known:
        return []
    active, able, limited = (
        known.get(kind, {}) for kind in ("ScalingActive", "AbleToScale", "ScalingLimited")
    )
    reason, message = Reason.FOLLOWS_LOAD, ""
    if ambiguous := next((c for c in (active, able) if _is(c, "False", AMBIGUOUS)), None):
        reason = Reason.SEVERAL_AUTOSCALERS
        message = f"another autoscaler scales the same pods, and none of them does: {_words(ambiguous)}"
    elif active.get("status") == "False" and active.get("reason") != SWITCHED_OFF:
        word = str(active.get("reason", ""))
        missing = word.startswith(NO_METRIC) and word.endswith(METRIC)
        reason = Reason.NO_POD_METRICS if missing else Reason.CANNOT_SCALE
        message = f"the number of pods stays as it is: {_words(active)}"
    elif able.get("status") == "False":
        reason, message = Reason.CANNOT_SCALE, f"the number of pods stays as it is: {_words(able)}"
    elif _is(limited, "True", AT_MAXIMUM):
        reason = Reason.AT_MAXIMUM
        message = (
            f"the load calls for more than autoscaling.maxReplicas allows ({spec.autoscaling.max_replicas})"
        )
    return [(ConditionType.SCALING_ACTIVE, reason is Reason.FOLLOWS_LOAD, reason, message)]


def _is(condition: Mapping[str, Any], status: str, reason: str) -> bool:
    return (condition.get("status"), condition.get("reason")) == (status, reason)


def _words(condition: Mapping[str, Any]) -> str:
    """The autoscaler's own sentence; it speaks of the cluster, never of a Secret's values."""
    return Mask().cluster(_LISTED.sub(_sorted, str(condition.get("message", ""))))[:SENTENCE]


def _sorted(listed: re.Match[str]) -> str:
    """It lists autoscalers in another order each time it looks, which would be another status each time."""
    return f"[{' '.join(sorted(listed[1].split()))}]"
