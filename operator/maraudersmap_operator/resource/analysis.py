"""When a new revision is worse than the stable one: what `.spec.rollout.analysis` asks for. See docs/analysis.md.

Changes here roll nothing out.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from maraudersmap_operator.resource.model import DNS_LABEL, Model, Rule
from maraudersmap_operator.resource.names import ANNOTATION_PROMOTE

MAX_QUERIES = 10


class OnInconclusive(StrEnum):
    """What becomes of a step whose comparison has not enough data when the step is over."""

    PASS = "Pass"  # noqa: S105  # a word, not a password
    PAUSE = "Pause"
    FAIL = "Fail"


class ErrorRateLimit(Model):
    """How many more answers may be 5xx."""

    max_increase_percent: float = Field(
        default=2.0,
        ge=0,
        le=100,
        description="Percentage points by which the share of 5xx answers may exceed that of the stable revision.",
    )
    max_percent: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Share of 5xx answers, in percent, that is too high whatever the stable revision does; used "
        "only while the stable revision has too few requests to compare with.",
    )


class LatencyLimit(Model):
    """How much slower answers may be."""

    quantile: float = Field(
        default=0.95,
        ge=0.5,
        le=0.99,
        description="Slower means that more than 1 - quantile of the requests have become slower.",
    )
    max_ratio: float = Field(
        default=2.0,
        ge=1.1,
        le=100,
        description="How many times as long as with the stable revision they may take.",
    )
    max_seconds: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="Seconds that the quantile may take whatever the stable revision does; used only while the "
        "stable revision has too few requests to compare with.",
    )


class PrometheusQuery(Model):
    """One number that must stay between bounds."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)] = Field(
        description="Names the query in the status and in messages."
    )
    query: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="PromQL that gives a scalar or a vector of one element. {{namespace}}, {{name}}, "
        "{{candidate}} and {{stable}} stand for the resource and the hashes of the two revisions."
    )
    max: float | None = Field(default=None, description="A value above it is bad.")
    min: float | None = Field(default=None, description="A value below it is bad.")
    rules = (
        Rule(
            cel="has(self.max) || has(self.min)",
            message="give the query a bound: max, min or both",
            holds=lambda query: query.max is not None or query.min is not None,
        ),
        Rule(
            cel="!has(self.max) || !has(self.min) || self.min <= self.max",
            message="min is above max; no value could ever be good",
            holds=lambda query: query.max is None or query.min is None or query.min <= query.max,
            field_path=".min",
        ),
    )


class Prometheus(Model):
    """A Prometheus whose word counts as well."""

    url: Annotated[str, Field(max_length=512, pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")] = Field(
        description="Address, such as http://prometheus.monitoring.svc:9090; reached from the operator's pod."
    )
    queries: Annotated[tuple[PrometheusQuery, ...], Field(min_length=1, max_length=MAX_QUERIES)] = Field(
        description="What to ask; bad in three looks in a row is a reason to go back.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    rules = (
        Rule(
            cel="!self.url.contains('@')",
            message="prometheus.url must not carry a user name or password: anybody may read the resource",
            holds=lambda prometheus: "@" not in prometheus.url,
            field_path=".url",
        ),
        Rule(
            cel="self.queries.all(q, self.queries.exists_one(other, other.name == q.name))",
            message="two of prometheus.queries have the same name",
            holds=lambda prometheus: len({q.name for q in prometheus.queries}) == len(prometheus.queries),
            field_path=".queries",
        ),
    )


class Analysis(Model):
    """Comparing the new revision's answers with the stable one's while both, or it alone, get users' requests."""

    enabled: bool = Field(default=True, description="Off: only pods that fail are a reason to go back.")
    interval_seconds: int = Field(
        default=5, ge=1, le=300, description="Seconds between two looks at the pods' metrics."
    )
    min_requests: int = Field(
        default=50,
        ge=10,
        le=1_000_000,
        description="Requests that each of the two must have answered before they are compared.",
    )
    error_rate: ErrorRateLimit = Field(
        default=ErrorRateLimit(), description="How many more answers may be 5xx."
    )
    latency: LatencyLimit = Field(default=LatencyLimit(), description="How much slower answers may be.")
    on_inconclusive: OnInconclusive = Field(
        default=OnInconclusive.PASS,
        description="When there was too little data to compare. Pass: go on, and say so; a service without "
        f"traffic must be deployable. Pause: wait for {ANNOTATION_PROMOTE}. Fail: go back.",
    )
    prometheus: Prometheus | None = Field(
        default=None, description="Queries to a Prometheus on top; absent means none."
    )
