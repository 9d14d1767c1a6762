"""Who we are to the API server: in-cluster service account, or a kubeconfig outside."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")


async def open_api() -> ApiClient:
    """A client for the cluster we run in, or for the current context of $KUBECONFIG (default ~/.kube/config).

    Raises kubernetes.aio.config.ConfigException when there is neither.
    """
    configuration = Configuration()
    if in_cluster():
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    if not behind_proxy(str(configuration.host)):
        # Otherwise aiohttp would look through the environment and for a .netrc before each request, in a thread.
        configuration.client_session_kwargs = {"trust_env": False}
    return ApiClient(configuration)


def behind_proxy(url: str) -> bool:
    """The environment (HTTPS_PROXY, NO_PROXY and so on) names a proxy for that address."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT_DIR / "token").exists()


def own_namespace() -> str:
    """The namespace the operator runs in; POD_NAMESPACE wins over the service account's."""
    named = os.environ.get("POD_NAMESPACE")
    if named:
        return named
    path = SERVICE_ACCOUNT_DIR / "namespace"
    return path.read_text().strip() if path.exists() else "default"
