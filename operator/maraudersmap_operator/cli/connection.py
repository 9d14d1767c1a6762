"""Who we are to the API server: the user, by the kubeconfig that kubectl itself would use."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from maraudersmap_operator.cluster import (
    Kind,
    KubernetesCluster,
    Manifest,
    in_cluster,
    open_api,
    own_namespace,
)
from maraudersmap_operator.cluster.errors import translated

# The API server ends a watch after this long, and the next one goes on from there. One that is silent for longer is dead: a
# bookmark comes each minute.
WATCH_SECONDS = 240
SILENT_SECONDS = 90
CONNECT_SECONDS = 10


class UserCluster(KubernetesCluster):
    """The operator's port, with the writes under the plugin's name: the operator never writes a spec."""

    field_manager = "kubectl-marauders"

    async def watch(
        self, kind: Kind, namespace: str, version: str, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Manifest]:
        """Events (`type`, `object`) since `version`, until the API server ends the stream; before them a bookmark of
        `version` itself, once the stream is open. Raises ClusterError: with status 410 when that version is too old."""
        query = [
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(WATCH_SECONDS)),
        ]
        query += [("labelSelector", selector)] if selector else []
        query += [("fieldSelector", fields)] if fields else []
        path = kind.path(namespace)
        with translated(f"watch {path}"):
            response = await self._client.request(
                "get",
                path,
                serialize=False,
                query_params=[("watch", "true"), *query],
                header_params={},
                _request_timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS
                ),
            )
            try:
                yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}
                rest = b""
                # By bytes: an object may be longer than the line that the library would read.
                async for part in response.content.iter_any():
                    *lines, rest = (rest + part).split(b"\n")
                    for line in filter(None, lines):
                        yield json.loads(line)
            finally:
                response.close()


@dataclass(frozen=True, slots=True)
class Session:
    cluster: UserCluster
    namespace: str  # where to look: the one asked for, else the context's, else `default`


@asynccontextmanager
async def connect(
    kubeconfig: str | None, context: str | None, namespace: str | None
) -> AsyncIterator[Session]:
    """A session with the cluster. Raises kubernetes.aio.config.ConfigException when none can be found."""
    if in_cluster() and kubeconfig is None and context is None:
        api, default = await open_api(), own_namespace()
    else:
        # The library also warns on standard error of a missing file; the exception is enough.
        logging.getLogger("kubernetes").addHandler(logging.NullHandler())
        configuration = Configuration()
        files = _files(kubeconfig)
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=files, context=context, client_configuration=configuration
        )
        api, default = ApiClient(configuration), _context_namespace(files, context)
    try:
        yield Session(UserCluster(api), namespace or default)
    finally:
        await api.close()  # type: ignore[no-untyped-call]


def _files(kubeconfig: str | None) -> str:
    """The file or files to read, as in $KUBECONFIG. Raises ConfigException that names the one that cannot be.

    The library has no word for a file that is missing, and lets its parser's own errors out.
    """
    names = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    there = [f for name in names.split(os.pathsep) if name and (f := Path(name).expanduser()).exists()]
    if not there:
        raise config.ConfigException(f"{names} does not exist")
    for file in there:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise config.ConfigException(f"{file} cannot be read: {' '.join(str(error).split())}") from error
        if not isinstance(content, dict):
            raise config.ConfigException(f"{file} is no kubeconfig")
    return names


def _context_namespace(kubeconfig: str, context: str | None) -> str:
    contexts, active = config.list_kube_config_contexts(config_file=kubeconfig)  # type: ignore[no-untyped-call]
    chosen = next((c for c in contexts if c["name"] == context), None) if context else active
    return str(((chosen or {}).get("context") or {}).get("namespace") or "default")
