"""One request, and what came of it: an answer as expected, or a sentence about what was wrong with it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

ANSWER_SECONDS = 5.0
"""Above what the service itself takes to refuse what it cannot answer in time (infra/db.py)."""
MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Step:
    """A request with the answer it must have. `check` looks at the parsed body and returns what is wrong, or None."""

    name: str
    path: str
    method: str = "GET"
    expects: int = 200
    signed_in: bool = True
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Any], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a step. `status` None: no answer. `problem` None: all as it must be. `seconds` is its duration."""

    name: str
    status: int | None
    seconds: float
    problem: str | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Was it not as it must be?"""
        return self.problem is not None

    @property
    def allowance(self) -> int | None:
        """How many more requests the account may make, as far as the answer has it."""
        left = self.headers.get("X-RateLimit-Remaining", "")
        return int(left) if left.isascii() and left.isdigit() else None


class Side:
    """One of the two revisions, as seen from here."""

    def __init__(self, name: str, url: str, http: aiohttp.ClientSession) -> None:
        """`name` is for people: "candidate" or "baseline"."""
        self.name = name
        self.url = url.rstrip("/")
        self.http = http
        self.token: str | None = None
        self.seen: list[Seen] = []
        """Everything asked of it so far."""

    async def ask(self, step: Step) -> Seen:
        """Make one request. Never raises for what the other side does; takes ANSWER_SECONDS at most."""
        headers = dict(step.headers)
        if step.signed_in and self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        started = time.perf_counter()
        status: int | None = None
        given: Mapping[str, str] = {}
        body: Any = None
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self.http.request(
                    step.method, self.url + step.path, json=step.json, headers=headers, allow_redirects=False
                ) as answer,
            ):
                raw = await answer.content.read(MOST_BYTES)
                while not answer.content.at_eof() and len(raw) < MOST_BYTES:
                    raw += await answer.content.read(MOST_BYTES)
                status, given = answer.status, answer.headers
            problem, body = _judged(step, status, raw)
        except TimeoutError:
            problem = f"no answer within {ANSWER_SECONDS:g} s"
        except (aiohttp.ClientError, OSError) as error:
            problem = f"no answer: {type(error).__name__}"
        seconds = time.perf_counter() - started
        seen = Seen(step.name, status, seconds, problem, body, given)
        self.seen.append(seen)
        return seen


def _judged(step: Step, status: int, raw: bytes) -> tuple[str | None, Any]:
    if status != step.expects:
        return f"answered {status} instead of {step.expects}", None
    if not raw:
        return None, None
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return "answered with something that is not JSON", None
    try:
        return (step.check(body) if step.check else None), body
    except (AttributeError, KeyError, TypeError, IndexError, ValueError):
        return "answered with JSON of another shape", None
