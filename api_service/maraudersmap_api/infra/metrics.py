"""Prometheus metrics. One registry per application, so tests do not share counters."""

import os
from functools import lru_cache
from zlib import crc32

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""The library's variable: where several workers keep their values. Must be set before it is first imported."""

UNMATCHED = "unmatched"
"""The `path` of every request that no route knows: raw paths would be labels without end."""

CALLER_GROUPS = 16
"""Callers are counted by groups of them: a caller each would be labels without end."""

FOR_MACHINES = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Asked by the platform, not by users."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """All that `/metrics` shows. Durations are in seconds."""

    def __init__(self) -> None:
        # Else each one has a second series that is of no use.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        # Finding a series by its labels costs more than counting in it.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "http_requests_total",
            "Requests answered, by route template.",
            ("method", "path", "status"),
            registry=self.registry,
        )
        self.request_duration = Histogram(
            "http_request_duration_seconds",
            "Time from the request's head to its answer.",
            ("method", "path"),
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5),
            registry=self.registry,
        )
        by_callers = Counter(
            "http_requests_by_callers_total",
            "Requests of users answered, by groups of callers; failed: with a status of 500 or more.",
            ("group", "failed"),
            registry=self.registry,
        )
        # All of them from the start: what a group has not met is a zero, not unknown.
        self._by_callers = [
            (by_callers.labels(str(group), "false"), by_callers.labels(str(group), "true"))
            for group in range(CALLER_GROUPS)
        ]
        self.incidents_created = Counter(
            "incidents_created_total", "Incidents stored.", registry=self.registry
        )
        self.websockets = Gauge(
            "active_websocket_connections",
            "WebSockets open now.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.query_duration = Histogram(
            "database_query_duration_seconds",
            "Time a query took, without the wait for a connection.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.connection_wait = Histogram(
            "database_connection_wait_seconds",
            "Time a request waited for its turn at a database connection.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5),
            registry=self.registry,
        )
        self.dependency_up = Gauge(
            "dependency_up",
            "1 while the dependency is healthy, as the background check sees it.",
            ("dependency",),
            multiprocess_mode="livemin",
            registry=self.registry,
        )
        self.breaker_state = Gauge(
            "circuit_breaker_state",
            "1 for the state that the breaker is in: closed, open or half_open.",
            ("dependency", "state"),
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.breaker_turns = Counter(
            "circuit_breaker_transitions_total",
            "Turns of a breaker into a state.",
            ("dependency", "state"),
            registry=self.registry,
        )
        self.breaker_refused = Counter(
            "circuit_breaker_refused_total",
            "Calls that were not made because the circuit was open.",
            ("dependency",),
            registry=self.registry,
        )
        self.limits_counted_locally = Counter(
            "rate_limit_local_fallbacks_total",
            "Counts that should have been in Redis and were local, because it was away.",
            registry=self.registry,
        )
        self.slow_readers = Counter(
            "slow_readers_closed_total",
            "Connections closed because their client did not take what was sent.",
            registry=self.registry,
        )
        self.cache_reads = Counter(
            "read_cache_reads_total",
            "Cached reads by where the answer came from: local, shared, loaded, joined or stale.",
            ("source",),
            registry=self.registry,
        )
        self.unannounced = Counter(
            "read_cache_unannounced_total",
            "Changes that could not be announced to the other processes; they read of them in the database.",
            registry=self.registry,
        )
        self.outbox_lag = Gauge(
            "outbox_lag_seconds",
            "Age of what this process knows to be all committed events; its clients may lack newer ones.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.outbox_found = Counter(
            "outbox_found_total",
            "Events that were found in the database before, or instead of, being heard of from their process.",
            registry=self.registry,
        )
        self.upkeep_removed = Counter(
            "upkeep_removed_total", "Rows deleted because they were old.", ("what",), registry=self.registry
        )
        self.upkeep_finished = Gauge(
            "upkeep_last_finished_timestamp_seconds",
            "When upkeep last did all that was due.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        if MULTIPROCESS not in os.environ:
            ProcessCollector(registry=self.registry)
            GCCollector(registry=self.registry)

    def observe_request(self, method: str, path: str, status: int, seconds: float, caller: str) -> None:
        """Count one answered request; `path` is a route template or UNMATCHED, `caller` where it came from."""
        key = (method, path, status)
        series = self._series.get(key)
        if series is None:
            known = method if method in _METHODS else "OTHER"
            series = (
                self.requests.labels(known, path, str(status)),
                self.request_duration.labels(known, path),
            )
            if known != "OTHER":  # what clients make up must not fill the memory
                self._series[key] = series
        series[0].inc()
        if status != 101:  # a WebSocket: how long somebody stayed does not show how fast we are
            series[1].observe(seconds)
        if path not in FOR_MACHINES:
            self._by_callers[_group_of(caller)][status >= 500].inc()

    def render(self) -> bytes:
        """The text exposition format; of all workers together when there are several (see workers.py)."""
        if MULTIPROCESS in os.environ:
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]
            return generate_latest(together)
        return generate_latest(self.registry)


@lru_cache(maxsize=4096)
def _group_of(caller: str) -> int:
    """The same on every pod, or sums over pods would mix callers."""
    return crc32(caller.encode()) % CALLER_GROUPS
