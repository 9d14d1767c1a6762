"""Who we are to the API server: in-cluster service account, or a kubeconfig outside."""

from __future__ import annotations

import os
from pathlib import Path

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
    return ApiClient(configuration)


def in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT_DIR / "token").exists()


def own_namespace() -> str:
    """The namespace the operator runs in; POD_NAMESPACE wins over the service account's."""
    named = os.environ.get("POD_NAMESPACE")
    if named:
        return named
    path = SERVICE_ACCOUNT_DIR / "namespace"
    return path.read_text().strip() if path.exists() else "default"
