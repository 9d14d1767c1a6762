"""The circuit: opens after failures in a row, lets one probe through, and believes the first success."""

import pytest

from maraudersmap_api.infra.breaker import (
    COOL_DOWN_SECONDS,
    FAILURES_TO_OPEN,
    LONGEST_COOL_DOWN_SECONDS,
    Breaker,
    Circuit,
)
from maraudersmap_api.infra.breaker import PROBE_SECONDS as PROBE
from maraudersmap_api.infra.metrics import Metrics


class Bench:
    def __init__(self) -> None:
        self.now = 50.0
        self.metrics = Metrics()
        self.breaker = Breaker("cache", self.metrics, clock=lambda: self.now)

    def fail(self, times: int) -> None:
        for _ in range(times):
            self.breaker.failure()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_success_in_between_keeps_it_closed(bench: Bench) -> None:
    bench.fail(FAILURES_TO_OPEN - 1)
    bench.breaker.success()
    bench.fail(FAILURES_TO_OPEN - 1)

    assert bench.breaker.state is Circuit.CLOSED
    assert bench.breaker.allow()


def test_failures_in_a_row_open_it_and_one_probe_may_go_after_the_cool_down(bench: Bench) -> None:
    bench.fail(FAILURES_TO_OPEN)
    assert (bench.breaker.state, bench.breaker.allow()) == (Circuit.OPEN, False)

    bench.now += COOL_DOWN_SECONDS
    assert [bench.breaker.allow() for _ in range(3)] == [True, False, False]
    assert bench.breaker.state is Circuit.HALF_OPEN

    bench.breaker.success()
    assert (bench.breaker.state, bench.breaker.allow()) == (Circuit.CLOSED, True)
    rendered = bench.metrics.render().decode()
    assert 'circuit_breaker_state{dependency="cache",state="closed"} 1.0' in rendered
    assert 'circuit_breaker_state{dependency="cache",state="open"} 0.0' in rendered
    assert 'circuit_breaker_transitions_total{dependency="cache",state="half_open"} 1.0' in rendered
    assert 'circuit_breaker_refused_total{dependency="cache"} 3.0' in rendered


def test_failing_probes_wait_longer_each_time_up_to_a_bound(bench: Bench) -> None:
    bench.fail(FAILURES_TO_OPEN)
    waits = []
    for _ in range(8):
        started = bench.now
        while not bench.breaker.allow():
            bench.now += 0.25
        waits.append(bench.now - started)
        bench.breaker.failure()

    assert waits[:4] == [COOL_DOWN_SECONDS, 1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_COOL_DOWN_SECONDS


def test_a_probe_that_never_reports_is_given_up(bench: Bench) -> None:
    bench.fail(FAILURES_TO_OPEN)
    bench.now += COOL_DOWN_SECONDS
    assert bench.breaker.allow()

    bench.now += PROBE - 0.1
    assert not bench.breaker.allow()
    bench.now += 0.1
    assert bench.breaker.allow()


def test_late_failures_of_calls_under_way_do_not_prolong_it(bench: Bench) -> None:
    bench.fail(FAILURES_TO_OPEN + 20)
    bench.now += COOL_DOWN_SECONDS

    assert bench.breaker.allow()
