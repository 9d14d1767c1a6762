"""The rules once more as a PrometheusRule, for clusters with the Prometheus operator: the same groups, wrapped."""

from __future__ import annotations

import sys
from pathlib import Path

MONITORING = Path(__file__).resolve().parents[2] / "manifests" / "monitoring"
RULES = MONITORING / "prometheus" / "rules.yaml"
WRAPPED = MONITORING / "kube-prometheus" / "prometheus-rule.yaml"
HEAD = """\
# Made of prometheus/rules.yaml by `make dashboards`: change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: marauders-map
  labels:
    app.kubernetes.io/name: maraudersmap-operator
spec:
"""


def wrapped() -> str:
    """The file's content."""
    lines = RULES.read_text().splitlines()
    groups = lines[lines.index("groups:") :]
    return HEAD + "".join(f"  {line}\n" if line else "\n" for line in groups)


def main() -> int:
    WRAPPED.write_text(wrapped())
    return 0


if __name__ == "__main__":
    sys.exit(main())
