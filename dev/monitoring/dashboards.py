"""The Grafana dashboards, from one typed source. Run as a program it writes three over all resources into
manifests/monitoring/grafana, and one of a single resource into the operator, which fills in the name.

Each panel is a title, a unit and queries; where it stands follows from the order. Uids never change, so that links keep.
`grafana_foundation_sdk` (made for Grafana 10.1 and newer) is in an environment of its own: see `make dashboards`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "manifests" / "monitoring" / "grafana"
OF_ONE = ROOT / "operator" / "maraudersmap_operator" / "children" / "dashboard.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
OURS = 'namespace=~"$namespace", maraudersmap=~"$maraudersmap"'
USERS = f'{OURS}, path!~"/health.*|/metrics"'
HEIGHT, SPAN = 8, 8
BOTTOM, LIST = LegendPlacement.BOTTOM, LegendDisplayMode.LIST


@dataclass(frozen=True, slots=True)
class Graph:
    """A time series. `queries`: pairs of a legend and an expression."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    graphs: tuple[Graph, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """`resources`: the metric that the choice of namespace and resource is made from; empty: no such choice."""

    uid: str
    title: str
    rows: tuple[Row, ...]
    resources: str = ""


def _quantiles(metric: str, by: str, where: str = OURS) -> tuple[tuple[str, str], ...]:
    """50, 95 and 99 % of a histogram."""
    grouped = f"sum by (le{', ' + by if by else ''}) (rate({metric}_bucket{{{where}}}[$__rate_interval]))"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple((f"{q} %{legend}", f"histogram_quantile({q / 100}, {grouped})") for q in (50, 95, 99))


def _rate(metric: str, by: str, where: str = OURS) -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def _within_a_day(metric: str, by: str) -> str:
    """What 95 % of the day's values of a rare event stay below."""
    return f"histogram_quantile(0.95, sum by ({by}) (increase({metric}_bucket[1d])))"


