"""How requests find the pods: service account, Services, ingress, route, disruption budget, network policy."""

from maraudersmap_operator.children import names
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import (
    API_PORT_NAME,
    LABEL_NAME,
    MANAGER,
    NO_REVISION,
    SHARED,
    Component,
)
from maraudersmap_operator.resource.spec import MaraudersMapSpec

# Where the shipped manifests install the operator.
OPERATOR_NAMESPACE = "marauders-system"


def service_account(owner: Owner) -> Manifest:
    """The pods' identity; it may do nothing, and its token is not mounted."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": owner.metadata_for(names.service_account(owner.name), component=Component.API),
        "automountServiceAccountToken": False,
    }


def service(owner: Owner, spec: MaraudersMapSpec, serving: str | None) -> Manifest:
    """The Service of users' requests; its selector is where traffic points. None: nowhere; SHARED: every revision."""
    wanted = spec.service
    outside: Manifest = {}
    if wanted.external_traffic_policy is not None:
        outside["externalTrafficPolicy"] = wanted.external_traffic_policy.value
    if wanted.load_balancer_source_ranges:
        outside["loadBalancerSourceRanges"] = list(wanted.load_balancer_source_ranges)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata_for(
            names.service(owner.name), component=Component.API, annotations=wanted.annotations
        ),
        "spec": {
            "type": wanted.type.value,
            "selector": _selected(owner, serving or NO_REVISION),
            "ports": [_port(wanted.port)],
            **outside,
        },
    }


def _selected(owner: Owner, serving: str) -> dict[str, str]:
    return owner.selector(Component.API, None if serving == SHARED else serving)


def preview_service(owner: Owner, spec: MaraudersMapSpec, revision: str | None) -> Manifest:
    """The Service that reaches a candidate before users do; None: no pod. Always inside the cluster only."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": owner.metadata_for(names.preview_service(owner.name), component=Component.API),
        "spec": {
            "type": "ClusterIP",
            "selector": owner.selector(Component.API, revision or NO_REVISION),
            "ports": [_port(spec.service.port)],
        },
    }


def _port(port: int) -> Manifest:
    return {"name": API_PORT_NAME, "port": port, "targetPort": API_PORT_NAME, "protocol": "TCP"}


def url(owner: Owner, spec: MaraudersMapSpec) -> str:
    """Where the API is reached: the ingress's host when there is one, else the Service inside the cluster."""
    if spec.ingress is not None:
        return f"{'https' if spec.ingress.tls else 'http'}://{spec.ingress.host}"
    port = "" if spec.service.port == 80 else f":{spec.service.port}"
    return f"http://{names.service(owner.name)}.{owner.namespace}.svc{port}"


def ingress(owner: Owner, spec: MaraudersMapSpec) -> Manifest | None:
    """The Ingress of the host; None when none is asked for."""
    wanted = spec.ingress
    if wanted is None:
        return None
    backend = {"service": {"name": names.service(owner.name), "port": {"name": API_PORT_NAME}}}
    body: Manifest = {
        "rules": [
            {
                "host": wanted.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ]
    }
    if wanted.class_name is not None:
        body["ingressClassName"] = wanted.class_name
    if wanted.tls is not None:
        body["tls"] = [{"hosts": [wanted.host], "secretName": wanted.tls.secret_name}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": owner.metadata_for(
            names.ingress(owner.name), component=Component.API, annotations=wanted.annotations
        ),
        "spec": body,
    }


def http_route(owner: Owner, spec: MaraudersMapSpec, weight: int) -> Manifest | None:
    """The route of the Gateway API; None when none is asked for.

    `weight`: percent of its requests for the preview Service, which is the candidate's; the rest goes where everything goes.
    """
    wanted = spec.gateway
    if wanted is None:
        return None
    backends = ((names.service(owner.name), 100 - weight), (names.preview_service(owner.name), weight))
    body: Manifest = {
        "parentRefs": [parent.sparse() for parent in wanted.parent_refs],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [
                    {"name": name, "port": spec.service.port, "weight": part} for name, part in backends
                ],
            }
        ],
    }
    if wanted.hostnames:
        body["hostnames"] = list(wanted.hostnames)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": owner.metadata_for(names.http_route(owner.name), component=Component.API),
        "spec": body,
    }


def disruption_budget(owner: Owner, spec: MaraudersMapSpec, serving: str | None) -> Manifest | None:
    """The disruption budget of the serving pods; None when switched off, or while nothing serves.

    Its selector equals the Service's: over two Deployments, a crashing candidate would block every drain.
    """
    budget = spec.availability.pod_disruption_budget
    if not budget.enabled or serving is None:
        return None
    most = budget.max_unavailable
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owner.metadata_for(names.disruption_budget(owner.name), component=Component.API),
        "spec": {
            "maxUnavailable": most if most.endswith("%") else int(most),
            "selector": {"matchLabels": _selected(owner, serving)},
            # A pod that is running but not ready protects nothing: it may always go.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def network_policy(
    owner: Owner, spec: MaraudersMapSpec, operator_namespace: str = OPERATOR_NAMESPACE
) -> Manifest | None:
    """Only the API's port, from whom the resource allows and from the operator, which compares the pods' metrics.

    None when switched off. Outgoing connections stay free: where an external database or cache lives is not known here.
    """
    if not spec.network_policy.enabled:
        return None
    rule: Manifest = {"ports": [{"protocol": "TCP", "port": API_PORT_NAME}]}
    if allowed := spec.network_policy.allowed_namespaces:
        namespaces = sorted({owner.namespace, *allowed})
        operator = {"podSelector": {"matchLabels": {LABEL_NAME: MANAGER}}}
        rule["from"] = [*map(_namespace, namespaces), _namespace(operator_namespace) | operator]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": owner.metadata_for(names.network_policy(owner.name), component=Component.API),
        "spec": {
            "podSelector": {"matchLabels": owner.selector(Component.API)},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    }


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def backing_policy(owner: Owner, name: str, component: Component, port: int) -> Manifest:
    """The evaluation database or cache: reached by this resource's API and migrations pods only."""
    clients = [Component.API, Component.MIGRATIONS]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": owner.metadata_for(name, component=component),
        "spec": {
            "podSelector": {"matchLabels": owner.selector(component)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"podSelector": {"matchLabels": owner.selector(client)}} for client in clients],
                    "ports": [{"protocol": "TCP", "port": port}],
                }
            ],
        },
    }
