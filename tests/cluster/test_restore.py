"""docs/runbook.md, "Back up and restore", typed whole on a cluster, on a database of one's own.

Its pg_ commands run in the database's pod, which has PostgreSQL's programs.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from dev.cluster.host.paths import CHECKOUT
from dev.kube import summary
from tests.cluster import budgets
from tests.cluster.scenario import Object, Scenario, merged, small_spec

SECRET = "marauders-map-database"
UID = 999
INCIDENT = {"title": "Before the dump", "location": "HOGWARTS", "severity": "MISCHIEF"}


def test_what_was_backed_up_is_restored_as_the_runbook_has_it(scenario: Scenario) -> None:
    # given
    database_is_there(scenario)
    url = f"postgresql://postgres:secret@db.{scenario.namespace}.svc:5432"
    old, new, check = (
        f"{url}/{name}?sslmode=disable" for name in ("postgres", "restored", "marauders_check")
    )
    scenario.do("create", "secret", "generic", SECRET, f"--from-literal=url={old}")
    external = {"evaluation": None, "external": {"secretRef": {"name": SECRET, "key": "url"}}}
    scenario.resource_exists(merged(small_spec(scenario.good), {"database": external}))
    stable = scenario.until_phase("Ready", budgets.READY)["stable"]["revision"]
    variables = {"DATABASE_URL": old, "ADMIN_URL": old, "CHECK_URL": check, "NEW_URL": new}
    with scenario.probed() as prober:
        status, created = prober.call("POST", "/api/incidents", INCIDENT)
        assert status == 201, created
        # when
        scenario.do("exec", "db", "--", "createdb", f"--maintenance-db={old}", "restored")
        for command in commands():
            typed(scenario, command, variables)
        # then
        shown = scenario.status()
        assert (shown["phase"], shown["stable"]["revision"]) == ("Ready", stable)
        assert databases_in_use(scenario, old) == {"restored"}
        status, listed = prober.call("GET", "/api/incidents?search=dump")
        assert (status, [found["id"] for found in listed["data"]]) == (200, [created["id"]])


def commands() -> list[str]:
    """Of the whole section, in its order."""
    text = (CHECKOUT / "docs" / "runbook.md").read_text(encoding="utf-8")
    section = text.partition("## Back up and restore")[2].partition("\n## ")[0]
    return re.findall(r"^\$ (.*)$", section, re.MULTILINE)


def typed(scenario: Scenario, command: str, variables: dict[str, str]) -> None:
    """Raises CalledProcessError or KubectlFailed with what the command wrote."""
    if not command.startswith("kubectl "):
        given = (f"{name}={value}" for name, value in variables.items())
        scenario.do(
            "exec", "db", "--", "env", "--chdir=/tmp", *given, "bash", "-euo", "pipefail", "-c", command
        )
        return
    here = {
        "NS": scenario.namespace,
        "KUBECONFIG": scenario.kubectl.kubeconfig,
        "PATH": f"{Path(scenario.kubectl.program).parent}:{os.environ['PATH']}",
    }
    subprocess.run(["bash", "-euo", "pipefail", "-c", command], env=os.environ | variables | here, check=True)


def database_is_there(scenario: Scenario) -> None:
    """A PostgreSQL that is nobody's child, at db.<namespace>.svc."""
    restricted: Object = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db", "labels": {"app": "db"}},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "fsGroup": UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "db",
                    "image": summary()["postgres_image"],
                    "env": [
                        {"name": "POSTGRES_PASSWORD", "value": "secret"},
                        {"name": "PGDATA", "value": "/data/pgdata"},
                    ],
                    "readinessProbe": {
                        "exec": {"command": ["pg_isready", "-h", "127.0.0.1"]},
                        "periodSeconds": 1,
                    },
                    "securityContext": restricted,
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
    service: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "db"},
        "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]},
    }
    scenario.kubectl.apply(pod, service, namespace=scenario.namespace)
    scenario.do("wait", "--for=condition=Ready", "pod/db", f"--timeout={budgets.READY:.0f}s")


def databases_in_use(scenario: Scenario, url: str) -> set[str]:
    """Those with connections from other pods, but for the one that asks. The readiness probe here connects each second."""
    query = (
        "SELECT DISTINCT datname FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid() AND client_addr <> '127.0.0.1'"
    )
    return set(
        scenario.do("exec", "db", "--", "psql", url, "--tuples-only", "--no-align", "-c", query).split()
    )
