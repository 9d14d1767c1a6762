"""Where a resource may send the operator: a user who writes a URL must not borrow the operator's place in the network.

Only Services of the cluster, by name, in namespaces that the operator's administrator allows, and the resource's own. An
address instead of a name, a node, the cloud's metadata and this pod itself are none of these. What a Service's name leads
to is up to who owns that namespace: see docs/analysis.md.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

SETTING = "PROMETHEUS_NAMESPACES"


def refusal(url: str, own_namespace: str, namespaces: Collection[str]) -> str:
    """Why the URL may not be asked, with the remedy; empty when it may. Pure."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    service, _, rest = host.partition(".")
    namespace, _, domain = rest.partition(".")
    if not service or not namespace or domain.split(".")[0] != "svc":
        return "not asked: write the host as <service>.<namespace>.svc, a Service of this cluster"
    if namespace not in {own_namespace, *namespaces}:
        return f"not asked: the operator's setting {SETTING} does not list the namespace {namespace}"
    return ""
