"""The kinds of object the operator works with, and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from maraudersmap_operator.resource.names import GROUP, KIND, PLURAL, VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """A namespaced kind. `group` is empty for the core API."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of a collection (`namespace` None: of all namespaces), an object or a subresource."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [base]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [p for p in (name, subresource) if p is not None]
        return "/".join(parts)

    @property
    def schema_path(self) -> str:
        """URL path of the OpenAPI document that describes the kinds of this group and version. Every user may read it."""
        return (
            f"/openapi/v3/apis/{self.group}/{self.version}"
            if self.group
            else f"/openapi/v3/api/{self.version}"
        )


MARAUDERSMAP = Kind(GROUP, VERSION, KIND, PLURAL)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets")  # read for its UID and owner only
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
CONTROLLER_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
POD = Kind("", "v1", "Pod", "pods")
SERVICE = Kind("", "v1", "Service", "services")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
EVENT = Kind("", "v1", "Event", "events")
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
JOB = Kind("batch", "v1", "Job", "jobs")
AUTOSCALER = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
NODE = Kind("", "v1", "Node", "nodes")  # the one kind without a namespace
INGRESS = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
# Its CRD may be missing: it is read by the passes that need it, and never watched.
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
# Of the Prometheus operator, which a cluster may not have: never watched either.
POD_MONITOR = Kind("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors")
PROMETHEUS_RULE = Kind("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules")
MONITORING = (POD_MONITOR, PROMETHEUS_RULE)

# Kinds that carry our labels and are watched. Secrets are not among them: they are neither listed nor watched.
OBSERVED = (
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    CONTROLLER_REVISION,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    ENDPOINT_SLICE,
    JOB,
    AUTOSCALER,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    INGRESS,
)
_BY_NAME = {
    (k.api_version, k.kind): k for k in (MARAUDERSMAP, SECRET, EVENT, HTTP_ROUTE, *MONITORING, *OBSERVED)
}


def kind_of(manifest: dict[str, object]) -> Kind:
    """The kind of a manifest. Raises KeyError for one the operator does not work with."""
    return _BY_NAME[(str(manifest["apiVersion"]), str(manifest["kind"]))]