API = Board(
    "marauders-map-api",
    "Marauder's Map: API",
    (
        Row(
            "Requests",
            (
                Graph("Requests", "reqps", (("{{status}}", _rate("http_requests_total", "status", USERS)),)),
                Graph(
                    "Failed (5xx)",
                    "percentunit",
                    (
                        (
                            "{{namespace}}/{{maraudersmap}}",
                            f"maraudersmap:requests_failed:ratio_rate5m{{{OURS}}}",
                        ),
                    ),
                ),
                Graph("Duration", "s", _quantiles("http_request_duration_seconds", "", USERS)),
                Graph(
                    "By route",
                    "reqps",
                    (("{{method}} {{path}}", _rate("http_requests_total", "method, path", USERS)),),
                ),
                Graph(
                    "Slower than 0.5 s",
                    "percentunit",
                    (
                        (
                            "{{namespace}}/{{maraudersmap}}",
                            f"maraudersmap:requests_slow:ratio_rate5m{{{OURS}}}",
                        ),
                    ),
                ),
                Graph(
                    "Incidents reported",
                    "short",
                    (("incidents/s", _rate("incidents_created_total", "maraudersmap")),),
                ),
            ),
        ),
        Row(
            "Database",
            (
                Graph("Queries", "s", _quantiles("database_query_duration_seconds", "")),
                Graph("Wait for a connection", "s", _quantiles("database_connection_wait_seconds", "")),
                Graph(
                    "Dependencies",
                    "short",
                    (
                        ("{{pod}} {{dependency}} up", f"dependency_up{{{OURS}}}"),
                        (
                            "{{pod}} {{dependency}} {{state}}",
                            f'circuit_breaker_state{{{OURS}, state!="closed"}}',
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Sockets and events",
            (
                Graph("WebSockets", "short", (("{{pod}}", f"active_websocket_connections{{{OURS}}}"),)),
                Graph(
                    "Closed for reading too slowly",
                    "short",
                    (("{{pod}}", _rate("slow_readers_closed_total", "pod")),),
                ),
                Graph("Outbox lag", "s", (("{{pod}}", f"outbox_lag_seconds{{{OURS}}}"),)),
            ),
        ),
        Row(
            "Cache and limits",
            (
                Graph("Cached reads", "reqps", (("{{source}}", _rate("read_cache_reads_total", "source")),)),
                Graph(
                    "Counted without Redis",
                    "reqps",
                    (("{{pod}}", _rate("rate_limit_local_fallbacks_total", "pod")),),
                ),
                Graph(
                    "Upkeep finished",
                    "dateTimeFromNow",
                    (("{{pod}}", f"upkeep_last_finished_timestamp_seconds{{{OURS}}} * 1000"),),
                ),
            ),
        ),
        Row(
            "Processes",
            (
                Graph("Memory", "bytes", (("{{pod}}", f"process_resident_memory_bytes{{{OURS}}}"),)),
                Graph(
                    "CPU",
                    "short",
                    (("{{pod}}", f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])"),),
                ),
                Graph("Open files", "short", (("{{pod}}", f"process_open_fds{{{OURS}}}"),)),
            ),
        ),
    ),
    "http_requests_total",
)

OPERATOR_JOB = 'job="maraudersmap-operator"'
OPERATOR = Board(
    "marauders-map-operator",
    "Marauder's Map: operator",
    (
        Row(
            "Rollouts",
            (
                Graph("Resources by phase", "short", (("{{phase}}", "sum by (phase) (maraudersmap_info)"),)),
                Graph(
                    "Rollouts ended",
                    "short",
                    (
                        (
                            "{{outcome}}",
                            "sum by (outcome) (increase(maraudersmap_rollout_duration_seconds_count[1h]))",
                        ),
                    ),
                ),
                Graph(
                    "Rollbacks",
                    "short",
                    (("{{reason}}", "sum by (reason) (increase(maraudersmap_rollbacks_total[1h]))"),),
                ),
                Graph(
                    "Time to detect (95 %)",
                    "s",
                    (
                        (
                            "{{reason}}",
                            _within_a_day("maraudersmap_time_to_detect_seconds", "le, reason"),
                        ),
                    ),
                ),
                Graph(
                    "Time to restore (95 %)",
                    "s",
                    (
                        (
                            "restored",
                            _within_a_day("maraudersmap_time_to_restore_seconds", "le"),
                        ),
                    ),
                ),
                Graph(
                    "Drift put right",
                    "short",
                    (("{{kind}}", "sum by (kind) (increase(maraudersmap_drift_corrections_total[1h]))"),),
                ),
            ),
        ),
        Row(
            "Work",
            (
                Graph("Queue", "short", (("{{pod}}", f"workqueue_depth{{{OPERATOR_JOB}}}"),)),
                Graph(
                    "Passes",
                    "ops",
                    (("{{result}}", _rate("controller_runtime_reconcile_total", "result", OPERATOR_JOB)),),
                ),
                Graph("Pass", "s", _quantiles("controller_runtime_reconcile_time_seconds", "", OPERATOR_JOB)),
                Graph(
                    "Requests to the API server",
                    "reqps",
                    (
                        (
                            "{{method}} {{code}}",
                            _rate("rest_client_requests_total", "method, code", OPERATOR_JOB),
                        ),
                    ),
                ),
                Graph(
                    "Age of the last look",
                    "s",
                    (
                        ("{{pod}} audit", "time() - (maraudersmap_last_audit_timestamp_seconds > 0)"),
                        ("{{pod}} pass", "time() - (maraudersmap_last_pass_timestamp_seconds > 0)"),
                    ),
                ),
                Graph(
                    "Leads",
                    "short",
                    (("{{pod}}", 'leader_election_master_status{name="maraudersmap-operator"}'),),
                ),
            ),
        ),
        Row(
            "Process",
            (
                Graph("Memory", "bytes", (("{{pod}}", f"process_resident_memory_bytes{{{OPERATOR_JOB}}}"),)),
                Graph(
                    "CPU",
                    "short",
                    (("{{pod}}", f"rate(process_cpu_seconds_total{{{OPERATOR_JOB}}}[$__rate_interval])"),),
                ),
                Graph(
                    "Started",
                    "dateTimeFromNow",
                    (("{{pod}}", f"process_start_time_seconds{{{OPERATOR_JOB}}} * 1000"),),
                ),
            ),
        ),
    ),
)

RESOURCE = Board(
    "marauders-map-resource",
    "Marauder's Map: one resource",
    (
        Row(
            "Where it stands",
            (
                Graph("Phase", "short", (("{{phase}}", f"maraudersmap_resource_phase{{{OURS}}}"),)),
                Graph(
                    "Pods",
                    "short",
                    (
                        ("wanted", f"maraudersmap_resource_desired_replicas{{{OURS}}}"),
                        ("ready", f"maraudersmap_resource_ready_replicas{{{OURS}}}"),
                        ("most", f"maraudersmap_resource_max_replicas{{{OURS}}}"),
                    ),
                ),
                Graph(
                    "Stable since",
                    "dateTimeFromNow",
                    (("stable", f"maraudersmap_resource_stable_since_timestamp_seconds{{{OURS}}} * 1000"),),
                ),
                Graph(
                    "Rollout under way for",
                    "s",
                    (
                        (
                            "rollout",
                            f"time() - maraudersmap_resource_rollout_started_timestamp_seconds{{{OURS}}}",
                        ),
                    ),
                ),
                Graph(
                    "Last rejected revision",
                    "s",
                    (
                        ("detected after", f"maraudersmap_resource_last_detect_seconds{{{OURS}}}"),
                        ("restored after", f"maraudersmap_resource_last_restore_seconds{{{OURS}}}"),
                    ),
                ),
                Graph(
                    "Rejected",
                    "dateTimeFromNow",
                    (
                        (
                            "{{reason}}",
                            f"maraudersmap_resource_last_rejected_timestamp_seconds{{{OURS}}} * 1000",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Revisions",
            (
                Graph(
                    "Requests", "reqps", (("{{revision}}", _rate("http_requests_total", "revision", USERS)),)
                ),
                Graph(
                    "Failed",
                    "reqps",
                    (("{{revision}}", _rate("http_requests_total", "revision", f'{USERS}, status=~"5.."')),),
                ),
                Graph("Duration", "s", _quantiles("http_request_duration_seconds", "revision", USERS)[1:2]),
            ),
        ),
    ),
    "maraudersmap_resource_phase",
)
BOARDS = (API, OPERATOR, RESOURCE)
# What the operator makes for each resource; children/dashboard.py fills in what begins with `$`, in the queries as well.
ONE = Board("$uid", "Marauder's Map: $namespace/$maraudersmap", RESOURCE.rows + API.rows)


def rendered(board: Board) -> str:
    """The dashboard as JSON, the same for the same source."""
    made = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .tags(["marauders-map"])
        .refresh("30s")
        .time("now-3h", "now")
        .readonly()
        .with_variable(build.DatasourceVariable("datasource").type("prometheus"))
    )
    for variable in _choices(board):
        made = made.with_variable(variable)
    for row in board.rows:
        made = made.with_row(build.Row(row.title))
        for graph in row.graphs:
            made = made.with_panel(_panel(graph))
    text: str = json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True)
    return text + "\n"


def files() -> dict[Path, str]:
    """Each file's content."""
    shared = {FOLDER / f"{board.uid}.json": rendered(board) for board in BOARDS}
    compact = json.dumps(json.loads(rendered(ONE)), sort_keys=True, separators=(",", ":"))
    return {**shared, OF_ONE: compact + "\n"}


def _panel(graph: Graph) -> Panel:
    panel = Panel().title(graph.title).unit(graph.unit).datasource(SOURCE).height(HEIGHT).span(SPAN).min(0)
    panel = panel.legend(VizLegendOptions().show_legend(True).placement(BOTTOM).display_mode(LIST))
    for number, (legend, expression) in enumerate(graph.queries):
        panel = panel.with_target(
            Dataquery().expr(expression).legend_format(legend).ref_id("ABCDEF"[number]).datasource(SOURCE)
        )
    return panel


def _choices(board: Board) -> Iterator[build.QueryVariable]:
    if not board.resources:
        return
    for name, of in (
        ("namespace", board.resources),
        ("maraudersmap", f'{board.resources}{{namespace=~"$namespace"}}'),
    ):
        yield (
            build.QueryVariable(name)
            .datasource(SOURCE)
            .query(f"label_values({of}, {name})")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .multi(True)
        )


def main() -> int:
    for file, text in files().items():
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
