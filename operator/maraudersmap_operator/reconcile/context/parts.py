"""What the passes of one process share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from maraudersmap_operator.cluster import Cluster, Store
from maraudersmap_operator.telemetry import Metrics

from ..reading.comparison import Analyst
from ..reading.definition import Definition
from ..reading.nodes import Nodes
from ..reading.reference_versions import ReferenceVersions
from ..reading.served import Served
from .settings import Settings
from .verification import Budget


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
    looks: ReferenceVersions
    served: Served
    led_before: datetime | None
