"""Every variable that the operator reads, with its default and meaning: --help lists them, and docs/install.md is generated
from here (`make variables`)."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import NamedTuple

from maraudersmap_operator.children import RUNBOOK


class Variable(NamedTuple):
    name: str
    default: str
    meaning: str  # Markdown

    def of(self, environment: Mapping[str, str]) -> str:
        """Its value, or the default."""
        return environment.get(self.name, self.default)


WATCH_NAMESPACES = Variable("WATCH_NAMESPACES", "", "comma list; empty: the whole cluster")
EVALUATION_POSTGRES_IMAGE = Variable(
    "EVALUATION_POSTGRES_IMAGE", "postgres:16", "image of evaluation databases"
)
EVALUATION_REDIS_IMAGE = Variable("EVALUATION_REDIS_IMAGE", "redis:7", "image of evaluation caches")
PROMETHEUS_NAMESPACES = Variable(
    "PROMETHEUS_NAMESPACES",
    "monitoring",
    "comma list: whose Services `analysis.prometheus.url` may name, besides the resource's own",
)
RUNBOOK_URL = Variable(
    "RUNBOOK_URL",
    RUNBOOK,
    "where your people read the incident playbook: each alert adds its section. The default is a path of this repository",
)
WORKERS = Variable("WORKERS", "4", "passes at once, each over another resource; 1 to 64")
HTTP_PORT = Variable("HTTP_PORT", "8080", "`/healthz`, `/readyz`, `/metrics`")
LOG_LEVEL = Variable("LOG_LEVEL", "info", "`debug`, `info`, `warning`, `error`")
LEADER_ELECTION = Variable("LEADER_ELECTION", "true", "`false` for a single process outside the cluster")
KUBECONFIG = Variable("KUBECONFIG", "", "outside a cluster only: whom to connect to")

VARIABLES = (
    WATCH_NAMESPACES,
    EVALUATION_POSTGRES_IMAGE,
    EVALUATION_REDIS_IMAGE,
    PROMETHEUS_NAMESPACES,
    RUNBOOK_URL,
    WORKERS,
    HTTP_PORT,
    LOG_LEVEL,
    LEADER_ELECTION,
    KUBECONFIG,
)


def help_text() -> str:
    """For a terminal."""
    width = max(len(variable.name) for variable in VARIABLES)
    lines = ["environment:"]
    for name, default, meaning in VARIABLES:
        text = meaning.replace("`", "") + (f" ({default})" if default else "")
        lines.append(
            fill(text, 110, initial_indent=f"  {name:<{width}}  ", subsequent_indent=" " * (width + 4))
        )
    return "\n".join(lines)
