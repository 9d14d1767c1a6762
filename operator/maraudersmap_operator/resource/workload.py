"""What the API's pods are: resources, configuration, probes and whatever else a pod may carry."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from maraudersmap_operator.resource.model import (
    DataKey,
    LabelMap,
    LocalRef,
    Model,
    ObjectName,
    Rule,
    SecretKeySelector,
    StringMap,
    qualified_keys,
)
from maraudersmap_operator.resource.names import RESERVED_PREFIXES
from maraudersmap_operator.resource.quantity import Quantity, amount


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Requests(Model):
    """What each API pod is promised."""

    cpu: Quantity = Field(default="500m", description="CPU promised to a pod; autoscaling is in % of it.")
    memory: Quantity = Field(default="256Mi", description="Memory promised to a pod.")


class Limits(Model):
    """What each API pod may use at most."""

    cpu: Quantity = Field(default="1", description="CPU a pod may use at most.")
    memory: Quantity = Field(default="512Mi", description="Memory a pod may use at most.")


class Resources(Model):
    """CPU and memory of each API pod."""

    requests: Requests = Field(default=Requests(), description="What is promised.")
    limits: Limits = Field(default=Limits(), description="What is the most.")
    rules = (
        Rule(
            cel="quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0",
            message="resources.requests.cpu is above resources.limits.cpu; raise the limit too "
            "(by default requests.cpu is 500m and limits.cpu is 1)",
            holds=lambda resources: amount(resources.requests.cpu) <= amount(resources.limits.cpu),
        ),
        Rule(
            cel="quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0",
            message="resources.requests.memory is above resources.limits.memory; raise the limit too "
            "(by default requests.memory is 256Mi and limits.memory is 512Mi)",
            holds=lambda resources: amount(resources.requests.memory) <= amount(resources.limits.memory),
        ),
    )


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class RateLimits(Model):
    """Requests allowed per window; counted in the cache, shared by all pods."""

    anonymous: int = Field(default=100, ge=1, le=1000000, description="Requests per client address.")
    authenticated: int = Field(default=1000, ge=1, le=1000000, description="Requests per signed-in user.")
    window_seconds: int = Field(default=900, ge=1, le=86400, description="Length of the window, seconds.")


class ConfigMapKeySelector(Model):
    """One key of a ConfigMap in the resource's namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the namespace of this resource.")
    key: DataKey = Field(description="Key in the ConfigMap whose value is used.")


class EnvSource(Model):
    """Where a variable's value comes from."""

    secret_key_ref: SecretKeySelector | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: ConfigMapKeySelector | None = Field(default=None, description="A key of a ConfigMap.")
    rules = (
        Rule(
            cel="has(self.secretKeyRef) != has(self.configMapKeyRef)",
            message="name exactly one of secretKeyRef and configMapKeyRef",
            holds=lambda source: (source.secret_key_ref is None) != (source.config_map_key_ref is None),
        ),
    )


OWN_VARIABLES: Final = (
    "CORS_ORIGINS",
    "DATABASE_URL",
    "DRAIN_SECONDS",
    "JWT_SECRET",
    "LOG_LEVEL",
    "PORT",
    "RATE_LIMIT_ANONYMOUS",
    "RATE_LIMIT_AUTHENTICATED",
    "RATE_LIMIT_WINDOW_SECONDS",
    "REDIS_URL",
    "TRUSTED_PROXIES",
)
"""Variables that have a field of their own in the resource, and so cannot be given in `config.env`."""


