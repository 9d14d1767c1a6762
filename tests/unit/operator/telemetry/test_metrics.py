"""What is counted of a rollout, what is shown of a resource, and what a thousand of them cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client.exposition import generate_latest

from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.status import MaraudersMapStatus, Phase, Replicas
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step
from maraudersmap_operator.resource.status_control import StableRevision
from maraudersmap_operator.resource.status_memory import CandidateMemory, Progress
from maraudersmap_operator.resource.status_outcomes import HistoryEntry, Outcome, RejectedRevision
from maraudersmap_operator.telemetry import Metrics

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = ("hogwarts", "map")
FRESH = MaraudersMapStatus()
RESOURCES = 1000
# A scrape every 30 s of a thousand resources: what a Prometheus keeps, and what goes over the wire, uncompressed.
MOST_SERIES_EACH = 10
MOST_BYTES_EACH = 1100


def entry(revision: str, outcome: Outcome = Outcome.PROMOTED, reason: str = "") -> HistoryEntry:
    return HistoryEntry(
        revision=revision,
        image="map:1",
        outcome=outcome,
        reason=reason,
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=8.4),
        duration_seconds=8.4,
    )


def rejected(revision: str) -> RejectedRevision:
    return RejectedRevision(
        revision=revision,
        image="map:2",
        reason="CrashLoop",
        message="exit code 1",
        rejected_at=NOW,
        detect_seconds=21.5,
        restore_seconds=23.1,
    )


def settled(**changes: Any) -> MaraudersMapStatus:
    status = MaraudersMapStatus(
        phase=Phase.READY,
        stable=StableRevision(revision="aaaa", image="map:1", since=NOW),
        replicas=Replicas(desired=3, ready=3, updated=3),
        history=(entry("aaaa"),),
    )
    return status.model_copy(update=changes)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def of_map(metrics: Metrics) -> dict[str, float]:
    """The series of the one resource, without the two labels that name it."""
    return {
        f"{s.name.removeprefix('maraudersmap_resource_')}{s.labels.get('phase') or s.labels.get('reason') or ''}": s.value
        for family in metrics.registry.collect()
        for s in family.samples
        if s.labels.get("maraudersmap") == "map" and s.labels["namespace"] == "hogwarts"
    }


def test_the_first_rollout_counts() -> None:
    # given
    metrics = Metrics()
    # when
    metrics.observe(KEY, FRESH, settled())
    # then
    assert value(metrics, "maraudersmap_rollout_duration_seconds_count", outcome="Promoted") == 1


def test_a_rollout_counts_once_however_often_it_is_looked_at() -> None:
    metrics = Metrics()
    metrics.observe(KEY, FRESH, settled())
    # when: the next pass begins with what was stored, which has no fractions of seconds
    read_back = MaraudersMapStatus.model_validate(settled().model_dump(mode="json", by_alias=True))
    metrics.observe(KEY, settled(), read_back)
    metrics.observe(KEY, read_back, read_back)
    # then
    assert value(metrics, "maraudersmap_rollout_duration_seconds_count", outcome="Promoted") == 1


def test_two_rollouts_that_ended_between_two_looks_both_count() -> None:
    metrics = Metrics()
    after = settled(
        history=(
            entry("cccc", Outcome.ROLLED_BACK, "CrashLoop"),
            entry("bbbb", Outcome.SUPERSEDED),
            entry("aaaa"),
        ),
        rejected=(rejected("cccc"),),
    )
    # when
    metrics.observe(KEY, settled(), after)
    # then
    assert value(metrics, "maraudersmap_rollout_duration_seconds_count", outcome="Superseded") == 1
    assert value(metrics, "maraudersmap_rollbacks_total", reason="CrashLoop") == 1
    assert value(metrics, "maraudersmap_time_to_detect_seconds_sum", reason="CrashLoop") == 21.5
    assert value(metrics, "maraudersmap_time_to_restore_seconds_sum") == 23.1


def test_a_history_that_drops_its_oldest_entry_counts_the_newest_only() -> None:
    metrics = Metrics()
    full = tuple(entry(f"{n:04}") for n in range(20))
    # when
    metrics.observe(KEY, settled(history=full), settled(history=(entry("ffff"), *full[:-1])))
    # then
    assert value(metrics, "maraudersmap_rollout_duration_seconds_count", outcome="Promoted") == 1


def test_a_quiet_resource_shows_its_phase_its_pods_and_since_when_it_is_stable() -> None:
    metrics = Metrics()
    # when
    metrics.observe(KEY, settled(), settled(), most=10)
    # then
    assert of_map(metrics) == {
        "phaseReady": 1,
        "desired_replicas": 3,
        "ready_replicas": 3,
        "max_replicas": 10,
        "stable_since_timestamp_seconds": NOW.timestamp(),
        "rollbacks_total": 0,
    }


def test_a_rolled_back_resource_shows_why_and_how_long_it_took() -> None:
    metrics = Metrics()
    metrics.observe(KEY, settled(), settled())
    # when
    metrics.observe(
        KEY,
        settled(),
        settled(
            phase=Phase.ROLLED_BACK,
            history=(entry("bbbb", Outcome.ROLLED_BACK, "CrashLoop"), entry("aaaa")),
            rejected=(rejected("bbbb"),),
        ),
    )
    # then
    assert of_map(metrics) == {
        "phaseRolledBack": 1,
        "desired_replicas": 3,
        "ready_replicas": 3,
        "stable_since_timestamp_seconds": NOW.timestamp(),
        "rollbacks_total": 1,
        "last_rejected_timestamp_secondsCrashLoop": NOW.timestamp(),
        "last_detect_seconds": 21.5,
        "last_restore_seconds": 23.1,
    }


def test_a_rollout_shows_since_when_it_is_under_way() -> None:
    metrics = Metrics()
    candidate = CandidateRevision(
        revision="bbbb",
        image="map:2",
        step=Step.WITNESSES,
        strategy=Strategy.BLUE_GREEN,
        started_at=NOW,
        step_started_at=NOW,
        memory=CandidateMemory(progress=Progress(progressed_at=NOW)),
    )
    # when
    metrics.observe(KEY, settled(), settled(phase=Phase.ROLLING_OUT, candidate=candidate))
    # then
    assert of_map(metrics)["rollout_started_timestamp_seconds"] == NOW.timestamp()
    # and when it is over
    metrics.observe(KEY, settled(), settled())
    assert "rollout_started_timestamp_seconds" not in of_map(metrics)


def test_the_series_go_with_the_resource() -> None:
    metrics = Metrics()
    metrics.observe(KEY, settled(), settled(rejected=(rejected("bbbb"),)))
    # when
    metrics.forget(KEY)
    # then
    assert of_map(metrics) == {}
    assert value(metrics, "maraudersmap_info", phase="Ready") == 0


def test_the_counts_by_phase_agree_with_the_resources() -> None:
    metrics = Metrics()
    for name in ("one", "two", "three"):
        metrics.observe(("hogwarts", name), settled(), settled())
    # when
    metrics.observe(("hogwarts", "two"), settled(), settled(phase=Phase.DEGRADED))
    metrics.forget(("hogwarts", "three"))
    metrics.forget(("hogwarts", "never seen"))
    # then
    assert value(metrics, "maraudersmap_info", phase="Ready") == 1
    assert value(metrics, "maraudersmap_info", phase="Degraded") == 1


def test_a_thousand_resources_are_cheap() -> None:
    """The dearest there is: every resource autoscaled, rolled back before and in a rollout now."""
    # given
    metrics = Metrics()
    alone = generate_latest(metrics.registry)
    candidate = CandidateRevision(
        revision="bbbb",
        image="map:2",
        step=Step.BAKING,
        started_at=NOW,
        step_started_at=NOW,
        memory=CandidateMemory(progress=Progress(progressed_at=NOW)),
    )
    dear = settled(
        candidate=candidate,
        history=(entry("bbbb", Outcome.ROLLED_BACK, "CrashLoop"), entry("aaaa")),
        rejected=(rejected("bbbb"),),
    )
    # when
    for n in range(RESOURCES):
        metrics.observe((f"team-{n % 50:02}", f"marauders-map-{n:04}"), settled(), dear, most=10)
    shown = generate_latest(metrics.registry)
    # then
    more = [line for line in shown.splitlines() if b'maraudersmap="' in line]
    assert len(more) <= MOST_SERIES_EACH * RESOURCES
    assert len(shown) - len(alone) <= MOST_BYTES_EACH * RESOURCES
    # and what has no label per resource does not grow with them
    assert len(shown.splitlines()) - len(more) < len(alone.splitlines()) + 100
