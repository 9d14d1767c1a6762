"""What the Prometheus operator and Grafana are given of one service."""

import re

from pydantic import Field

from maraudersmap_operator.resource.model import LabelMap, Model, Rule, StringMap, qualified_keys

_ALERT_LABEL = "^[a-zA-Z_][a-zA-Z0-9_]*$"


class AlertRules(Model):
    """A PrometheusRule with what is recorded of the service and the alerts on it."""

    enabled: bool = Field(default=True, description="Off: no PrometheusRule is made.")
    failed_percent: float = Field(
        default=0.1,
        gt=0,
        le=6,
        description="Percent of the answers that may be a 5xx over 30 days. The alerts on burning and leaking budgets follow "
        "from it.",
    )
    slow_percent: float = Field(
        default=5,
        gt=0,
        le=6,
        description="Percent of the answers that may take longer than half a second over 30 days.",
    )
    least_bad_answers: int = Field(
        default=10,
        ge=1,
        le=1000000,
        description="A budget alert does not fire below so many bad answers within its longer window (1 hour, 6 hours, "
        "3 days): with little traffic a single one is a large part of all.",
    )
    labels: StringMap = Field(
        default={"team": "marauders-map"},
        description="Labels of each alert, beside its severity; for the routes of an Alertmanager.",
    )
    rules = (
        Rule(
            cel=f"!has(self.labels) || self.labels.all(k, k.matches('{_ALERT_LABEL}'))",
            message="labels has a name that Prometheus does not take; write it with letters, digits and '_' only",
            holds=lambda alerts: all(re.fullmatch(_ALERT_LABEL, key) for key in alerts.labels),
        ),
    )


class Dashboard(Model):
    """A ConfigMap with a Grafana dashboard of the service."""

    enabled: bool = Field(default=True, description="Off: no dashboard is made.")
    labels: LabelMap = Field(
        default={"grafana_dashboard": "1"},
        description="Labels by which Grafana's sidecar finds the ConfigMap.",
    )
    annotations: StringMap = Field(
        default={}, description="Annotations of the ConfigMap, such as the sidecar's grafana_folder."
    )
    rules = (qualified_keys("labels", "labels"), qualified_keys("annotations", "annotations"))


class Monitoring(Model):
    """A PodMonitor, alerts and a dashboard, in clusters that have the Prometheus operator's kinds; elsewhere nothing."""

    enabled: bool = Field(
        default=True,
        description="Off: none of them is made. On, in a cluster without these kinds: neither, and nothing is wrong.",
    )
    interval_seconds: int = Field(
        default=30, ge=5, le=3600, description="Seconds between two scrapes of a pod."
    )
    labels: LabelMap = Field(
        default={},
        description="Labels of the PodMonitor and of the PrometheusRule by which a Prometheus selects them, such as "
        "`release: kube-prometheus-stack`.",
    )
    alerts: AlertRules = Field(default=AlertRules(), description="What is alerted on.")
    dashboard: Dashboard = Field(default=Dashboard(), description="The dashboard.")
    rules = (qualified_keys("labels", "labels"),)
