"""What the passes of one process share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from maraudersmap_operator.cluster import Cluster, Store
from maraudersmap_operator.telemetry import Metrics

from .analyst import Analyst
from .definition import Definition
from .known import Budget
from .looks import Looks
from .nodes import Nodes
from .served import Served
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """`led_before`: when the previous leader renewed its lease last; None when there was none."""

    cluster: Cluster
    store: Store
    settings: Settings
    metrics: Metrics
    nodes: Nodes
    definition: Definition
    analyst: Analyst
    budget: Budget
    looks: Looks
    served: Served
    led_before: datetime | None
