"""The rules of all resources and of the operator as files, from the operator's own source (children/rules.py).

Run as a program it writes them into manifests/monitoring: `make dashboards [RUNBOOK_URL=https://...]`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from maraudersmap_operator.children.rules import RUNBOOK, Rules

MONITORING = Path(__file__).resolve().parents[2] / "manifests" / "monitoring"
PLAIN = MONITORING / "prometheus" / "rules.yaml"
OPERATOR = MONITORING / "kube-prometheus" / "prometheus-rule.yaml"
RESOURCES = MONITORING / "kube-prometheus" / "all-resources" / "prometheus-rule.yaml"
MADE = "# Made by `make dashboards` of operator/maraudersmap_operator/children/{rules,alerts}.py: change those.\n"
ABOUT = """\
# Recordings first, then alerts on what users or operators notice. Objectives: 99.9 % of the answers are no 5xx, 95 % take at
# most 0.5 s, over 30 days. Tests: make test-monitoring.
"""


class _Dumper(yaml.SafeDumper):
    """Expressions as they are read: a line is a line."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def files(runbook: str = RUNBOOK) -> Mapping[Path, str]:
    """Each file's content. `runbook`: address of the incident playbook."""
    rules = Rules(runbook=runbook)
    every = [*rules.of_resources(), *rules.of_the_operator()]
    return {
        PLAIN: MADE + ABOUT + _text({"groups": every}),
        OPERATOR: MADE + _text(_wrapped("marauders-map", rules.of_the_operator())),
        RESOURCES: MADE + _text(_wrapped("marauders-map-resources", rules.of_resources())),
    }


def _wrapped(name: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "maraudersmap-operator"}},
        "spec": {"groups": groups},
    }


def _text(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


def main() -> int:
    for file, text in files(os.environ.get("RUNBOOK_URL") or RUNBOOK).items():
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
