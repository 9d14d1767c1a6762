"""From a pod's text to counts: what counts, what does not, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from maraudersmap_operator.cluster.exposition import MAX_LINES, Unreadable, read_metrics
from maraudersmap_operator.resource.status_analysis import MAX_BUCKETS, Bucket, Tally


def read_tally(text: str) -> Tally:
    return read_metrics(text).tally


class App:
    """An application's metrics, made by the library that the API uses."""

    def __init__(self, buckets: tuple[float, ...] = (0.1, 1.0)) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "path")
        self.up = Gauge("dependency_up", "x", ("dependency",), registry=self.registry)
        self.requests = Counter("http_requests_total", "x", (*labels, "status"), registry=self.registry)
        self.durations = Histogram(
            "http_request_duration_seconds", "x", labels, buckets=buckets, registry=self.registry
        )

        self.callers = Counter(
            "http_requests_by_callers_total", "x", ("group", "failed"), registry=self.registry
        )

    def answer(self, path: str, status: int = 200, seconds: float = 0.0625, times: int = 1) -> None:
        for _ in range(times):
            self.requests.labels("GET", path, str(status)).inc()
            self.durations.labels("GET", path).observe(seconds)

    @property
    def text(self) -> str:
        return generate_latest(self.registry).decode()


def test_requests_of_all_routes_add_up() -> None:
    app = App()
    app.answer("/api/incidents", times=3)
    app.answer("/api/incidents/{id}", 404, seconds=0.5)
    app.answer("/api/incidents/{id}", 500, seconds=2)
    app.answer("unmatched", 503)
    assert read_tally(app.text) == Tally(
        requests=6,
        errors=2,
        timed=6,
        seconds=2.75,
        buckets=(Bucket(le=0.1, count=4), Bucket(le=1.0, count=5)),
    )


def test_requests_are_counted_by_groups_of_callers() -> None:
    app = App()
    app.callers.labels("0", "false").inc(5)
    app.callers.labels("0", "true").inc(2)
    app.callers.labels("15", "false").inc(1)
    tally = read_tally(app.text)
    assert tally.requests_by_callers == (7, *(0,) * 14, 1)
    assert tally.errors_by_callers == (2, *(0,) * 15)
    assert (tally.requests, tally.timed) == (0, 0)


@pytest.mark.parametrize("group", ["16", "-1", "", "x"])
def test_other_groups_of_callers_are_as_good_as_none(group: str) -> None:
    app = App()
    app.callers.labels("0", "false").inc(5)
    app.callers.labels(group, "false").inc()
    assert read_tally(app.text) == Tally()


def test_what_machines_ask_does_not_count() -> None:
    """A pod out of traffic answers nothing but these."""
    app = App()
    for path in ("/health", "/health/live", "/health/ready", "/metrics"):
        app.answer(path, 503, times=9)
    app.answer("/healthy-recipes")
    assert read_tally(app.text).requests == 1
    assert read_tally(app.text).timed == 1


def test_an_open_websocket_is_not_slow() -> None:
    app = App()
    app.answer("/ws", 101, seconds=3600)
    app.answer("/ws", 403)
    app.answer("/api/incidents")
    tally = read_tally(app.text)
    assert (tally.requests, tally.timed, tally.seconds) == (3, 1, 0.0625)


def test_an_application_without_these_metrics_has_answered_nothing() -> None:
    assert read_tally("") == Tally()
    assert read_tally("# HELP up x\n# TYPE up gauge\nup 1\n") == Tally()
    assert read_tally(App().text) == Tally()


def test_a_pod_says_what_it_cannot_reach() -> None:
    app = App()
    assert read_metrics(app.text).lacks == frozenset()
    app.up.labels("database").set(0)
    app.up.labels("cache").set(1)
    app.answer("/api/incidents", 503)
    reading = read_metrics(app.text)
    assert reading.lacks == {"database"}
    assert reading.tally.requests == 1


def test_a_finer_histogram_is_cut_down() -> None:
    app = App(buckets=tuple(0.01 * i for i in range(1, 40)))
    app.answer("/x", seconds=0.2)
    buckets = read_tally(app.text).buckets
    assert len(buckets) == MAX_BUCKETS
    assert (buckets[0].le, buckets[-1].le) == (0.01, 0.39)


BUCKET = 'http_request_duration_seconds_bucket{method="GET",path="/x",le="%s"} %s\n'


@pytest.mark.parametrize(
    "text",
    [
        'http_requests_total{method="GET',
        "http_requests_total one",
        "http_requests_total NaN",
        "http_requests_total -1",
        "http_requests_total +Inf",
        "http_requests_total 1e300",
        BUCKET % ("soon", 1),
        BUCKET % ("0.1", 5) + BUCKET % ("0.5", 4),
        BUCKET % ("0.1", 5) + 'http_request_duration_seconds_count{path="/x"} 4\n',
        "http_requests_total 1\n" * (MAX_LINES + 1),
        "http_requests_total" + " " * 3000 + "1",
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_tally(text)


words = st.sampled_from(
    ["http_requests_total", "http_request_duration_seconds_bucket", "{", "}", '"', "\\", "=", ",", " ", "\n", "le",
     "path", "status", "5", "500", "1e9", "+Inf", "#", "\t", "é", "\x00", "_", "0.1"]
)  # fmt: skip


@given(st.lists(words, max_size=30).map("".join).map("http_requests_total".__add__))
@settings(deadline=None)
def test_garbage_is_refused_or_counted_and_nothing_else(text: str) -> None:
    try:
        tally = read_tally(text)
    except Unreadable:
        return
    assert 0 <= tally.errors <= tally.requests
