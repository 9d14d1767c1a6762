"""For each alert, series under which it fires and series under which it does not, as `promtool test rules` takes them.

Series are in promtool's notation, one value each `step` from the epoch on: `0+60x10` grows by 60 ten times.
"""

from __future__ import annotations

from dataclasses import dataclass

WHO = 'namespace="hogwarts", maraudersmap="map"'
LEADER = 'job="maraudersmap-operator", instance="a:8080"'
DAYS = 3 * 24 * 6 + 12  # three and a bit, in steps of ten minutes
MINUTES = 10


@dataclass(frozen=True, slots=True)
class Case:
    """`series`: pairs of a series and its values. `after`: when it is judged. `step` and `after` are in minutes."""

    alert: str
    fires: bool
    what: str
    series: tuple[tuple[str, str], ...]
    after: int
    step: int = 1


def _answers(failed: str, good: str) -> tuple[tuple[str, str], ...]:
    return (
        (f'http_requests_total{{{WHO}, path="/api/incidents", status="500"}}', failed),
        (f'http_requests_total{{{WHO}, path="/api/incidents", status="200"}}', good),
    )


def _durations(fast: str, every: str) -> tuple[tuple[str, str], ...]:
    return (
        (f'http_request_duration_seconds_bucket{{{WHO}, path="/api/incidents", le="0.5"}}', fast),
        (f'http_request_duration_seconds_count{{{WHO}, path="/api/incidents"}}', every),
    )


def _of(name: str, labels: str = "") -> str:
    return f"{name}{{{WHO}{', ' + labels if labels else ''}}}"


def _operator(name: str, labels: str = "") -> str:
    return f"{name}{{{LEADER}{', ' + labels if labels else ''}}}"


def _waits(within_half_a_second: int) -> tuple[tuple[str, str], ...]:
    counts = (("0.5", within_half_a_second), ("1", 100), ("+Inf", 100))
    return tuple(
        (_of("database_connection_wait_seconds_bucket", f'le="{le}"'), f"0+{count}x30")
        for le, count in counts
    )


def _leader(
    audit: str, last_pass: str, wrong: str = "0x60", leads: str = "1x60", resources: str = "5x60"
) -> tuple[tuple[str, str], ...]:
    return (
        (_operator("leader_election_master_status", 'name="maraudersmap-operator"'), leads),
        (_operator("maraudersmap_last_audit_timestamp_seconds"), audit),
        (_operator("maraudersmap_last_pass_timestamp_seconds"), last_pass),
        (_operator("maraudersmap_wrong_audits"), wrong),
        (_operator("maraudersmap_info", 'phase="Ready"'), resources),
    )


