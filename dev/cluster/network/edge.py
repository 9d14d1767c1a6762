"""Rejecting a cluster's service range at the edge, before the cluster starts.

A connection that is made before kube-proxy has its rule leaves the node for the gateway. Where something out there
answers, a client that keeps the connection stays wrong for good. A reset makes it try again.
"""

import os
import subprocess

from dev.cluster.host.paths import program
from dev.cluster.host.shell import run, succeeds
from dev.cluster.network.addresses import ClusterRanges

_CHAIN = "DOCKER-USER"


def rules(cluster: str, ranges: ClusterRanges) -> list[list[str]]:
    """The arguments of the rules, in the order they must stand: a reset for TCP, a refusal for the rest (DNS)."""
    where = ["-s", str(ranges.nodes), "-d", str(ranges.services)]
    comment = ["-m", "comment", "--comment", cluster, "-j", "REJECT"]
    return [[*where, "-p", "tcp", *comment, "--reject-with", "tcp-reset"], [*where, *comment]]


def reject_services(cluster: str, ranges: ClusterRanges) -> None:
    """Add the rules unless they are there. Where Docker runs in its own machine (macOS) there is nothing to add to."""
    if os.geteuid() != 0 or program("iptables") is None:
        return
    if not succeeds(["iptables", "-w", "-n", "-L", _CHAIN]):
        return
    for position, rule in enumerate(rules(cluster, ranges), start=1):
        if not succeeds(["iptables", "-w", "-C", _CHAIN, *rule]):
            run(["iptables", "-w", "-I", _CHAIN, str(position), *rule])


def accept_again(cluster: str) -> None:
    """Remove every rule of the cluster, whatever ranges it had."""
    if os.geteuid() != 0 or program("iptables") is None:
        return
    listed = subprocess.run(
        ["iptables", "-w", "-S", _CHAIN], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    for line in listed:
        words = line.split()
        if words[:1] == ["-A"] and f"--comment {cluster} " in line:
            run(["iptables", "-w", "-D", *words[1:]])
