"""Asking a Prometheus. Whatever goes wrong there is an answer without a value that states why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from maraudersmap_operator.resource.analysis import Prometheus, PrometheusQuery
from maraudersmap_operator.resource.status_analysis import MAX_QUERY_ERROR, QueryAnswer

from .reach import Forbidden, GuardedResolver
from .scrape import bounded

SECONDS = 2.0
MAX_BYTES = 1_000_000


class _NoValue(Exception):
    """Why there is no number, in words for the user."""


async def ask(
    prometheus: Prometheus,
    words: Mapping[str, str],
    seconds: float = SECONDS,
    resolver: AbstractResolver | None = None,
) -> tuple[QueryAnswer, ...]:
    """An instant query each, all at once. `words`: what stands for {{namespace}}, {{name}}, {{candidate}}, {{stable}}.
    `resolver`: by default the one that keeps to permitted addresses."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    connector = aiohttp.TCPConnector(resolver=resolver or GuardedResolver(), use_dns_cache=False)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        url = f"{prometheus.url.rstrip('/')}/api/v1/query"
        answers = (_answer(session, url, query, words, seconds) for query in prometheus.queries)
        return tuple(await asyncio.gather(*answers))


async def _answer(
    session: aiohttp.ClientSession, url: str, query: PrometheusQuery, words: Mapping[str, str], seconds: float
) -> QueryAnswer:
    # By POST: a long query would not fit into every proxy's idea of a URL.
    form = {"query": _filled(query.query, words), "timeout": f"{seconds:g}s"}
    try:
        async with session.post(url, data=form, allow_redirects=False) as response:
            body = await bounded(response, MAX_BYTES)
            if body is None:
                raise _NoValue("the answer is too long")
            return QueryAnswer(name=query.name, value=_value(response.status, body))
    except _NoValue as problem:
        reason = str(problem)
    except TimeoutError:
        reason = f"no answer within {seconds:g} s"
    except aiohttp.ClientConnectorDNSError as error:
        forbidden = isinstance(error.os_error, Forbidden)
        reason = str(error.os_error) if forbidden else "Prometheus cannot be asked: its name does not resolve"
    # ValueError: a name that no resolver takes, with a part of more than 63 characters.
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Only its kind: the text of some of these repeats the request.
        reason = f"Prometheus cannot be asked: {type(error).__name__}"
    # JSON can smuggle in half a character, which could not be written to the status.
    text = reason.encode("utf-8", errors="replace").decode()
    return QueryAnswer(name=query.name, error=text[:MAX_QUERY_ERROR])


def _filled(query: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        query = query.replace("{{" + word + "}}", value)
    return query


def _value(status: int, body: bytes) -> float:
    """The one number of an answer (https://prometheus.io/docs/prometheus/latest/querying/api/). Raises _NoValue."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _NoValue(f"HTTP {status}, and no JSON") from error
    match answer:
        case {"status": "success", "data": {"resultType": "scalar", "result": [_, value]}}:
            return _number(value)
        case {"status": "success", "data": {"resultType": "vector", "result": [{"value": [_, value]}]}}:
            return _number(value)
        case {"status": "success", "data": {"resultType": "vector", "result": []}}:
            raise _NoValue("no data")
        case {"status": "success", "data": {"resultType": "vector", "result": [*series]}}:
            raise _NoValue(f"{len(series)} series instead of one: aggregate them, with sum() for example")
        case {"status": "success", "data": {"resultType": str(kind)}}:
            raise _NoValue(f"a {kind} instead of a number")
        case {"status": "error", "error": str(reason)}:
            raise _NoValue(reason)
        case _:
            raise _NoValue(f"HTTP {status}, and no answer of Prometheus'")


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _NoValue("no number") from error
    if not isfinite(number):  # a division by zero: there was no traffic
        raise _NoValue(f"gives {value}")
    return number