NOW = "0+60x60"
STARTED = _of("maraudersmap_resource_rollout_started_timestamp_seconds")
CASES = (
    Case(
        "MaraudersMapUnavailable",
        True,
        "no ready pod",
        (
            (_of("maraudersmap_resource_ready_replicas"), "0x10"),
            (_of("maraudersmap_resource_desired_replicas"), "3x10"),
        ),
        5,
    ),
    Case(
        "MaraudersMapUnavailable",
        False,
        "one of three ready",
        (
            (_of("maraudersmap_resource_ready_replicas"), "1x10"),
            (_of("maraudersmap_resource_desired_replicas"), "3x10"),
        ),
        5,
    ),
    Case(
        "MaraudersMapUnavailable",
        False,
        "suspended",
        (
            (_of("maraudersmap_resource_ready_replicas"), "0x10"),
            (_of("maraudersmap_resource_desired_replicas"), "0x10"),
        ),
        5,
    ),
    Case(
        "MaraudersMapErrorBudgetBurning",
        True,
        "one answer in ten fails",
        _answers("0+10x120", "0+90x120"),
        90,
    ),
    Case(
        "MaraudersMapErrorBudgetBurning",
        True,
        "one in a hundred, for seven hours",
        _answers("0+1x500", "0+99x500"),
        420,
    ),
    Case(
        "MaraudersMapErrorBudgetBurning", False, "one in two thousand", _answers("0+1x500", "0+1999x500"), 420
    ),
    Case(
        "MaraudersMapErrorBudgetBurning",
        False,
        "over for forty minutes",
        _answers("0+10x60 600x40", "0+90x100"),
        100,
    ),
    Case(
        "MaraudersMapErrorBudgetBurning",
        False,
        "only probes fail",
        ((f'http_requests_total{{{WHO}, path="/health/ready", status="503"}}', "0+10x120"),),
        90,
    ),
    Case(
        "MaraudersMapErrorBudgetBurning",
        False,
        "one request fails in an idle night",
        _answers("0x30 1x60", "0+1x90"),
        34,
    ),
    Case(
        "MaraudersMapErrorBudgetBurning",
        True,
        "every request of an idle night fails",
        _answers("0+1x90", "0x90"),
        30,
    ),
    Case(
        "MaraudersMapErrorBudgetLeaking",
        False,
        "nine in three idle days",
        _answers(" ".join(f"{failed}x47" for failed in range(10)), f"0+5x{DAYS}"),
        DAYS * MINUTES - 30,
        MINUTES,
    ),
    Case(
        "MaraudersMapErrorBudgetLeaking",
        True,
        "two in a thousand, for three days",
        _answers(f"0+2x{DAYS}", f"0+998x{DAYS}"),
        DAYS * MINUTES - 30,
        MINUTES,
    ),
    Case(
        "MaraudersMapErrorBudgetLeaking",
        False,
        "one in two thousand, for three days",
        _answers(f"0+1x{DAYS}", f"0+1999x{DAYS}"),
        DAYS * MINUTES - 30,
        MINUTES,
    ),
    Case(
        "MaraudersMapLatencyBudgetBurning",
        True,
        "four in five are slow",
        _durations("0+20x120", "0+100x120"),
        90,
    ),
    Case(
        "MaraudersMapLatencyBudgetBurning",
        False,
        "one in five is slow",
        _durations("0+80x500", "0+100x500"),
        420,
    ),
    Case(
        "MaraudersMapLatencyBudgetBurning",
        False,
        "the first requests of an idle night are slow",
        _durations("0x60", "0+1x8 8x52"),
        10,
    ),
    Case(
        "MaraudersMapLatencyBudgetBurning",
        True,
        "every request of an idle night is slow",
        _durations("0x90", "0+1x90"),
        30,
    ),
    Case(
        "MaraudersMapLatencyBudgetLeaking",
        True,
        "one in ten, for three days",
        _durations(f"0+90x{DAYS}", f"0+100x{DAYS}"),
        DAYS * MINUTES - 30,
        MINUTES,
    ),
    Case(
        "MaraudersMapLatencyBudgetLeaking",
        False,
        "one in fifty, for three days",
        _durations(f"0+98x{DAYS}", f"0+100x{DAYS}"),
        DAYS * MINUTES - 30,
        MINUTES,
    ),
    Case(
        "MaraudersMapBreakerOpen",
        True,
        "stays open",
        ((_of("circuit_breaker_state", 'dependency="cache", state="open"'), "1x10"),),
        5,
    ),
    Case(
        "MaraudersMapBreakerOpen",
        False,
        "was open for a moment",
        ((_of("circuit_breaker_state", 'dependency="cache", state="open"'), "0 1 0 0 0 0 0 0"),),
        5,
    ),
    Case(
        "MaraudersMapDatabasePoolExhausted",
        True,
        "one in five waits longer than half a second",
        _waits(80),
        15,
    ),
    Case("MaraudersMapDatabasePoolExhausted", False, "one in a hundred does", _waits(99), 15),
    Case(
        "MaraudersMapRateLimitsDegraded",
        True,
        "each request is counted locally",
        ((_of("rate_limit_local_fallbacks_total"), "0+5x30"),),
        15,
    ),
    Case(
        "MaraudersMapRateLimitsDegraded",
        False,
        "some were, long ago",
        ((_of("rate_limit_local_fallbacks_total"), "5x30"),),
        15,
    ),
    Case(
        "MaraudersMapOutboxLagging",
        True,
        "a minute behind",
        ((_of("outbox_lag_seconds", 'pod="a"'), "60x15"),),
        10,
    ),
    Case(
        "MaraudersMapOutboxLagging",
        False,
        "a second behind",
        ((_of("outbox_lag_seconds", 'pod="a"'), "1x15"),),
        10,
    ),
    Case(
        "MaraudersMapAutoscalerAtMaximum",
        True,
        "ten of ten",
        (
            (_of("maraudersmap_resource_desired_replicas"), "10x30"),
            (_of("maraudersmap_resource_max_replicas"), "10x30"),
        ),
        20,
    ),
    Case(
        "MaraudersMapAutoscalerAtMaximum",
        False,
        "nine of ten",
        (
            (_of("maraudersmap_resource_desired_replicas"), "9x30"),
            (_of("maraudersmap_resource_max_replicas"), "10x30"),
        ),
        20,
    ),
    Case(
        "MaraudersMapRolledBack",
        True,
        "rolled back",
        ((_of("maraudersmap_resource_phase", 'phase="RolledBack"'), "1x5"),),
        2,
    ),
    Case(
        "MaraudersMapRolledBack",
        False,
        "rolling out",
        ((_of("maraudersmap_resource_phase", 'phase="RollingOut"'), "1x5"),),
        2,
    ),
    Case("MaraudersMapRolloutStuck", True, "begun three hours ago", ((STARTED, "0x200"),), 180),
    Case(
        "MaraudersMapRolloutStuck",
        True,
        "stalled",
        ((_of("maraudersmap_resource_phase", 'phase="Stalled"'), "1x10"),),
        8,
    ),
    Case("MaraudersMapRolloutStuck", False, "begun an hour ago", ((STARTED, "0x200"),), 60),
    Case(
        "MaraudersMapRolloutStuck",
        False,
        "someone has paused it",
        ((STARTED, "0x200"), (_of("maraudersmap_resource_phase", 'phase="Paused"'), "1x200")),
        180,
    ),
    Case("MaraudersMapOperatorDeaf", True, "no audit for an hour", _leader("0x60", NOW), 55),
    Case(
        "MaraudersMapOperatorDeaf",
        True,
        "an audit found what no watch reported",
        _leader(NOW, NOW, wrong="1x60"),
        55,
    ),
    Case("MaraudersMapOperatorDeaf", True, "no pass for an hour", _leader(NOW, "0x60"), 55),
    Case("MaraudersMapOperatorDeaf", False, "looks and works", _leader(NOW, NOW), 55),
    Case(
        "MaraudersMapOperatorDeaf",
        False,
        "has nothing to look after",
        _leader(NOW, "0x60", resources="0x60"),
        55,
    ),
    Case("MaraudersMapOperatorDeaf", False, "stands by", _leader("0x60", "0x60", leads="0x60"), 55),
    Case(
        "MaraudersMapOperatorRestarting",
        True,
        "three starts",
        ((_operator("process_start_time_seconds"), "0 0 100 100 200 200 300 300 300"),),
        8,
    ),
    Case(
        "MaraudersMapOperatorRestarting",
        False,
        "one start",
        ((_operator("process_start_time_seconds"), "0 0 0 0 200 200 200 200 200"),),
        8,
    ),
    Case(
        "MaraudersMapOperatorLeaderless",
        True,
        "both stand by",
        ((_operator("leader_election_master_status", 'name="maraudersmap-operator"'), "0x10"),),
        5,
    ),
    Case("MaraudersMapOperatorLeaderless", True, "nobody is there", (('up{job="other"}', "1x10"),), 5),
    Case(
        "MaraudersMapOperatorLeaderless",
        False,
        "one leads",
        ((_operator("leader_election_master_status", 'name="maraudersmap-operator"'), "1x10"),),
        5,
    ),
)
