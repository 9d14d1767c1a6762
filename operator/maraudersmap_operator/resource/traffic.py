"""How requests reach the API: Service, ingress, Gateway route, network policy."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from maraudersmap_operator.resource.model import (
    DNS_LABEL,
    DNS_NAME,
    Model,
    ObjectName,
    Rule,
    StringMap,
    qualified_keys,
)

Hostname = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^(\*\.)?{DNS_NAME[1:]}")]
"""A host name, or a wildcard for one label: *.hogwarts.edu."""


class ServiceType(StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class ExternalTrafficPolicy(StrEnum):
    CLUSTER = "Cluster"
    LOCAL = "Local"


SourceRange = Annotated[str, Field(max_length=43, pattern=r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$")]
"""Addresses in CIDR notation, IPv4 or IPv6."""


class Service(Model):
    """The Service in front of the serving revision."""

    type: ServiceType = Field(
        default=ServiceType.CLUSTER_IP, description="ClusterIP, NodePort or LoadBalancer."
    )
    port: int = Field(default=80, ge=1, le=65535, description="Port of the Service; the pods listen on 4001.")
    annotations: StringMap = Field(
        default={}, description="Annotations of the Service, such as those of a cloud's load balancer."
    )
    external_traffic_policy: ExternalTrafficPolicy | None = Field(
        default=None,
        description="Local keeps the client's address and leads only to nodes that run a pod; Cluster, the cluster's "
        "default, leads to any node. With type NodePort or LoadBalancer only.",
    )
    load_balancer_source_ranges: Annotated[tuple[SourceRange, ...], Field(max_length=64)] = Field(
        default=(),
        description="Who may reach the load balancer, such as 203.0.113.0/24, where the cloud enforces it; empty means "
        "everybody. With type LoadBalancer only.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    rules = (
        qualified_keys("annotations", "annotations"),
        Rule(
            cel="!has(self.externalTrafficPolicy) || self.type != 'ClusterIP'",
            message="externalTrafficPolicy needs a Service of type NodePort or LoadBalancer",
            holds=lambda service: (
                service.external_traffic_policy is None or service.type is not ServiceType.CLUSTER_IP
            ),
            field_path=".externalTrafficPolicy",
        ),
        Rule(
            cel="!has(self.loadBalancerSourceRanges) || self.loadBalancerSourceRanges.size() == 0 || "
            "self.type == 'LoadBalancer'",
            message="loadBalancerSourceRanges needs a Service of type LoadBalancer",
            holds=lambda service: (
                not service.load_balancer_source_ranges or service.type is ServiceType.LOAD_BALANCER
            ),
            field_path=".loadBalancerSourceRanges",
        ),
    )


class IngressTLS(Model):
    """TLS of the ingress."""

    secret_name: ObjectName = Field(
        description="Secret of type kubernetes.io/tls with the certificate; cert-manager may create it."
    )


class Ingress(Model):
    """An Ingress that leads a host to the Service."""

    host: Hostname = Field(description="Host name, such as marauders-map.hogwarts.edu.")
    class_name: ObjectName | None = Field(
        default=None, description="Ingress class; absent means the cluster's default."
    )
    annotations: StringMap = Field(default={}, description="Annotations of the Ingress.")
    tls: IngressTLS | None = Field(default=None, description="TLS; absent means plain HTTP.")
    rules = (qualified_keys("annotations", "annotations"),)


class GatewayParent(Model):
    """A Gateway, or one of its listeners, that the route asks to be served by."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: Annotated[str, Field(max_length=63, pattern=DNS_LABEL)] | None = Field(
        default=None, description="Its namespace; absent means the resource's own."
    )
    section_name: ObjectName | None = Field(
        default=None, description="One listener of it; absent means every one that accepts the route."
    )


class Gateway(Model):
    """An HTTPRoute of the Gateway API. With strategy Canary its weights give the new revision its shares."""

    parent_refs: Annotated[tuple[GatewayParent, ...], Field(min_length=1, max_length=8)] = Field(
        description="The Gateways that serve the route.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16)] = Field(
        default=(),
        description="Host names, such as marauders-map.hogwarts.edu; empty means every one of the listeners'.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class NetworkPolicy(Model):
    """Who may open connections to the pods, where the cluster's network enforces policies."""

    enabled: bool = Field(default=True, description="Off: no policy is made.")
    allowed_namespaces: Annotated[
        tuple[Annotated[str, Field(max_length=63, pattern=DNS_LABEL)], ...], Field(max_length=32)
    ] = Field(
        default=(),
        description="Namespaces that may reach the API's port, such as the ingress controller's; empty means "
        "everybody. The resource's own namespace is always allowed.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
