"""The kind configuration of a cluster: one control plane, two workers, ranges of its own."""

from dev.cluster.network.addresses import ClusterRanges

REGISTRY_HOST = "marauders-registry"
REGISTRY_PORT = 5000
REGISTRY = f"{REGISTRY_HOST}:{REGISTRY_PORT}"
_WORKERS = 2
_AUTOSCALER_PERIOD = "5s"


def render(name: str, ranges: ClusterRanges) -> str:
    """The file for `kind create cluster --config`.

    The autoscaler looks every 5 s instead of 15, so that tests of scaling are short. `config_path` is what lets a
    node find the local registry; our own node image has it built in, and the patch changes nothing there. kind
    writes v1beta3 or v1beta4 by the version of Kubernetes, and a patch applies only where its own version is meant.
    """
    workers = "\n".join("- role: worker" for _ in range(_WORKERS))
    return f"""\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
name: {name}
networking:
  ipFamily: ipv4
  podSubnet: {ranges.pods}
  serviceSubnet: {ranges.services}
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
nodes:
- role: control-plane
  kubeadmConfigPatches:
  - |
    apiVersion: kubeadm.k8s.io/v1beta3
    kind: ClusterConfiguration
    controllerManager:
      extraArgs:
        horizontal-pod-autoscaler-sync-period: {_AUTOSCALER_PERIOD}
  - |
    apiVersion: kubeadm.k8s.io/v1beta4
    kind: ClusterConfiguration
    controllerManager:
      extraArgs:
      - name: horizontal-pod-autoscaler-sync-period
        value: {_AUTOSCALER_PERIOD}
{workers}
"""


def registry_hosts() -> str:
    """The certs.d file that lets containerd reach the local registry without TLS."""
    return f"""\
server = "http://{REGISTRY}"

[host."http://{REGISTRY}"]
  capabilities = ["pull", "resolve"]
"""
