"""The machine and the cluster in one sentence, without names that belong to this machine alone."""

from __future__ import annotations

import os
import time

from bench.rollback import peers
from dev.kube import Kubectl
from dev.operator_install import DEPLOYMENT
from dev.operator_objects import NAMESPACE


def machine_in_words(kubectl: Kubectl, lanes: int) -> str:
    nodes = kubectl.json("get", "nodes")["items"]
    version = nodes[0]["status"]["nodeInfo"]["kubeletVersion"]
    runtime = nodes[0]["status"]["nodeInfo"]["containerRuntimeVersion"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    day = time.strftime("%Y-%m-%d", time.gmtime())
    operator = kubectl.json("-n", NAMESPACE, "get", "deployment", DEPLOYMENT)
    image = operator["spec"]["template"]["spec"]["containers"][0]["image"].rpartition("/")[2]
    return (
        f"Last run on {day}: Kubernetes {version} ({runtime}, {len(nodes)} nodes in containers) on one machine with "
        f"{os.cpu_count()} CPUs and {memory:.0f} GiB, up to {lanes} tools at once; {peers.versions()}, {image}."
    )
