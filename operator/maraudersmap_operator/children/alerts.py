"""The alerts: few, on what users or operators notice, each with a section in the incident playbook.

`{{ }}` in texts is Prometheus' own templating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from maraudersmap_operator.children.objectives import Objectives, Scope

WHO = "{{ $labels.namespace }}/{{ $labels.maraudersmap }}"
SHARE = "{{ $value | humanizePercentage }}"
LEADS = 'leader_election_master_status{name="maraudersmap-operator"}'


class Severity(StrEnum):
    CRITICAL = "critical"  # pages
    WARNING = "warning"  # makes a ticket


@dataclass(frozen=True, slots=True)
class Alert:
    """`lasts`: how long its expression must hold; empty: it fires at once. `section`: of the incident playbook."""

    name: str
    severity: Severity
    expr: str
    summary: str
    description: str
    section: str
    lasts: str = ""


def service_alerts(scope: Scope, objectives: Objectives) -> Iterator[Alert]:
    yield Alert(
        "MaraudersMapUnavailable",
        Severity.CRITICAL,
        f"{scope.of('maraudersmap_resource_ready_replicas')} == 0 "
        f"and {scope.of('maraudersmap_resource_desired_replicas')} > 0\n",
        f"No pod of {WHO} is ready",
        "No one answers requests of this service.",
        "unavailable",
        "2m",
    )
    failed, slow = f"{objectives.failed:g} %", f"{objectives.slow:g} %"
    yield Alert(
        "MaraudersMapErrorBudgetBurning",
        Severity.CRITICAL,
        _burning(scope, "requests_failed", objectives.failed, objectives.least),
        f"{WHO} fails too many requests",
        f"{SHARE} of the answers were 5xx: at this rate the month's error budget ({failed}) is gone within 5 days.",
        "error-budget",
        "2m",
    )
    yield Alert(
        "MaraudersMapErrorBudgetLeaking",
        Severity.WARNING,
        _leaking(scope, "requests_failed", objectives.failed, objectives.least),
        f"{WHO} fails more requests than it may",
        f"{SHARE} of three days' answers were 5xx; {failed} are allowed.",
        "error-budget",
        "1h",
    )
    yield Alert(
        "MaraudersMapLatencyBudgetBurning",
        Severity.CRITICAL,
        _burning(scope, "requests_slow", objectives.slow, objectives.least),
        f"{WHO} answers too slowly",
        f"{SHARE} of the answers took longer than 0.5 s: at this rate the month's budget ({slow}) is gone within 5 days.",
        "latency-budget",
        "2m",
    )
    yield Alert(
        "MaraudersMapLatencyBudgetLeaking",
        Severity.WARNING,
        _leaking(scope, "requests_slow", objectives.slow, objectives.least),
        f"{WHO} answers more slowly than it may",
        f"{SHARE} of three days' answers took longer than 0.5 s; {slow} are allowed.",
        "latency-budget",
        "1h",
    )
    opened = scope.of("circuit_breaker_state", 'state="open"')
    yield Alert(
        "MaraudersMapBreakerOpen",
        Severity.WARNING,
        f"max by (namespace, maraudersmap, dependency) (max_over_time({opened}[1m])) == 1\n",
        f"{WHO} does without its {{{{ $labels.dependency }}}}",
        "The circuit breaker of the {{ $labels.dependency }} keeps being open: what needs it is answered with 503, or from "
        "less.",
        "breaker-open",
        "2m",
    )
    waits = scope.of("database_connection_wait_seconds_bucket")
    yield Alert(
        "MaraudersMapDatabasePoolExhausted",
        Severity.WARNING,
        f"histogram_quantile(\n  0.95, sum by (namespace, maraudersmap, le) (rate({waits}[5m]))\n) > 0.5\n",
        f"Requests of {WHO} queue for a database connection",
        "One request in twenty waits longer than {{ $value | humanizeDuration }} for its turn at a connection.",
        "pool-exhausted",
        "5m",
    )
    yield Alert(
        "MaraudersMapRateLimitsDegraded",
        Severity.WARNING,
        f"sum by (namespace, maraudersmap) (rate({scope.of('rate_limit_local_fallbacks_total')}[5m])) > 0\n",
        f"Rate limits of {WHO} are counted per pod",
        "Redis does not count: each pod lets a client have the whole limit.",
        "limits-degraded",
        "5m",
    )
    yield Alert(
        "MaraudersMapOutboxLagging",
        Severity.WARNING,
        f"max by (namespace, maraudersmap) ({scope.of('outbox_lag_seconds')}) > 30\n",
        f"Live updates of {WHO} are late",
        "A pod's WebSocket clients are {{ $value | humanizeDuration }} behind what is stored.",
        "outbox-lag",
        "5m",
    )
    yield Alert(
        "MaraudersMapAutoscalerAtMaximum",
        Severity.WARNING,
        f"{scope.of('maraudersmap_resource_desired_replicas')} >= {scope.of('maraudersmap_resource_max_replicas')}\n",
        f"{WHO} cannot scale any further",
        "It has wanted {{ $value }} pods, its autoscaler's maximum, for a quarter of an hour.",
        "autoscaler-at-maximum",
        "15m",
    )


def _burning(scope: Scope, what: str, percent: float, least: int) -> str:
    """Fast: 14.4 times the allowed part in an hour, and still; or 6 times in six hours, and still."""
    fast = _over(scope, what, percent, least, 14.4, "1h", "5m")
    slow = _over(scope, what, percent, least, 6, "6h", "30m")
    return f"(\n{fast})\nor\n(\n{slow})\n"


def _leaking(scope: Scope, what: str, percent: float, least: int) -> str:
    """Slowly: more than the allowed part in three days, and still."""
    return _over(scope, what, percent, least, 1, "3d", "6h", indent="")


def _over(
    scope: Scope,
    what: str,
    percent: float,
    least: int,
    factor: float,
    window: str,
    still: str,
    indent: str = "  ",
) -> str:
    limit = f"{factor:g} * {percent / 100:g}" if factor != 1 else f"{percent / 100:g}"
    return (
        f"{indent}{scope.of(f'maraudersmap:{what}:ratio_rate{window}')} > {limit}\n"
        f"{indent}and {scope.of(f'maraudersmap:{what}:ratio_rate{still}')} > {limit}\n"
        f"{indent}and {scope.of(f'maraudersmap:{what}:increase{window}')} >= {least}\n"
    )


def rollout_alerts(scope: Scope) -> Iterator[Alert]:
    def phase(name: str) -> str:
        return scope.of("maraudersmap_resource_phase", f'phase="{name}"')

    yield Alert(
        "MaraudersMapRolledBack",
        Severity.WARNING,
        f"max by (namespace, maraudersmap) ({phase('RolledBack')}) == 1\n",
        f"A revision of {WHO} was taken back",
        "The revision that the spec asks for was rejected; the stable one serves. `kubectl marauders explain` has the "
        "evidence.",
        "rolled-back",
    )
    began = scope.of("maraudersmap_resource_rollout_started_timestamp_seconds")
    yield Alert(
        "MaraudersMapRolloutStuck",
        Severity.WARNING,
        f"""\
