"""The Gateway for the local cluster: what decides without asking anybody."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from dev.cluster.host.console import Problem
from dev.cluster.host.paths import DEV
from dev.gateway import install, traefik

TRAEFIK = "github.com/traefik/traefik/v3"
MANIFESTS = list(yaml.safe_load_all((DEV / "gateway" / "manifests.yaml").read_text(encoding="utf-8")))


def only(kind: str) -> dict[str, Any]:
    (found,) = [o for o in MANIFESTS if o["kind"] == kind]
    return dict(found)


@pytest.mark.parametrize(
    "go_mod", [f"require (\n\t{TRAEFIK} v3.1.2\n\tother v1\n)\n", f"require {TRAEFIK} v3.1.2 // why\n"]
)
def test_the_version_is_the_one_that_go_mod_requires(go_mod: str) -> None:
    """A group or a line of its own."""
    assert traefik.version_of(TRAEFIK, go_mod) == "v3.1.2"


def test_a_module_that_is_not_required_is_a_problem() -> None:
    """A longer path that begins alike is another module."""
    with pytest.raises(Problem, match=TRAEFIK):
        traefik.version_of(TRAEFIK, f"require (\n\t{TRAEFIK}/more v3.1.2\n)\n")


def test_both_modules_are_pinned_with_their_contents() -> None:
    """go.sum has a line for each module's files, not for its go.mod alone."""
    go_mod = (traefik.MODULE / "go.mod").read_text(encoding="utf-8")
    sums = (traefik.MODULE / "go.sum").read_text(encoding="utf-8")
    for module in (TRAEFIK, "sigs.k8s.io/gateway-api"):
        assert f"{module} {traefik.version_of(module, go_mod)} h1:" in sums


def gateway(status: str = "True", observed: int = 2) -> dict[str, Any]:
    programmed = {"type": "Programmed", "status": status, "observedGeneration": observed}
    accepted = {"type": "Accepted", "status": "True", "observedGeneration": observed}
    return {"metadata": {"generation": 2}, "status": {"conditions": [accepted, programmed]}}


def test_a_gateway_is_programmed_when_its_controller_says_so_of_what_is_written_now() -> None:
    """What it said of an earlier generation says nothing."""
    assert install.is_programmed(gateway())
    assert not install.is_programmed(gateway(status="False"))
    assert not install.is_programmed(gateway(observed=1))
    assert not install.is_programmed({"metadata": {"generation": 1}})
    assert not install.is_programmed(None)


def test_crds_without_our_label_are_somebody_elses() -> None:
    """They are neither replaced nor removed."""
    assert install.ours({"metadata": {"labels": {"marauders": "gateway", "x": "y"}}})
    assert not install.ours({"metadata": {}})


def test_the_manifests_say_what_the_code_looks_for() -> None:
    """Names in two places must not drift apart."""
    assert only("Gateway")["metadata"] == {"name": install.GATEWAY, "namespace": install.NAMESPACE}
    assert (
        only("Gateway")["spec"]["gatewayClassName"]
        == only("GatewayClass")["metadata"]["name"]
        == install.CLASS
    )
    assert only("Service")["metadata"] == {"name": install.SERVICE, "namespace": install.NAMESPACE}
    assert only("Namespace")["metadata"]["name"] == install.NAMESPACE


def test_traefik_listens_where_the_gateway_says() -> None:
    """Traefik finds the entry point of a listener by its port; no entry point, no route."""
    (container,) = only("Deployment")["spec"]["template"]["spec"]["containers"]
    (listener,) = only("Gateway")["spec"]["listeners"]
    assert f"--entryPoints.web.address=:{listener['port']}" in container["args"]
    assert {"name": "web", "containerPort": listener["port"]} in container["ports"]
