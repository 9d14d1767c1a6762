"""The containers, brought up in an order in which those that serve go on: another image comes to one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dev.cluster.host.console import Problem, step
from dev.cluster.host.shell import run
from dev.compose import FOLDER

UP_SECONDS = 300
DATA = ("postgres", "cache", "limits")
INSTANCES = ("api-1", "api-2", "api-3")
PROJECT = "marauders-map"
# Only for another configuration: a reload closes idle connections, and a request just being sent on one of them fails.
_RELOAD = """
sha256sum -c /tmp/configuration > /dev/null 2>&1 && exit
nginx -c /etc/nginx/marauders-map/nginx.conf -e stderr -t
nginx -c /etc/nginx/marauders-map/nginx.conf -e stderr -s reload
sha256sum /etc/nginx/marauders-map/nginx.conf > /tmp/configuration
"""


@dataclass(frozen=True, slots=True)
class Stack:
    """One set of the containers. `variables` is what compose.yaml reads."""

    compose: Sequence[str]
    variables: Mapping[str, str]
    project: str = PROJECT

    def up(self) -> None:
        """Leave with everything running and healthy. Raises Problem.

        What is unchanged is left alone. Changed instances are exchanged one after the other, each when the one before serves.
        """
        with step("starting PostgreSQL and Redis"):
            self._up(*DATA)
        with step("migrating"):
            self("run", "--rm", "--no-deps", "--quiet-pull", "migrate")
        for name in INSTANCES:
            with step(f"starting {name}"):
                self._up("--no-deps", name)
        with step("starting nginx and Prometheus"):
            self._up("--no-deps", "nginx", "prometheus", *self.variables.get("COMPOSE_PROFILES", "").split())
            self._reload()

    def down(self, *, volumes: bool = False) -> None:
        """Remove the containers and networks; the data only when asked to. Raises Problem."""
        self("--profile", "*", "down", "--remove-orphans", *(["--volumes"] if volumes else []))

    def containers(self) -> dict[str, dict[str, Any]]:
        """What Docker knows of each, by service: `docker inspect`."""
        ids = self("ps", "--all", "--quiet").split()
        found = json.loads(run(["docker", "inspect", *ids])) if ids else []
        return {entry["Config"]["Labels"]["com.docker.compose.service"]: entry for entry in found}

    def __call__(self, *arguments: str) -> str:
        """One command of Compose: its standard output. Raises Problem with the end of what it wrote."""
        command = [*self.compose, "--project-directory", str(FOLDER), "--project-name", self.project]
        return run([*command, *arguments], env=self.variables)

    def _up(self, *arguments: str) -> None:
        wait = ["--wait", "--wait-timeout", str(UP_SECONDS)]
        try:
            self("up", "--detach", "--quiet-pull", *wait, *arguments)
        except Problem as problem:
            logs = self(
                "logs", "--no-color", "--tail", "15", *(a for a in arguments if not a.startswith("--"))
            )
            raise Problem(f"{problem}\n{logs}", problem.remedy) from problem

    def _reload(self) -> None:
        """No container is made again for another configuration, which is mounted. A wrong one leaves the old one in force."""
        self("exec", "-T", "nginx", "sh", "-ec", _RELOAD)
