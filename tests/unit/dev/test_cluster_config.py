"""What is rendered for kind, containerd and the firewall."""

from ipaddress import IPv4Network
from typing import Any

import yaml
from dev.cluster.network import edge, kind_config
from dev.cluster.network.addresses import ClusterRanges

RANGES = ClusterRanges(
    nodes=IPv4Network("10.66.0.0/24"), pods=IPv4Network("10.64.0.0/16"), services=IPv4Network("10.65.0.0/16")
)


def rendered() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(kind_config.render("marauders-abc123", RANGES))
    return loaded


def test_a_cluster_has_one_control_plane_and_two_workers() -> None:
    """Two workers are what drains, spread and lost nodes need."""
    assert [node["role"] for node in rendered()["nodes"]] == ["control-plane", "worker", "worker"]


def test_a_cluster_gets_its_own_ranges() -> None:
    """kind's defaults would be the same for every cluster of a machine."""
    assert rendered()["networking"] == {
        "ipFamily": "ipv4",
        "podSubnet": "10.64.0.0/16",
        "serviceSubnet": "10.65.0.0/16",
    }


def test_the_autoscaler_period_is_set_in_each_form_of_kubeadm() -> None:
    """v1beta3 takes a map and v1beta4 a list; kind applies the one whose version it writes."""
    patches = [yaml.safe_load(p) for p in rendered()["nodes"][0]["kubeadmConfigPatches"]]
    forms = {p["apiVersion"].partition("/")[2]: p["controllerManager"]["extraArgs"] for p in patches}
    assert forms == {
        "v1beta3": {"horizontal-pod-autoscaler-sync-period": "5s"},
        "v1beta4": [{"name": "horizontal-pod-autoscaler-sync-period", "value": "5s"}],
    }


def test_services_are_refused_for_every_protocol() -> None:
    """TCP gets a reset, so that a client tries again at once; DNS over UDP is refused as well."""
    tcp, rest = edge.rules("marauders-abc123", RANGES)
    for rule in (tcp, rest):
        assert rule[:4] == ["-s", "10.66.0.0/24", "-d", "10.65.0.0/16"]
        assert "marauders-abc123" in rule
    assert tcp[-1] == "tcp-reset"
    assert "-p" not in rest
