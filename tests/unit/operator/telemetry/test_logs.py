"""What the real JSON log says when something breaks: where, not with what."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration
from tests.unit.operator.analysis.test_scrape import HERE, serving

from maraudersmap_operator.cluster import KubernetesCluster, Refused
from maraudersmap_operator.telemetry import configure_logs, logger

VALUE = "sw0rdfish-99"


@pytest.fixture(autouse=True)
def real_logs() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("debug")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    for line in text.splitlines():
        json.loads(line)
    return text


@pytest.mark.parametrize("log", [logging.getLogger("some.library"), None])
def test_a_traceback_shows_no_locals(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the operator's own nor a library's."""
    configure_logs("debug")  # to the stream that is captured
    password = VALUE.upper()
    try:
        raise RuntimeError(f"broken after {len(password)} characters")
    except RuntimeError:
        (log or logger()).exception("it broke")
    text = written(capsys)
    assert "broken after 12 characters" in text
    assert "test_a_traceback_shows_no_locals" in text
    assert VALUE.upper() not in text


async def refused(body: Any, status: int, path_kind: dict[str, Any]) -> Refused:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers={"X-Echo": VALUE})

    async with serving(answer) as port:
        api = ApiClient(Configuration(host=f"http://{HERE}:{port}"))
        try:
            with pytest.raises(Refused) as caught:
                await KubernetesCluster(api).create(path_kind)
        finally:
            await api.close()  # type: ignore[no-untyped-call]
    return caught.value


def manifest(kind: str, api: str = "v1") -> dict[str, Any]:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"namespace": "demo", "name": "x"},
        "data": {"k": VALUE},
    }


async def test_a_refused_write_shows_no_body_and_keeps_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("debug")
    body = {"kind": "Status", "message": "data: must be short", "details": {"sent": manifest("ConfigMap")}}
    error = await refused(body, 422, manifest("ConfigMap"))
    logger().error("not written", exc_info=error)
    text = written(capsys)
    assert "data: must be short" in text
    assert "422" in text
    assert "UnprocessibleEntityError" in text
    assert VALUE not in text


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (422, f'data[k]: Invalid value: "{VALUE}": too long', "Unprocessable Entity"),
        (403, f'admission webhook "w" denied the request: {VALUE} is weak', "Forbidden"),
        (403, 'secrets "x" is forbidden: exceeded quota: q, used: secrets=5', "exceeded quota: q"),
        (403, 'secrets is forbidden: User "u" cannot create resource "secrets"', "cannot create resource"),
    ],
)
async def test_what_refuses_a_secret_does_not_quote_it(status: int, message: str, said: str) -> None:
    error = await refused({"kind": "Status", "message": message}, status, manifest("Secret"))
    assert VALUE not in error.message
    assert said in error.message


@pytest.mark.parametrize(
    "lost",
    [
        "Request attempt #1/9 failed; will retry: GET /api -> ClientConnectionError('Connector is closed.')",
        "Request attempt #2/9 failed; TCP closed; will re-authenticate: GET /api",
    ],
)
def test_requests_that_kopf_loses_at_the_end_are_no_errors(
    capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    configure_logs("info")
    kopf = logging.getLogger("kopf._core.reactor.observation")
    kopf.error(lost)
    kopf.error("Request attempt #1/9 failed; will retry: GET /api -> ClientConnectionError('refused')")
    text = written(capsys)
    assert "refused" in text
    assert text.count("Request attempt") == 1
