"""What the installer decides about the operator, from environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from maraudersmap_operator.children import OPERATOR_NAMESPACE, RUNBOOK, Images


class InvalidSettings(ValueError):
    """A variable has a value that cannot be used; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    images: Images
    namespaces: tuple[str, ...] = ()  # empty: the whole cluster
    workers: int = 4
    http_port: int = 8080
    log_level: str = "info"
    leader_election: bool = True
    prometheus_namespaces: tuple[str, ...] = ("monitoring",)  # whose Services analysis.prometheus may name
    runbook_url: str = RUNBOOK  # address of the incident playbook, for the alerts
    own_namespace: str = OPERATOR_NAMESPACE  # whose pods may ask the API's pods for their metrics


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Raises InvalidSettings."""
    level = environment.get("LOG_LEVEL", "info").lower()
    if level not in ("debug", "info", "warning", "error"):
        raise InvalidSettings(f"LOG_LEVEL is {level!r}; use debug, info, warning or error")
    return Settings(
        images=Images(
            postgres=environment.get("EVALUATION_POSTGRES_IMAGE", "postgres:16"),
            redis=environment.get("EVALUATION_REDIS_IMAGE", "redis:7"),
        ),
        namespaces=_names(environment.get("WATCH_NAMESPACES", "")),
        prometheus_namespaces=_names(environment.get("PROMETHEUS_NAMESPACES", "monitoring")),
        runbook_url=environment.get("RUNBOOK_URL") or RUNBOOK,
        workers=_number(environment, "WORKERS", 4, 1, 64),
        http_port=_number(environment, "HTTP_PORT", 8080, 1, 65535),
        log_level=level,
        leader_election=environment.get("LEADER_ELECTION", "true").lower() != "false",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _number(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or not low <= int(text) <= high:
        raise InvalidSettings(f"{name} is {text!r}; use a whole number from {low} to {high}")
    return int(text)
