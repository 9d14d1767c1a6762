"""Health: what turns a dependency, what readiness makes of it, and what counts against the process itself."""

import asyncio
import logging

import pytest

from maraudersmap_api.infra.health import (
    STALL_SECONDS,
    Health,
    HealthBoard,
    Monitor,
    Readiness,
    Verdict,
    readiness,
)
from maraudersmap_api.settings import Dependency

DATABASE, CACHE = Dependency.DATABASE, Dependency.CACHE
STRICT = frozenset({DATABASE, CACHE})
USUAL = frozenset({DATABASE})


def test_three_failures_in_a_row_turn_a_healthy_dependency() -> None:
    verdict = Verdict().after_success().after_failure().after_failure()
    assert verdict.health is Health.HEALTHY

    assert verdict.after_failure().health is Health.UNHEALTHY


def test_a_success_in_between_starts_the_count_anew() -> None:
    verdict = Verdict().after_success().after_failure().after_failure().after_success()

    assert verdict.after_failure().after_failure().health is Health.HEALTHY


def test_nothing_is_healthy_before_its_first_success_and_one_success_heals() -> None:
    assert Verdict().health is Health.UNHEALTHY
    assert Verdict().after_failure().after_success().health is Health.HEALTHY


@pytest.mark.parametrize(
    ("database", "cache", "required", "expected"),
    [
        (Health.HEALTHY, Health.HEALTHY, USUAL, Readiness.READY),
        (Health.HEALTHY, Health.DISABLED, USUAL, Readiness.READY),
        (Health.HEALTHY, Health.UNHEALTHY, USUAL, Readiness.DEGRADED),
        (Health.UNHEALTHY, Health.HEALTHY, USUAL, Readiness.NOT_READY),
        (Health.HEALTHY, Health.UNHEALTHY, STRICT, Readiness.NOT_READY),
        (Health.HEALTHY, Health.DISABLED, STRICT, Readiness.NOT_READY),
        (Health.UNHEALTHY, Health.HEALTHY, frozenset(), Readiness.DEGRADED),
    ],
)
def test_readiness_is_the_sum(
    database: Health, cache: Health, required: frozenset[Dependency], expected: Readiness
) -> None:
    assert readiness({DATABASE: database, CACHE: cache}, required, draining=False) is expected


def test_draining_is_never_ready() -> None:
    checks = {DATABASE: Health.HEALTHY, CACHE: Health.HEALTHY}

    assert readiness(checks, USUAL, draining=True) is Readiness.NOT_READY


async def test_a_monitor_reports_turns_only_and_survives_whatever_a_check_raises(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns: list[Health] = []
    outcomes: list[Exception | None] = [None, OSError("down"), RuntimeError("odd"), TimeoutError(), None]

    async def check() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    monitor = Monitor(DATABASE, check, lambda _, health: turns.append(health))
    with caplog.at_level(logging.INFO, "maraudersmap"):
        for _ in range(5):
            await monitor.round()

    assert turns == [Health.HEALTHY, Health.UNHEALTHY, Health.HEALTHY]
    assert [(line.levelname, line.message) for line in caplog.records if " is " in line.message] == [
        ("INFO", "The database is healthy"),
        ("WARNING", "The database is unhealthy"),
        ("INFO", "The database is healthy"),
    ]


async def test_dependencies_never_make_the_process_ill_but_a_lost_task_does() -> None:
    async def check() -> None:
        raise OSError("down")

    monitor = Monitor(DATABASE, check, lambda *_: None)
    board = HealthBoard((monitor,), USUAL)
    await monitor.round()
    assert board.critical_failure(monitor.last_round) is None
    assert board.critical_failure(monitor.last_round + STALL_SECONDS + 1) == "the database check is stuck"

    monitor.start()
    await asyncio.sleep(0)
    await monitor.stop()
    assert board.critical_failure(monitor.last_round) == "the database check has ended"


def test_a_dependency_without_a_monitor_is_disabled() -> None:
    assert HealthBoard((), frozenset()).checks() == {DATABASE: Health.DISABLED, CACHE: Health.DISABLED}
