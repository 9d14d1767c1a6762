"""What the installer decides about the operator, from environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from maraudersmap_operator.children import OPERATOR_NAMESPACE, RUNBOOK, Images

from . import variables
from .variables import Variable


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
    level = variables.LOG_LEVEL.of(environment).lower()
    if level not in ("debug", "info", "warning", "error"):
        raise InvalidSettings(f"LOG_LEVEL is {level!r}; use debug, info, warning or error")
    return Settings(
        images=Images(
            postgres=variables.EVALUATION_POSTGRES_IMAGE.of(environment),
            redis=variables.EVALUATION_REDIS_IMAGE.of(environment),
        ),
        namespaces=_names(variables.WATCH_NAMESPACES.of(environment)),
        prometheus_namespaces=_names(variables.PROMETHEUS_NAMESPACES.of(environment)),
        runbook_url=variables.RUNBOOK_URL.of(environment) or RUNBOOK,
        workers=_number(environment, variables.WORKERS, 1, 64),
        http_port=_number(environment, variables.HTTP_PORT, 1, 65535),
        log_level=level,
        leader_election=variables.LEADER_ELECTION.of(environment).lower() != "false",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _number(environment: Mapping[str, str], variable: Variable, low: int, high: int) -> int:
    text = variable.of(environment)
    if not text.isdecimal() or not low <= int(text) <= high:
        raise InvalidSettings(f"{variable.name} is {text!r}; use a whole number from {low} to {high}")
    return int(text)
