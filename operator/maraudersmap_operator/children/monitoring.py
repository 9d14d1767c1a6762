"""What the Prometheus operator is given of one resource: which pods to scrape, what to record and what to alert on."""

from __future__ import annotations

from maraudersmap_operator.children import names
from maraudersmap_operator.children.objectives import Objectives, Scope
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.children.rules import RUNBOOK, Rules
from maraudersmap_operator.resource.names import (
    API_PORT_NAME,
    LABEL_INSTANCE,
    LABEL_REVISION,
    Component,
)
from maraudersmap_operator.resource.spec import MaraudersMapSpec

API_VERSION = "monitoring.coreos.com/v1"
# Prometheus takes no time-out that is longer than the interval.
SCRAPE_SECONDS = 10


def pod_monitor(owner: Owner, spec: MaraudersMapSpec) -> Manifest | None:
    """The API's pods of every revision; None when monitoring is off. Pods and not Services: a candidate is seen before it has
    users."""
    wanted = spec.monitoring
    if not wanted.enabled:
        return None
    return {
        "apiVersion": API_VERSION,
        "kind": "PodMonitor",
        "metadata": owner.metadata_for(
            names.pod_monitor(owner.name), component=Component.API, labels=wanted.labels
        ),
        "spec": {
            "selector": {"matchLabels": owner.selector(Component.API)},
            "podMetricsEndpoints": [
                {
                    "port": API_PORT_NAME,
                    "interval": f"{wanted.interval_seconds}s",
                    "scrapeTimeout": f"{min(SCRAPE_SECONDS, wanted.interval_seconds)}s",
                    "relabelings": [
                        {"targetLabel": "job", "replacement": "maraudersmap-api"},
                        _from_label(LABEL_INSTANCE, "maraudersmap"),
                        _from_label(LABEL_REVISION, "revision"),
                    ],
                }
            ],
        },
    }


def prometheus_rule(owner: Owner, spec: MaraudersMapSpec, runbook: str = RUNBOOK) -> Manifest | None:
    """The recordings and alerts of this resource alone; None when they are off. `runbook`: address of the playbook."""
    wanted = spec.monitoring
    if not wanted.enabled or not wanted.alerts.enabled:
        return None
    objectives = Objectives(
        wanted.alerts.failed_percent, wanted.alerts.slow_percent, wanted.alerts.least_bad_answers
    )
    rules = Rules(Scope(owner.namespace, owner.name), objectives, runbook, wanted.alerts.labels)
    return {
        "apiVersion": API_VERSION,
        "kind": "PrometheusRule",
        "metadata": owner.metadata_for(
            names.prometheus_rule(owner.name), component=Component.API, labels=wanted.labels
        ),
        "spec": {"groups": rules.of_resources()},
    }


def _from_label(label: str, target: str) -> Manifest:
    """A label of the pod as one of its series."""
    plain = "".join(c if c.isalnum() else "_" for c in label)
    return {"sourceLabels": [f"__meta_kubernetes_pod_label_{plain}"], "targetLabel": target}
