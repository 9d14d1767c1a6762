"""What a user writes: `.spec` of a MaraudersMap. Every default and bound is here or in the parts it names."""

from typing import Annotated

from pydantic import Field

from maraudersmap_operator.resource.data import Cache, Database
from maraudersmap_operator.resource.model import LocalRef, Model, Rule, SecretSource, not_filled_in
from maraudersmap_operator.resource.monitoring import Monitoring
from maraudersmap_operator.resource.policy import (
    MAX_SHARE_BY_PODS,
    Autoscaling,
    Availability,
    Migrations,
    Rollout,
)
from maraudersmap_operator.resource.traffic import Gateway, Ingress, NetworkPolicy, Service
from maraudersmap_operator.resource.workload import Config, PodTemplate, Probes, PullPolicy, Resources


class MaraudersMapSpec(Model):
    """The service as it should be."""

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\S+$")] = Field(
        description="Image of the API, with a tag or a digest. A change is rolled out as a new revision."
    )
    pull_policy: PullPolicy | None = Field(
        default=None, description="When nodes pull the image; absent means as in a pod."
    )
    pull_secrets: Annotated[tuple[LocalRef, ...], Field(max_length=8)] = Field(
        default=(),
        description="Secrets with credentials for the image's registry.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    replicas: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Number of API pods while autoscaling is off, also by `kubectl scale`; while it is on, a change is "
        "refused. See also suspend.",
    )
    autoscaling: Autoscaling = Field(default=Autoscaling(), description="Number of API pods by CPU use.")
    resources: Resources = Field(default=Resources(), description="CPU and memory of each API pod.")
    config: Config = Field(default=Config(), description="Settings of the API.")
    database: Database = Field(description="PostgreSQL for the incidents; required, exactly one kind.")
    cache: Cache = Field(
        default=Cache(),
        description="Redis for cached answers and rate limits; by default one evaluation pod.",
    )
    jwt_secret: SecretSource | None = Field(
        default=None,
        description="The key that signs tokens, at least 32 bytes; by default one is generated once.",
    )
    migrations: Migrations = Field(
        default=Migrations(), description="Schema changes before a revision starts."
    )
    service: Service = Field(default=Service(), description="The Service in front of the API.")
    ingress: Ingress | None = Field(default=None, description="An Ingress; absent means none.")
    gateway: Gateway | None = Field(
        default=None,
        description="A route of the Gateway API; absent means none. Not together with an ingress.",
    )
    probes: Probes = Field(default=Probes(), description="Health checks of the API container.")
    rollout: Rollout = Field(
        default=Rollout(), description="How a new revision is tried, and when it is given up."
    )
    availability: Availability = Field(
        default=Availability(), description="What keeps the service up while pods come and go."
    )
    network_policy: NetworkPolicy = Field(
        default=NetworkPolicy(), description="Who may open connections to the pods."
    )
    monitoring: Monitoring = Field(
        default=Monitoring(),
        description="What the Prometheus operator and Grafana are given of the service.",
        json_schema_extra=not_filled_in,
    )
    pod_template: PodTemplate = Field(default=PodTemplate(), description="What else the API's pods carry.")
    suspend: bool = Field(default=False, description="On: no API pods run; data, Services and Secrets stay.")
    rules = (
        # Without a predicate: only the API server has the old object. Where autoscaling is switched over, both may change.
        Rule(
            cel="!has(self.autoscaling) || !has(oldSelf.autoscaling) || !self.autoscaling.enabled || "
            "!oldSelf.autoscaling.enabled || self.replicas == oldSelf.replicas",
            message="replicas has no effect while autoscaling is on; change autoscaling.minReplicas and "
            "autoscaling.maxReplicas, or set autoscaling.enabled to false",
            field_path=".replicas",
        ),
        Rule(
            cel="!has(self.ingress) || !has(self.gateway)",
            message="ingress and gateway are two ways to lead a host to the API; remove one of them",
            holds=lambda spec: spec.ingress is None or spec.gateway is None,
            field_path=".gateway",
        ),
        Rule(
            cel="has(self.gateway) || !has(self.rollout) || !has(self.rollout.steps) || "
            f"self.rollout.steps.all(s, s.share <= {MAX_SHARE_BY_PODS})",
            message=f"rollout.steps may give the new revision more than {MAX_SHARE_BY_PODS} percent only by the weights of a "
            "route; lower the share, or set gateway",
            holds=lambda spec: (
                spec.gateway is not None or all(s.share <= MAX_SHARE_BY_PODS for s in spec.rollout.steps)
            ),
            field_path=".rollout.steps",
        ),
    )

    def wanted_size(self, serving_size: int) -> int:
        """Pods at full size, where so many serve (the autoscaler moves that), within the bounds."""
        if self.suspend:
            return 0
        if not self.autoscaling.enabled:
            return self.replicas
        return min(max(serving_size, self.autoscaling.min_replicas), self.autoscaling.max_replicas)
