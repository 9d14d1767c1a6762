"""Choosing address ranges that nothing on this machine uses."""

import ipaddress
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.host.console import Problem

Network = ipaddress.IPv4Network

_DOCKER_BRIDGES = Network("172.20.0.0/14")
_CLUSTERS = Network("10.64.0.0/10")
"""Each cluster takes one /14 of it: a /16 for pods, a /16 for services, a /24 for the nodes."""


@dataclass(frozen=True, slots=True)
class ClusterRanges:
    """The ranges of one cluster; they never overlap."""

    nodes: Network
    pods: Network
    services: Network

    @property
    def registry(self) -> str:
        """The last address of the nodes' range, far from where Docker begins."""
        return str(self.nodes.broadcast_address - 1)


def first_free(candidates: Iterable[Network], used: Iterable[Network]) -> Network:
    """The first candidate that overlaps nothing used. Raises Problem when there is none."""
    taken = list(used)
    for candidate in candidates:
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise Problem(
        "every address range that could be chosen is in use",
        "look at `ip route` and remove what is not needed",
    )


def cluster_ranges(block: Network) -> ClusterRanges:
    """Cut a /14 into the ranges of a cluster."""
    pods, services, rest, _ = block.subnets(new_prefix=16)
    return ClusterRanges(nodes=next(rest.subnets(new_prefix=24)), pods=pods, services=services)


def choose_cluster_ranges(used: Iterable[Network], start: int) -> ClusterRanges:
    """A free block; `start` (any number, such as a hash) spreads checkouts, so that two seldom choose alike."""
    blocks = list(_CLUSTERS.subnets(new_prefix=14))
    start %= len(blocks)
    return cluster_ranges(first_free(blocks[start:] + blocks[:start], used))


def choose_bridge(used: Iterable[Network]) -> Network:
    """A /24 for Docker's own bridge."""
    return first_free(_DOCKER_BRIDGES.subnets(new_prefix=24), used)


def routed_networks(table: str, ignore: Iterable[str] = ()) -> list[Network]:
    """The destinations in the text of /proc/net/route, but the default route and the interfaces to ignore."""
    skipped = set(ignore)
    found = []
    for line in table.splitlines()[1:]:
        interface, destination, _, _, _, _, _, mask, *_ = line.split()
        # The kernel prints both as little-endian hexadecimal.
        address = ipaddress.IPv4Address(bytes.fromhex(destination)[::-1])
        netmask = ipaddress.IPv4Address(bytes.fromhex(mask)[::-1])
        if int(netmask) and interface not in skipped:
            found.append(Network(f"{address}/{netmask}"))
    return found


def host_networks(ignore: Iterable[str] = ()) -> list[Network]:
    """What this machine's routing table reaches directly; empty where there is no such table."""
    table = Path("/proc/net/route")
    return routed_networks(table.read_text(encoding="ascii"), ignore) if table.exists() else []


def docker_networks() -> list[Network]:
    """The subnets of Docker's networks, and the pod and service ranges our clusters wrote on theirs as labels."""
    names = subprocess.run(
        ["docker", "network", "ls", "-q"], capture_output=True, text=True, check=True
    ).stdout.split()
    if not names:
        return []
    shown = subprocess.run(
        ["docker", "network", "inspect", *names], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for network in json.loads(shown):
        texts = [c.get("Subnet", "") for c in network["IPAM"].get("Config") or []]
        texts += [v for k, v in (network.get("Labels") or {}).items() if k.startswith("marauders.range.")]
        found += [Network(t) for t in texts if t and ":" not in t]
    return found
