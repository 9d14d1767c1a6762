"""Looks at real servers: three addresses of loopback stand for pods."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from dev.free_port import free_port
from tests.unit.operator.analysis.given import NOW, SECOND, analysis
from tests.unit.operator.analysis.test_exposition import App
from tests.unit.operator.analysis.test_scrape import Handler, serving

from maraudersmap_operator.analysis import Failed, begin, evaluate, recount
from maraudersmap_operator.cluster.scrape import Target
from maraudersmap_operator.reconcile.reading.comparison import MAX_PODS, Analyst, Sides
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_analysis import Comparison

POLICY = analysis()
STABLE, OLD, NEW, NEWER = (f"127.0.0.{i}" for i in range(2, 6))


@dataclass
class Pods:
    """One application per address, all at one port."""

    port: int
    apps: dict[str, App] = field(default_factory=lambda: {ip: App() for ip in (STABLE, OLD, NEW, NEWER)})
    away: set[str] = field(default_factory=set)

    def answer(self, ip: str, times: int, status: int = 200) -> None:
        self.apps[ip].answer("/api/incidents", status, times=times)

    def sides(
        self,
        control: tuple[str, ...] = (STABLE,),
        trial: tuple[str, ...] = (NEW,),
        witnesses: tuple[str, ...] = (),
    ) -> Sides:
        control_, trial_, witnesses_ = (
            tuple(Target(ip, ip) for ip in ips) for ips in (control, trial, witnesses)
        )
        return Sides(control_, trial_, witnesses=witnesses_)


@pytest.fixture
async def pods() -> AsyncIterator[Pods]:
    made = Pods(free_port())

    def pod(ip: str) -> Handler:
        async def metrics(_: web.Request) -> web.Response:
            return web.Response(status=503 if ip in made.away else 200, text=made.apps[ip].text)

        return metrics

    async with AsyncExitStack() as stack:
        for ip in made.apps:
            await stack.enter_async_context(serving(pod(ip), ip, made.port))
        yield made


async def look(analyst: Analyst, before: Comparison, sides: Sides) -> Comparison:
    now = (before.looked_at or NOW) + 5 * SECOND
    return await analyst.look("demo/map", before, sides, POLICY, now)


def requests(comparison: Comparison) -> tuple[int, int]:
    return comparison.control.requests, comparison.trial.requests


async def test_stable_counts_from_the_first_look_and_the_candidate_from_its_start(pods: Pods) -> None:
    analyst = Analyst(pods.port)
    pods.answer(STABLE, 1000)
    pods.answer(NEW, 7)
    first = await look(analyst, begin(NOW), pods.sides())
    assert requests(first) == (0, 7)
    pods.answer(STABLE, 5)
    pods.answer(NEW, 3)
    assert requests(await look(analyst, first, pods.sides())) == (5, 10)


async def test_a_pod_that_joins_later_counts_by_its_side(pods: Pods) -> None:
    analyst = Analyst(pods.port)
    first = await look(analyst, begin(NOW), pods.sides())
    pods.answer(OLD, 50)
    pods.answer(NEWER, 4)
    both = pods.sides((STABLE, OLD), (NEW, NEWER))
    second = await look(analyst, first, both)
    assert requests(second) == (0, 4)
    pods.answer(OLD, 2)
    assert requests(await look(analyst, second, both)) == (2, 4)


async def test_an_operator_that_starts_anew_counts_nothing_twice(pods: Pods) -> None:
    pods.answer(NEW, 7)
    before = await look(Analyst(pods.port), begin(NOW), pods.sides())
    another = Analyst(pods.port)
    pods.answer(NEW, 5)
    pods.answer(STABLE, 5)
    first = await look(another, before, pods.sides())
    assert requests(first) == (0, 7)  # what happened in between is lost, and nothing worse
    pods.answer(NEW, 1)
    pods.answer(NEWER, 2)
    assert requests(await look(another, first, pods.sides(trial=(NEW, NEWER)))) == (0, 10)


async def test_a_pod_that_was_away_is_caught_up_with(pods: Pods) -> None:
    """Unready for a while, or too busy to answer: its requests are counted once, later."""
    analyst = Analyst(pods.port)
    pods.answer(NEW, 7)
    comparison = await look(analyst, begin(NOW), pods.sides())
    pods.answer(NEW, 3)
    pods.away = {NEW}
    comparison = await look(analyst, comparison, pods.sides())
    assert requests(comparison) == (0, 7)
    pods.away = set()
    comparison = await look(analyst, comparison, pods.sides(trial=()))
    assert requests(comparison) == (0, 7)
    assert requests(await look(analyst, comparison, pods.sides())) == (0, 10)


async def test_a_restarted_pod_counts_from_zero(pods: Pods) -> None:
    analyst = Analyst(pods.port)
    pods.answer(NEW, 7)
    first = await look(analyst, begin(NOW), pods.sides())
    pods.apps[NEW] = App()
    pods.answer(NEW, 2)
    assert requests(await look(analyst, first, pods.sides())) == (0, 9)


async def test_after_being_forgotten_a_new_candidate_starts_at_its_own_zero(pods: Pods) -> None:
    analyst = Analyst(pods.port)
    pods.answer(NEW, 7)
    await look(analyst, begin(NOW), pods.sides())
    analyst.forget("demo/map")
    pods.answer(NEWER, 2)
    assert requests(await look(analyst, begin(NOW), pods.sides(trial=(NEWER,)))) == (0, 2)


async def test_a_step_counts_only_what_comes_after_it(pods: Pods) -> None:
    analyst = Analyst(pods.port)
    pods.answer(NEW, 7)
    first = await look(analyst, begin(NOW), pods.sides())
    pods.answer(NEW, 2)
    pods.answer(STABLE, 4)
    assert requests(await look(analyst, recount(first, NOW), pods.sides())) == (4, 2)


async def test_of_many_pods_the_same_few_are_asked(pods: Pods) -> None:
    analyst = Analyst(pods.port)
    crowd = tuple(Target(f"{i:02}", STABLE) for i in range(50))
    first = await analyst.look("k", begin(NOW), Sides(crowd[20:], ()), POLICY, NOW)
    pods.answer(STABLE, 1)
    # Others that stand first by name do not displace those that are known.
    after = await analyst.look("k", first, Sides(crowd, ()), POLICY, NOW + 5 * SECOND)
    assert after.control.requests == MAX_PODS


async def test_a_bad_candidate_is_found_by_looking(pods: Pods) -> None:
    """From servers to the verdict, as the operator does it."""
    analyst, comparison = Analyst(pods.port), begin(NOW)
    for _ in range(6):
        pods.answer(STABLE, 30)
        pods.answer(NEW, 16)
        pods.answer(NEW, 4, status=500)
        comparison = await look(analyst, comparison, pods.sides())
    verdict = evaluate(comparison, POLICY)
    assert isinstance(verdict, Failed)
    assert verdict.message == "20.0 % of the candidate's 120 answers are errors, 0.0 % of stable's 150"


async def test_what_stable_cannot_reach_either_is_not_the_candidates_fault(pods: Pods) -> None:
    """BlueGreen: all traffic on the candidate, and the database goes away for everybody."""
    analyst, comparison = Analyst(pods.port), begin(NOW)
    for _ in range(4):
        comparison = await look(analyst, comparison, pods.sides(trial=()))
        pods.answer(STABLE, 30)
    after_switch = pods.sides(control=(), witnesses=(STABLE, OLD))
    for number in range(12):
        down = 2 <= number < 8
        for ip in (STABLE, OLD):  # two looks late: a pod takes a while to be sure
            pods.apps[ip].up.labels("database").set(0 if 4 <= number < 8 else 1)
        pods.answer(NEW, 30, status=503 if down else 200)
        comparison = await look(analyst, comparison, after_switch)
        assert not isinstance(evaluate(comparison, POLICY), Failed), number
        assert comparison.disturbed == ("database" if 4 <= number < 8 else "")
    # Two looks of the outage were counted, four were not.
    assert requests(comparison) == (90, 8 * 30)


async def test_one_witness_alone_excuses_nothing(pods: Pods) -> None:
    pods.apps[OLD].up.labels("database").set(0)
    comparison = await look(Analyst(pods.port), begin(NOW), pods.sides((), (NEW,), (STABLE, OLD)))
    assert comparison.disturbed == ""
    pods.away = {STABLE}
    comparison = await look(Analyst(pods.port), begin(NOW), pods.sides((), (NEW,), (STABLE, OLD)))
    assert comparison.disturbed == "database"


async def test_queries_are_asked_in_the_same_look(pods: Pods) -> None:
    async def prometheus(request: web.Request) -> web.Response:
        value = "9" if "bcdfgh24" in str((await request.post())["query"]) else "0"
        return web.json_response(
            {"status": "success", "data": {"resultType": "scalar", "result": [1, value]}}
        )

    async with serving(prometheus) as port:
        query = {"name": "queue", "query": 'queue{revision="{{candidate}}"}', "max": 1}
        policy = analysis(prometheus={"url": f"http://127.0.0.1:{port}", "queries": [query]})
        comparison, analyst = begin(NOW), Analyst(pods.port)
        for number in range(3):
            sides = Sides((), (), {"candidate": "bcdfgh24"})
            comparison = await analyst.look("k", comparison, sides, policy, NOW + number * SECOND)
    assert evaluate(comparison, policy) == Failed(
        Reason.QUERY, "query queue gives 9, at most 1 is allowed; for 3 looks in a row"
    )
