"""Every metric of the two programs is in docs/monitoring.md, and none is there that neither of them has."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from maraudersmap_api.infra.metrics import Metrics as ApiMetrics
from maraudersmap_operator.telemetry import Metrics as OperatorMetrics

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "monitoring.md"
# The client library's own, described as a group.
OF_THE_LIBRARY = ("process_", "python_")
SUFFIX = {"counter": "_total"}


def names(registry: CollectorRegistry) -> set[str]:
    return {
        family.name + SUFFIX.get(family.type, "")
        for family in registry.collect()
        if not family.name.startswith(OF_THE_LIBRARY)
    }


def test_the_document_and_the_programs_have_the_same_metrics() -> None:
    tables = DOCUMENT.read_text().split("## What the operator shows")[1].split("\n## Prometheus")[0]
    documented = {
        word
        for word in re.findall(r"`([a-z_]+)`", tables)
        if "_" in word and not word.startswith(OF_THE_LIBRARY)
    } - {"half_open"}
    assert documented == names(OperatorMetrics().registry) | names(ApiMetrics().registry)
