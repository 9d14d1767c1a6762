"""One client alone cannot have a revision rejected: two API processes, and the operator's own judgement."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from dev.free_port import free_port
from tests.component.api.test_process import wait_ready
from tests.component.conftest import PATIENCE_SECONDS, environment, program, until

from maraudersmap_operator.analysis import Failed, Passed, begin, evaluate
from maraudersmap_operator.cluster.scrape import Target
from maraudersmap_operator.reconcile.reading.comparison import Analyst, Sides
from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_analysis import Comparison

STABLE, CANDIDATE = "127.0.0.2", "127.0.0.3"
POLICY = Analysis()
SIDES = Sides((Target("stable", STABLE),), (Target("candidate", CANDIDATE),))
LOOKS = 3
"""The fewest that condemn."""

FINE = ("GET", "/api/openapi.json")
DEFECT = ("POST", "/api/auth/refresh")
"""401 from stable; 503 from the candidate, which has a wrong address of its database."""
TOKEN = {"refreshToken": "x" * 86}
EVERYBODY = [f"203.0.113.{number}" for number in range(20)]
SOMEBODY = "198.51.100.7"


@dataclass
class Rollout:
    """Both revisions at one port, as behind a proxy that states who is calling, and what the operator has seen of them."""

    port: int
    http: aiohttp.ClientSession
    analyst: Analyst
    comparison: Comparison = field(default_factory=lambda: begin(datetime(2026, 11, 28, tzinfo=UTC)))
    asked: Counter[str] = field(default_factory=Counter)

    async def ask(self, pod: str, what: tuple[str, str], caller: str, times: int = 1) -> set[int]:
        """One request after the other; the statuses."""
        (method, path), statuses = what, set()
        for _ in range(times):
            url, whose = f"http://{pod}:{self.port}{path}", {"X-Forwarded-For": caller}
            async with self.http.request(method, url, headers=whose, json=TOKEN) as reply:
                statuses.add(reply.status)
            self.asked[pod] += 1
        return statuses

    async def look(self) -> None:
        """The next one is due, five seconds after the last by the operator's clock.

        A pod has a second to answer, and on a busy machine takes longer: then the same look is taken once more.
        """
        due = self.comparison.looked_at or self.comparison.window_started_at
        due += timedelta(seconds=POLICY.interval_seconds)

        async def seen() -> bool:
            self.comparison = await self.analyst.look("map", self.comparison, SIDES, POLICY, due)
            found = self.comparison.control.requests, self.comparison.trial.requests
            return found == (self.asked[STABLE], self.asked[CANDIDATE])

        await until(seen)


@pytest.fixture
async def rollout(database: str) -> AsyncIterator[Rollout]:
    port, nowhere = free_port(), f"postgresql://u:p@127.0.0.1:{free_port()}/map"
    async with AsyncExitStack() as stack:
        patience = aiohttp.ClientTimeout(PATIENCE_SECONDS)
        for host, url in ((STABLE, database), (CANDIDATE, nowhere)):
            variables = environment(url, HOST=host, PORT=str(port), TRUSTED_PROXIES="1", LOG_LEVEL="error")
            await stack.enter_async_context(program("serve", variables))
            async with aiohttp.ClientSession(f"http://{host}:{port}") as probe:
                await wait_ready(probe, 200 if url == database else 503)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=patience))
        made = Rollout(port, http, Analyst(port))

        # Stable counts from when it is first seen: the one request before that look is its history.
        async def counts() -> bool:
            await made.ask(STABLE, FINE, EVERYBODY[0])
            comparison = made.comparison
            made.comparison = await made.analyst.look(
                "map", comparison, SIDES, POLICY, comparison.window_started_at
            )
            return bool(made.comparison.control.requests)

        await until(counts)
        made.asked[STABLE] = made.comparison.control.requests
        yield made


async def everybody_is_served(rollout: Rollout) -> None:
    """Three requests of each of twenty callers to each side, and no error."""
    asked = [rollout.ask(pod, FINE, caller, 3) for pod in (STABLE, CANDIDATE) for caller in EVERYBODY]
    assert set.union(*await asyncio.gather(*asked)) == {200}


async def test_one_client_that_has_found_a_defect_does_not_condemn_a_revision(rollout: Rollout) -> None:
    for _ in range(LOOKS):
        await everybody_is_served(rollout)
        assert await rollout.ask(CANDIDATE, DEFECT, SOMEBODY, 33) == {503}
        await rollout.look()
    verdict = evaluate(rollout.comparison, POLICY)
    assert rollout.comparison.trial.errors == 99
    assert isinstance(verdict, Passed), verdict
    assert "one caller" in verdict.message

    # The very numbers are enough where it is not known who they are of.
    nameless = {"requests_by_callers": (), "errors_by_callers": ()}
    trial = rollout.comparison.trial.model_copy(update=nameless)
    assert isinstance(evaluate(rollout.comparison.model_copy(update={"trial": trial}), POLICY), Failed)


async def test_ten_clients_with_a_few_errors_each_do(rollout: Rollout) -> None:
    for _ in range(LOOKS):
        await everybody_is_served(rollout)
        for caller in EVERYBODY[:10]:
            assert await rollout.ask(CANDIDATE, DEFECT, caller, 3) == {503}
        await rollout.look()
    verdict = evaluate(rollout.comparison, POLICY)
    assert isinstance(verdict, Failed), verdict
    assert verdict.reason is Reason.ERROR_RATE


async def test_who_is_the_only_client_speaks_for_all_there_are(rollout: Rollout) -> None:
    for _ in range(LOOKS):
        assert await rollout.ask(STABLE, DEFECT, SOMEBODY, 20) == {401}
        assert await rollout.ask(CANDIDATE, DEFECT, SOMEBODY, 20) == {503}
        await rollout.look()
    assert isinstance(evaluate(rollout.comparison, POLICY), Failed)
