"""A version is asked for alone: over the wire, in the API server's form for metadata without the rest."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from maraudersmap_operator.cluster import KubernetesCluster
from maraudersmap_operator.cluster.kinds import SECRET

FORM = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


async def test_a_version_is_asked_for_without_the_values() -> None:
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers["Accept"].split(",")[0]))
        if request.path.endswith("/owlery"):
            return web.json_response({"metadata": {"uid": "u", "resourceVersion": "7"}})
        return web.json_response({"kind": "Status", "message": "not found", "code": 404}, status=404)

    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", answer)
    async with TestServer(app) as server:
        configuration = Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        async with ApiClient(configuration) as api:
            cluster = KubernetesCluster(api)
            assert await cluster.version(SECRET, "hogwarts", "owlery") == "u 7"
            assert await cluster.version(SECRET, "hogwarts", "gone") == ""
    path = "/api/v1/namespaces/hogwarts/secrets"
    assert asked == [(f"{path}/owlery", FORM), (f"{path}/gone", FORM)]
