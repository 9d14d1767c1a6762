"""The port to Kubernetes."""

from .client import Cluster, KubernetesCluster, Listing, Manifest, Operations, version_of
from .errors import ClusterError, Conflict, NotFound, NotLeading, Refused, Unavailable, namespace_ends
from .identity import Key, owner_key
from .kinds import Kind, kind_of
from .lease import LeaseClock, lead
from .session import in_cluster, open_api, own_namespace
from .store import Store

__all__ = [
    "Cluster",
    "ClusterError",
    "Conflict",
    "Key",
    "Kind",
    "KubernetesCluster",
    "LeaseClock",
    "Listing",
    "Manifest",
    "NotFound",
    "NotLeading",
    "Operations",
    "Refused",
    "Store",
    "Unavailable",
    "in_cluster",
    "kind_of",
    "lead",
    "namespace_ends",
    "open_api",
    "own_namespace",
    "owner_key",
    "version_of",
]