class EnvVar(Model):
    """An environment variable of the API container."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern="^[A-Za-z_][A-Za-z0-9_]*$")] = Field(
        description="Name of the variable."
    )
    value: Annotated[str, Field(max_length=32768)] | None = Field(default=None, description="Its value.")
    value_from: EnvSource | None = Field(default=None, description="Where its value comes from instead.")
    rules = (
        Rule(
            cel="has(self.value) != has(self.valueFrom)",
            message="give the variable either a value or a valueFrom",
            holds=lambda variable: (variable.value is None) != (variable.value_from is None),
        ),
        Rule(
            # `<NAME>_FILE` is another way to give the API the same value, and it takes only one of the two.
            cel=f"!({list(OWN_VARIABLES)}.exists(v, self.name == v || self.name == v + '_FILE'))",
            message="this variable has a field of its own: database, cache, jwtSecret, config.logLevel, "
            "config.corsOrigins, config.rateLimits, config.trustedProxies, availability.drainSeconds "
            "(the port is always 4001)",
            holds=lambda variable: variable.name.removesuffix("_FILE") not in OWN_VARIABLES,
        ),
    )


class Config(Model):
    """Settings of the API."""

    log_level: LogLevel = Field(default=LogLevel.INFO, description="Least severe level that is logged.")
    cors_origins: Annotated[
        tuple[Annotated[str, Field(max_length=256, pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$")], ...],
        Field(max_length=20),
    ] = Field(
        default=(),
        description="Origins whose pages may call the API, such as https://map.hogwarts.edu; default none.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    rate_limits: RateLimits = Field(default=RateLimits(), description="Requests allowed per window.")
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        le=10,
        description="How many proxies in front are trusted to report the client's address (X-Forwarded-For).",
    )
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64)] = Field(
        default=(),
        description="More environment variables of the API container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    config_map_refs: Annotated[tuple[LocalRef, ...], Field(max_length=8)] = Field(
        default=(),
        description="ConfigMaps whose keys become environment variables; the fields above win over them.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class _Probe(Model):
    timeout_seconds: int = Field(default=3, ge=1, le=60, description="Seconds an answer may take.")
    failure_threshold: int = Field(default=3, ge=1, le=20, description="Failures in a row that count.")


class LivenessProbe(_Probe):
    """GET /health/live; failing restarts the container."""

    initial_delay_seconds: int = Field(default=10, ge=0, le=3600, description="Seconds before the first one.")
    period_seconds: int = Field(default=30, ge=1, le=3600, description="Seconds between two.")


class ReadinessProbe(_Probe):
    """GET /health/ready; failing takes the pod out of traffic."""

    initial_delay_seconds: int = Field(default=5, ge=0, le=3600, description="Seconds before the first one.")
    period_seconds: int = Field(default=10, ge=1, le=3600, description="Seconds between two.")


class Probes(Model):
    """Health checks of the API container. A startup probe precedes them, as long as the progress deadline."""

    liveness: LivenessProbe = Field(default=LivenessProbe(), description="GET /health/live, else restart.")
    readiness: ReadinessProbe = Field(
        default=ReadinessProbe(), description="GET /health/ready, else no traffic."
    )


class TolerationOperator(StrEnum):
    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """A taint the pods put up with; as in a pod."""

    key: Annotated[str, Field(max_length=317)] | None = Field(default=None, description="Key of the taint.")
    operator: TolerationOperator = Field(default=TolerationOperator.EQUAL, description="Exists or Equal.")
    value: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Value of the taint."
    )
    effect: TaintEffect | None = Field(default=None, description="Effect of the taint; absent means any.")
    toleration_seconds: int | None = Field(
        default=None, ge=0, description="How long a NoExecute taint is put up with, seconds."
    )
    rules = (
        Rule(
            cel="has(self.key) || self.operator == 'Exists'",
            message="a toleration without key tolerates every taint; say so with operator: Exists, or add the key",
            holds=lambda toleration: (
                toleration.key is not None or toleration.operator is TolerationOperator.EXISTS
            ),
        ),
        Rule(
            cel="!has(self.value) || self.operator == 'Equal'",
            message="a toleration with operator: Exists has no value; remove the value, or write operator: Equal",
            holds=lambda toleration: (
                toleration.value is None or toleration.operator is TolerationOperator.EQUAL
            ),
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            message="tolerationSeconds needs effect: NoExecute",
            holds=lambda toleration: (
                toleration.toleration_seconds is None or toleration.effect is TaintEffect.NO_EXECUTE
            ),
        ),
    )


def _unreserved(keys: Any) -> bool:
    return not any(key.startswith(prefix) for key in keys for prefix in RESERVED_PREFIXES)


def _keys_rule(name: str) -> Rule:
    unreserved = " && ".join(f"!k.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES)
    return Rule(
        cel=f"!has(self.{name}) || self.{name}.all(k, {unreserved})",
        message=f"podTemplate.{name} may not begin with {' or '.join(RESERVED_PREFIXES)}: the operator "
        "finds its pods by them; use a prefix of your own",
        holds=lambda template: _unreserved(getattr(template, name)),
    )


class PodTemplate(Model):
    """What else the API's pods carry; part of a revision, so a change is rolled out."""

    labels: LabelMap = Field(default={}, description="More labels of the pods.")
    annotations: StringMap = Field(default={}, description="More annotations of the pods.")
    node_selector: LabelMap = Field(default={}, description="Labels a node must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default=(),
        description="Taints the pods put up with.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    affinity: dict[str, Any] = Field(
        default={},
        description="Affinity of the pods, as in a pod; the API server checks it when the pods are made.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    priority_class_name: ObjectName | None = Field(default=None, description="Priority class of the pods.")
    runtime_class_name: ObjectName | None = Field(default=None, description="Runtime class of the pods.")
    rules = (
        _keys_rule("labels"),
        _keys_rule("annotations"),
        qualified_keys("labels", "labels"),
        qualified_keys("annotations", "annotations"),
        qualified_keys("nodeSelector", "node_selector"),
    )
