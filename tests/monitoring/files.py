"""The shipped files of manifests/monitoring, read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "manifests" / "monitoring"
RULES = MONITORING / "prometheus" / "rules.yaml"
SCRAPE = MONITORING / "prometheus" / "prometheus.yml"
ROUTES = MONITORING / "alertmanager" / "alertmanager.yml"
PLAYBOOK = ROOT / "docs" / "incident-playbook.md"


def rules() -> list[dict[str, Any]]:
    """Recordings and alerts, in their order."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def queries() -> list[tuple[str, str]]:
    """Every query of every dashboard, with where it stands; Grafana's variables filled in as for *All*."""
    found = []
    for file in sorted((MONITORING / "grafana").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            where = f"{file.stem}: {panel['title']}"
            found += [(where, filled(target["expr"])) for target in panel.get("targets", ())]
    return found


def filled(expression: str) -> str:
    return (
        expression.replace('"$namespace"', '".*"')
        .replace('"$maraudersmap"', '".*"')
        .replace("$__rate_interval", "1m")
    )


def selectors(expression: str) -> list[str]:
    """The vector selectors of an expression, without their ranges."""
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", expression)
    found = re.findall(
        r"(?<![\w:.$\"'])([a-z_:][a-z0-9_:]*)(?!\w)\s*(\{[^}]*\})?(?!\s*\(|[\w:])", _without_strings(bare)
    )
    named = [name + labels for name, labels in found if name not in {"and", "or", "unless", "bool"}]
    return [_with_strings(each, bare) for each in named]


def _strings(text: str) -> list[str]:
    return re.findall(r'"[^"]*"', text)


def _without_strings(text: str) -> str:
    """Each string by its number, so that nothing in one is taken for a name."""
    count = iter(range(len(_strings(text))))
    return re.sub(r'"[^"]*"', lambda _: f"<{next(count)}>", text)


def _with_strings(text: str, original: str) -> str:
    values = _strings(original)
    return re.sub(r"<(\d+)>", lambda match: values[int(match.group(1))], text)
