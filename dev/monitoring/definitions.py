"""The Prometheus operator's own definitions of the kinds that are made here, of a release of its Go module."""

from __future__ import annotations

from typing import Any

import yaml

from dev.cluster.host import go_tools

MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
PLURALS = ("podmonitors", "prometheusrules", "servicemonitors")


def definitions() -> list[dict[str, Any]]:
    """One CustomResourceDefinition each; downloaded at the first call, checked by Go's checksum database."""
    folder = go_tools.sources(MODULE) / "example" / "prometheus-operator-crd"
    return [
        yaml.safe_load((folder / f"monitoring.coreos.com_{plural}.yaml").read_text(encoding="utf-8"))
        for plural in PLURALS
    ]
