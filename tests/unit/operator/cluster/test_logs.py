"""Reading a container's log over the wire."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from maraudersmap_operator.cluster import KubernetesCluster, Unavailable


async def test_a_connection_that_breaks_within_the_log_is_an_error_of_the_clusters() -> None:
    """Else the pass that keeps evidence of a bad revision ends there, and the verdict is not stored."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"Traceback (most recent")
        assert request.transport is not None
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", answer)
    async with TestServer(app) as server:
        configuration = Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        async with ApiClient(configuration) as api:
            with pytest.raises(Unavailable):
                await KubernetesCluster(api).logs("hogwarts", "map-api-x", "api", 10, previous=False)