max by (namespace, maraudersmap) (
  {phase("Stalled")} == 1
  or time() - {began} > 2 * 3600
)
unless on (namespace, maraudersmap) {phase("Paused")} == 1
""",
        f"{WHO} gets no further",
        "It is Stalled, or its rollout has lasted two hours. Its status shows what it waits for.",
        "rollout-stuck",
        "5m",
    )


def operator_alerts() -> Iterator[Alert]:
    yield Alert(
        "MaraudersMapOperatorDeaf",
        Severity.CRITICAL,
        f"""\
{LEADS} == 1
and on (job, instance) (
  time() - maraudersmap_last_audit_timestamp_seconds > 900
  or maraudersmap_wrong_audits > 0
  or (
    time() - maraudersmap_last_pass_timestamp_seconds > 1200
    and on (job, instance) sum by (job, instance) (maraudersmap_info) > 0
  )
)
""",
        "The operator leads and does not see or do its work",
        "It could not hold its view against the cluster for 15 minutes, missed events, or has made no pass for 20 minutes: "
        "bad revisions may stay in traffic.",
        "operator-deaf",
        "5m",
    )
    yield Alert(
        "MaraudersMapOperatorRestarting",
        Severity.WARNING,
        'changes(process_start_time_seconds{job="maraudersmap-operator"}[30m]) >= 3\n',
        "The operator keeps restarting",
        "{{ $labels.instance }} has started {{ $value }} times in half an hour.",
        "operator-restarting",
    )
    yield Alert(
        "MaraudersMapOperatorLeaderless",
        Severity.CRITICAL,
        f"absent({LEADS} == 1)\n",
        "No operator leads",
        "What runs goes on running; no one rolls out, rolls back or repairs.",
        "operator-leaderless",
        "2m",
    )
