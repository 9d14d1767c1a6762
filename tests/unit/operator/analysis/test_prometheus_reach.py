"""A URL of a user's does not lead the operator to where the user has no business."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from socket import AF_INET
from typing import Any, cast

import pytest
from aiohttp import web
from tests.unit.operator.analysis.test_scrape import HERE, PATIENCE, Handler, serving

from maraudersmap_operator.cluster import Cluster, ClusterError, Kind, Refused, Unavailable
from maraudersmap_operator.cluster.prometheus import ask
from maraudersmap_operator.cluster.reach import (
    Address,
    Found,
    GuardedResolver,
    LookUp,
    permitted,
    refusal,
    service_refusal,
)
from maraudersmap_operator.resource.analysis import Prometheus
from maraudersmap_operator.resource.status_analysis import QueryAnswer


@pytest.mark.parametrize(
    "url",
    [
        "http://prometheus.monitoring.svc:9090",
        "http://prometheus.monitoring.svc.cluster.local:9090/prefix",
        "http://own.demo.svc",
        "https://PROMETHEUS.monitoring.svc.",
    ],
)
def test_services_of_allowed_namespaces_may_be_asked(url: str) -> None:
    assert refusal(url, "demo", ("monitoring",)) == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://169.254.169.254/latest", "<service>.<namespace>.svc"),
        ("http://127.0.0.1:9090", "<service>.<namespace>.svc"),
        ("http://[::1]:9090", "<service>.<namespace>.svc"),
        ("http://2852039166/", "<service>.<namespace>.svc"),
        ("http://localhost:8080", "<service>.<namespace>.svc"),
        ("http://metadata.google.internal", "<service>.<namespace>.svc"),
        ("http://prometheus.example.com", "<service>.<namespace>.svc"),
        ("http://svc.svc", "<service>.<namespace>.svc"),
        ("http://[fd00::1:9090", "<service>.<namespace>.svc"),
        ("http://prometheus.demo.svc]:9090", "<service>.<namespace>.svc"),
        ("http://prom\u2100theus.demo.svc", "<service>.<namespace>.svc"),
        ("http://kubernetes.default.svc", "PROMETHEUS_NAMESPACES"),
        ("http://prometheus.kube-system.svc.cluster.local", "PROMETHEUS_NAMESPACES"),
    ],
)
def test_everything_else_is_refused_with_the_remedy(url: str, words: str) -> None:
    assert words in refusal(url, "demo", ("monitoring",))


# --- the Service behind the name --------------------------------------------------------------------------------------
URL = "http://prometheus.monitoring.svc:{port}"


class OneService:
    """A cluster with that Service, or that error."""

    def __init__(self, kind: str = "", error: ClusterError | None = None, hangs: bool = False) -> None:
        self._kind, self._error, self._hangs = kind, error, hangs

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        if self._hangs:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        meta = {"name": name, "namespace": namespace}
        return {"metadata": meta, "spec": {"type": self._kind}} if self._kind else None


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (OneService("ClusterIP"), ""),
        (OneService(), ""),
        (OneService(error=Refused("may not read", 403)), ""),
        (OneService("ExternalName"), "ExternalName"),
        (OneService(error=Unavailable("away", 503)), "could not be read"),
        (OneService(hangs=True), "could not be read"),
    ],
)
async def test_an_external_name_is_refused(cluster: OneService, words: str) -> None:
    reason = await service_refusal(cast("Cluster", cluster), URL.format(port=9090))
    assert (words in reason) if words else not reason


# --- the addresses behind the name ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0",  # noqa: S104
     "::", "224.0.0.1", "100.100.100.200", "fd00:ec2::254"],
)  # fmt: skip
def test_addresses_that_are_never_asked(address: str) -> None:
    assert not permitted(ip_address(address))


@pytest.mark.parametrize("address", ["10.96.0.1", "192.168.7.7", "fd00:10:244::5", "100.64.0.9"])
def test_addresses_that_a_service_may_have(address: str) -> None:
    assert permitted(ip_address(address))


def says(canonical: str, *answers: str) -> LookUp:
    """A name server whose answers come one after the other, the last one again and again."""
    left = list(answers)

    async def look_up(host: str, port: int, family: int) -> Found:
        return canonical, [(AF_INET, left.pop(0) if len(left) > 1 else left[0])]

    return look_up


async def prometheus(_: web.Request) -> web.Response:
    return web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}})


async def asked(resolver: GuardedResolver, handler: Handler = prometheus) -> QueryAnswer:
    async with serving(handler) as port:
        given = {"url": URL.format(port=port), "queries": [{"name": "q", "query": "x", "max": 1}]}
        [answer] = await ask(Prometheus.model_validate(given), {}, seconds=PATIENCE, resolver=resolver)
    return answer


CANONICAL = "prometheus.monitoring.svc.cluster.local"


async def test_a_permitted_address_is_asked() -> None:
    resolver = GuardedResolver(says(CANONICAL, HERE), permits=lambda address: True)
    assert await asked(resolver) == QueryAnswer(name="q", value=1.0)


async def test_a_name_that_leads_to_this_machine_is_not_asked() -> None:
    answer = await asked(GuardedResolver(says(CANONICAL, HERE)))
    assert answer.error == f"not asked: prometheus.monitoring.svc leads to {HERE}"


async def test_a_name_for_another_name_is_not_asked() -> None:
    resolver = GuardedResolver(says("inside.example.com", HERE), permits=lambda address: True)
    assert "another name for inside.example.com" in (await asked(resolver)).error


async def test_the_address_that_was_checked_is_the_one_that_is_asked() -> None:
    """A name server that answers differently the second time is not asked a second time."""
    seen: list[str] = []

    def permits(address: Address) -> bool:
        seen.append(str(address))
        return str(address) == HERE

    answer = await asked(GuardedResolver(says(CANONICAL, HERE, "127.0.0.9"), permits))
    assert (answer.value, seen) == (1.0, [HERE])


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/query"
        raise web.HTTPFound("/secret")

    resolver = GuardedResolver(says(CANONICAL, HERE), permits=lambda address: True)
    assert (await asked(resolver, elsewhere)).error == "HTTP 302, and no JSON"


async def test_a_name_that_no_resolver_takes_is_an_answer_of_its_own() -> None:
    """It must not end the pass that protects users."""
    url = f"http://{'prometheus' * 7}.demo.svc:9090"
    assert refusal(url, "demo", ()) == ""
    prometheus = Prometheus.model_validate(
        {"url": url, "queries": [{"name": "one", "query": "up", "max": 1}]}
    )
    [answer] = await ask(prometheus, {"namespace": "demo"})
    assert answer.error.startswith("Prometheus cannot be asked")
