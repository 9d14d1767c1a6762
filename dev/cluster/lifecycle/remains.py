"""Removing clusters: this checkout's, and those that other clones left on the machine."""

import json
from pathlib import Path

from dev.cluster.host.console import print_line
from dev.cluster.host.paths import KUBECONFIG
from dev.cluster.host.shell import run, succeeds
from dev.cluster.network import edge, registry


def remove(name: str) -> None:
    """Remove what is left of this checkout's cluster, whatever state it is in. kind's own delete does no more."""
    _remove_containers(name)
    registry.remove(name)
    edge.accept_again(name)
    if succeeds(["docker", "network", "inspect", name]):
        run(["docker", "network", "rm", name])
    KUBECONFIG.unlink(missing_ok=True)


def remove_others(own: str, *, daemon_was_dead: bool) -> None:
    """Remove clusters of other checkouts that cannot be in use.

    Those are the ones whose checkout is gone, and all of them after the daemon was dead: it brings their nodes back
    by itself, and they would take memory and processor time from the one that is wanted now. Their owners get a new
    one in half a minute.
    """
    listed = run(["docker", "network", "ls", "-q", "--filter", "label=marauders.checkout"]).split()
    if not listed:
        return
    for network in json.loads(run(["docker", "network", "inspect", *listed])):
        name, checkout = network["Name"], Path(network["Labels"]["marauders.checkout"])
        if name == own or not (daemon_was_dead or not checkout.is_dir()):
            continue
        print_line(f"removing cluster {name}, left by {checkout}")
        _remove_containers(name)
        for container in run(["docker", "ps", "-aq", "--filter", f"label=marauders.cluster={name}"]).split():
            run(["docker", "rm", "-f", "-v", container])
        edge.accept_again(name)
        run(["docker", "network", "rm", name])


def _remove_containers(name: str) -> None:
    nodes = run(["docker", "ps", "-aq", "--filter", f"label=io.x-k8s.kind.cluster={name}"]).split()
    if nodes:
        run(["docker", "rm", "-f", "-v", *nodes])
