"""`spec.ingress` with TLS behind a real ingress controller: what a user at home meets, and does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dev.certificate import self_signed
from dev.gateway import install as gateway
from dev.kube import Kubectl
from dev.prober import Prober
from tests.cluster import budgets
from tests.cluster.conftest import own_namespace
from tests.cluster.scenario import NAME, Scenario, merged, small_spec
from tests.cluster.visitor import Edge, Visitor

pytestmark = pytest.mark.extended

HOST = "marauders-map.hogwarts.test"
SECRET = "marauders-map-tls"
LIMIT = 40
GOING_AWAY = 1001
EDGE = {
    # One: limits are each process's own where there is no Redis.
    "replicas": 1,
    # The old pods go as soon as traffic has moved: the edge must have learned it by then.
    "rollout": {"minReadySeconds": 2, "bakeSeconds": 0},
    "ingress": {"host": HOST, "className": gateway.CLASS, "tls": {"secretName": SECRET}},
    "networkPolicy": {"allowedNamespaces": [gateway.NAMESPACE]},
    "config": {"trustedProxies": 1, "rateLimits": {"anonymous": LIMIT}},
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tls.key and tls.crt, for the host."""
    folder = tmp_path_factory.mktemp("certificate")
    self_signed(folder / "tls.key", folder / "tls.crt", HOST, f"DNS:{HOST}", days=1)
    return folder


@pytest.fixture(scope="module")
def edge(kubectl: Kubectl, certificate: Path) -> Edge:
    """The ingress controller's door."""
    gateway.install(kubectl)
    service = kubectl.json("-n", gateway.NAMESPACE, "get", "service", gateway.INGRESS_SERVICE)
    return Edge(HOST, (certificate / "tls.crt").read_text(), service["spec"]["clusterIP"])


@pytest.fixture(scope="module")
def home(kubectl: Kubectl, good_image: str, certificate: Path) -> Iterator[Scenario]:
    """A small resource behind that edge; start each test with `home.is_ready()`."""
    with own_namespace(kubectl) as name:
        scenario = Scenario(kubectl, name, good_image)
        files = [f"--key={certificate / 'tls.key'}", f"--cert={certificate / 'tls.crt'}"]
        scenario.do("create", "secret", "tls", SECRET, *files)
        scenario.resource_exists(merged(small_spec(good_image), EDGE))
        yield scenario


@pytest.fixture(scope="module")
def visitors(home: Scenario, edge: Edge) -> tuple[Visitor, Visitor]:
    """Two users at two addresses, once the edge leads them to the service."""
    both = Visitor(home, "fred", edge), Visitor(home, "george", edge)
    for visitor in both:
        visitor.arrive()
    home.is_ready()
    home.until_true(
        lambda: (both[0].get(f"https://{HOST}/health/live") or [0])[0] == 200,
        "the edge has the certificate and the route",
        budgets.NOTICED,
    )
    return both


def test_users_come_by_tls_and_those_who_do_not_are_sent_there(
    home: Scenario, visitors: tuple[Visitor, Visitor]
) -> None:
    fred, _ = visitors
    # the certificate is the resource's: nothing else is trusted by this client
    answer = fred.get(f"https://{HOST}/health/ready")
    assert answer is not None
    assert answer[0] == 200
    plain = fred.get(f"http://{HOST}/api/incidents?limit=1")
    assert plain is not None
    assert plain[0] in (301, 302, 307, 308)
    assert plain[1]["location"] == f"https://{HOST}/api/incidents?limit=1"
    # and the resource says where it is reached
    assert home.status()["url"] == f"https://{HOST}"


def test_each_address_has_an_allowance_of_its_own_and_nobody_can_write_another(
    home: Scenario, visitors: tuple[Visitor, Visitor]
) -> None:
    home.is_ready()

    def left(visitor: Visitor, forwarded: str = "") -> int:
        answer = visitor.get(f"https://{HOST}/api/incidents", forwarded=forwarded)
        assert answer is not None
        assert answer[0] == 401
        return int(answer[1]["x-ratelimit-remaining"])

    fred, george = visitors
    before = left(fred)
    assert left(fred) == before - 1
    # given what one has used up, the other has everything
    assert left(george) == LIMIT - 1
    # when one writes another address, the edge does not pass it on
    assert left(fred, forwarded="192.0.2.7") == before - 2
    assert left(george) == LIMIT - 2


def test_a_rollout_is_not_noticed_through_the_edge_and_sockets_end_in_order(
    home: Scenario, visitors: tuple[Visitor, Visitor]
) -> None:
    # given
    home.is_ready()
    before = home.status()["stable"]["revision"]
    fred, _ = visitors
    prober = Prober(
        home.kubectl,
        home.namespace,
        NAME,
        home.good,
        target=f"https://{HOST}",
        certificate=fred.edge.certificate,
        address=fred.edge.address,
    )
    prober.start()
    try:
        with ThreadPoolExecutor(1) as pool:
            listening = pool.submit(fred.listen)
            home.until_true(lambda: _is_online(prober), "the socket is open", budgets.NOTICED)
            # when
            home.edit(config={"logLevel": "debug"})
            status = home.until_phase("Ready", budgets.PROMOTED)
            home.until_true(lambda: not home.pods(before), "no pod of the old revision", budgets.GONE)
            # then
            heard = listening.result(timeout=budgets.GONE)
        counts = prober.read()
    finally:
        prober.stop()
    assert status["stable"]["revision"] != before
    assert counts.failed == 0, counts.failures
    # the socket brought events before and after, and its end was announced
    assert [line.get("turn") for line in heard] == ["first", "second", None]
    assert heard[-1] == {"closed": GOING_AWAY}


def _is_online(prober: Prober) -> bool:
    """The prober reads who has a socket; only visitors have one."""
    status, body = prober.call("GET", "/api/presence/online")
    assert status == 200, body
    return bool(body["data"])
