"""Recordings and alerts, for one resource or for all of them: the one source of the files in manifests/monitoring and of each
resource's PrometheusRule.

Labels: `namespace` and `maraudersmap` name a resource. The monitors set them on the API's series, the operator's own carry
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from maraudersmap_operator.children.alerts import Alert, operator_alerts, rollout_alerts, service_alerts
from maraudersmap_operator.children.objectives import ALL, Objectives, Scope
from maraudersmap_operator.children.owner import Manifest

# A path of this repository, which is no address: where it can be read is for the installer to state.
RUNBOOK = "docs/incident-playbook.md"
ALERT_LABELS: Mapping[str, str] = {"team": "marauders-map"}

BY = "sum by (namespace, maraudersmap)"
USERS = 'path!~"/health.*|/metrics"'
RATIOS = ("5m", "30m", "1h", "6h", "3d")
# Over which a burn is judged: how many answers were bad there, beside which part of them.
COUNTS = ("1h", "6h", "3d")


@dataclass(frozen=True, slots=True)
class Rules:
    """`runbook`: address of the incident playbook, to which each alert adds its section. `labels`: of every alert, beside its
    severity."""

    scope: Scope = ALL
    objectives: Objectives = field(default_factory=Objectives)
    runbook: str = RUNBOOK
    labels: Mapping[str, str] = field(default_factory=lambda: dict(ALERT_LABELS))

    def of_resources(self) -> list[Manifest]:
        """Groups about services and their rollouts."""
        return [
            {"name": "maraudersmap-slo", "rules": list(_recordings(self.scope))},
            self._group("maraudersmap-service", service_alerts(self.scope, self.objectives)),
            self._group("maraudersmap-rollouts", rollout_alerts(self.scope)),
        ]

    def of_the_operator(self) -> list[Manifest]:
        """The group about the operator itself, of which there is one."""
        return [self._group("maraudersmap-operator", operator_alerts())]

    def _group(self, name: str, alerts: Iterator[Alert]) -> Manifest:
        return {"name": name, "rules": [self._rule(alert) for alert in alerts]}

    def _rule(self, alert: Alert) -> Manifest:
        return {
            "alert": alert.name,
            "expr": alert.expr,
            **({"for": alert.lasts} if alert.lasts else {}),
            "labels": {**self.labels, "severity": alert.severity.value},
            "annotations": {
                "summary": alert.summary,
                "description": alert.description,
                "runbook_url": f"{self.runbook}#{alert.section}",
            },
        }


def _recordings(scope: Scope) -> Iterator[Manifest]:
    requests = scope.of("http_requests_total", USERS)
    failed = scope.of("http_requests_total", 'status=~"5.."', USERS)
    answers = scope.of("http_request_duration_seconds_count", USERS)
    fast = scope.of("http_request_duration_seconds_bucket", 'le="0.5"', USERS)
    for window in RATIOS:
        yield {
            "record": f"maraudersmap:requests_failed:ratio_rate{window}",
            "expr": f"""\
(
  {BY} (rate({failed}[{window}]))
  or 0 * {BY} (rate({requests}[{window}]))
)
/ ({BY} (rate({requests}[{window}])) > 0)
""",
        }
        yield {
            "record": f"maraudersmap:requests_slow:ratio_rate{window}",
            "expr": f"""\
1 - {BY} (rate({fast}[{window}]))
/ ({BY} (rate({answers}[{window}])) > 0)
""",
        }
    for window in COUNTS:
        yield {
            "record": f"maraudersmap:requests_failed:increase{window}",
            "expr": f"{BY} (increase({failed}[{window}]))\n",
        }
        yield {
            "record": f"maraudersmap:requests_slow:increase{window}",
            "expr": f"{BY} (increase({answers}[{window}])) - {BY} (increase({fast}[{window}]))\n",
        }
