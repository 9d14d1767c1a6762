"""How many pods run, how a new revision is tried, what may interrupt it: changes here roll nothing out."""

from enum import StrEnum
from typing import Annotated

from pydantic import AliasChoices, Field

from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.model import Model, Rule
from maraudersmap_operator.resource.names import ANNOTATION_PROMOTE
from maraudersmap_operator.resource.quantity import IntOrPercent


class SelectPolicy(StrEnum):
    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingPolicyType(StrEnum):
    PODS = "Pods"
    PERCENT = "Percent"


class ScalingPolicy(Model):
    """A bound on one move."""

    type: ScalingPolicyType = Field(description="Pods or Percent.")
    value: int = Field(ge=1, le=10000, description="How many pods, or how many percent.")
    period_seconds: int = Field(ge=1, le=1800, description="In how many seconds.")


class ScalingRules(Model):
    """How fast one direction may go; as in a HorizontalPodAutoscaler."""

    stabilization_window_seconds: int | None = Field(
        default=None, ge=0, le=3600, description="Seconds of past recommendations that are considered."
    )
    select_policy: SelectPolicy | None = Field(default=None, description="Which policy wins, or Disabled.")
    policies: Annotated[tuple[ScalingPolicy, ...], Field(max_length=8)] = Field(
        default=(), description="Bounds on a move.", json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )


class ScalingBehavior(Model):
    """How fast the autoscaler may move; the cluster's defaults where absent."""

    scale_up: ScalingRules | None = Field(default=None, description="Adding pods.")
    scale_down: ScalingRules | None = Field(default=None, description="Removing pods.")


class Autoscaling(Model):
    """A HorizontalPodAutoscaler on the serving revision."""

    enabled: bool = Field(default=True, description="Off: the number of pods is `replicas`.")
    min_replicas: int = Field(default=3, ge=1, le=1000, description="Fewest pods.")
    max_replicas: int = Field(default=10, ge=1, le=1000, description="Most pods.")
    target_cpu_utilization_percentage: int = Field(
        default=70,
        ge=1,
        le=1000,
        # Spelt as autoscaling/v1 spells it; to_camel would write `Cpu`.
        validation_alias=AliasChoices("targetCPUUtilizationPercentage", "target_cpu_utilization_percentage"),
        serialization_alias="targetCPUUtilizationPercentage",
        description="CPU aimed at, in percent of the pods' request.",
    )
    behavior: ScalingBehavior | None = Field(default=None, description="How fast it may move.")
    rules = (
        Rule(
            cel="self.minReplicas <= self.maxReplicas",
            message="autoscaling.minReplicas is above autoscaling.maxReplicas; lower the one or raise "
            "the other",
            holds=lambda autoscaling: autoscaling.min_replicas <= autoscaling.max_replicas,
            field_path=".minReplicas",
        ),
    )


class Migrations(Model):
    """The Job that brings the database's schema up to a revision before its first pod starts."""

    enabled: bool = Field(default=True, description="Off: somebody else migrates the database.")
    reversible: bool = Field(
        default=True,
        description="Off: the previous revision cannot work with the new schema. Once the Job has changed it, nothing is "
        "rolled back by itself; the status shows it and waits for a person.",
    )
    timeout_seconds: int = Field(
        default=600, ge=10, le=86400, description="Seconds one attempt may take before it counts as failed."
    )


LONGEST_DEADLINE_SECONDS = 24 * 60 * 60
LONGEST_TIMEOUT_SECONDS = 7 * LONGEST_DEADLINE_SECONDS


class Strategy(StrEnum):
    """How traffic moves to a new revision."""

    BLUE_GREEN = "BlueGreen"
    CANARY = "Canary"
    ROLLING = "Rolling"


# Both revisions have at most as many pods as serve in full.
MAX_SHARE_BY_PODS = 50


class CanaryStep(Model):
    """One share of the traffic, and how long it is watched."""

    share: int = Field(
        ge=1,
        le=100,
        description="Percent of the traffic. With spec.gateway it is the weight in the route. Without, it follows from the "
        "number of pods: rounded down to whole pods, one at least, and at most 50 percent.",
    )
    hold_seconds: int = Field(default=30, ge=0, le=86400, description="Seconds before the next step.")
    pause: bool = Field(
        default=False,
        description=f"On: wait for a new value of the annotation {ANNOTATION_PROMOTE} instead, however long.",
    )


DEFAULT_STEPS = (CanaryStep(share=10), CanaryStep(share=50))


class Rollback(Model):
    """Going back by itself."""

    enabled: bool = Field(
        default=True, description="Off: a revision found bad is held where it is, and the status shows it."
    )


class Rollout(Model):
    """How a new revision is tried before users meet it, and when it is given up."""

    strategy: Strategy = Field(
        default=Strategy.BLUE_GREEN,
        description="BlueGreen: two pods on trial without traffic, then a full second set, then all traffic "
        "at once; the old set stays until the bake is over. Canary: after the trial growing shares of the traffic (`steps`), "
        "then as BlueGreen. Both need room for two sets of pods. Rolling: after the trial the pods are exchanged in batches "
        "of a quarter; needs room for one batch, and going back takes as long as going forward. A change acts on the next "
        "rollout.",
    )
    steps: Annotated[tuple[CanaryStep, ...], Field(max_length=20)] = Field(
        default=(),
        description="Canary only: the shares of traffic, each larger than the one before. None: 10 and 50 percent, 30 "
        "seconds each.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    min_ready_seconds: int = Field(
        default=10, ge=0, le=3600, description="Seconds the pods on trial must stay ready before they count."
    )
    progress_deadline_seconds: int = Field(
        default=300,
        ge=5,
        le=LONGEST_DEADLINE_SECONDS,
        description="Seconds without a further pod becoming ready after which a revision is given up; pods "
        "may take as long to start.",
    )
    timeout_seconds: int = Field(
        default=1800,
        ge=10,
        le=LONGEST_TIMEOUT_SECONDS,
        description="Seconds after which an unfinished rollout is given up.",
    )
    max_failures: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Container terminations of the new revision within 10 minutes that make a crash loop.",
    )
    bake_seconds: int = Field(
        default=60,
        ge=0,
        le=86400,
        description="Seconds the old set is kept ready to take the traffic back after the switch.",
    )
    image_not_found_grace_seconds: int = Field(
        default=0,
        ge=0,
        le=86400,
        description="Seconds an image may be missing from its registry before the revision is given up; for "
        "tags that are pushed after the resource.",
    )
    analysis: Analysis = Field(
        default=Analysis(),
        description="Comparing the answers of the new revision with those of the stable one, once it has traffic.",
    )
    auto_promote: bool = Field(
        default=True,
        description="Off: before the new revision gets all traffic, it waits for a new value of the annotation "
        f"{ANNOTATION_PROMOTE}.",
    )
    paused: bool = Field(
        default=False,
        description="On: nothing goes forward. A new revision waits to be tried, one under way stays at its "
        "step; a bad one is still taken back.",
    )
    rollback: Rollback = Field(default=Rollback(), description="Going back by itself.")
    revision_history_limit: int = Field(
        default=10, ge=1, le=100, description="Old revisions kept so that they can be restored exactly."
    )
    rules = (
        Rule(
            cel="self.minReadySeconds < self.progressDeadlineSeconds",
            message="rollout.minReadySeconds must be below rollout.progressDeadlineSeconds, or no revision "
            "could ever finish",
            holds=lambda rollout: rollout.min_ready_seconds < rollout.progress_deadline_seconds,
            field_path=".minReadySeconds",
        ),
        Rule(
            cel="self.progressDeadlineSeconds <= self.timeoutSeconds",
            message="rollout.timeoutSeconds is below rollout.progressDeadlineSeconds; raise it, or lower "
            "the deadline",
            holds=lambda rollout: rollout.progress_deadline_seconds <= rollout.timeout_seconds,
            field_path=".timeoutSeconds",
        ),
        Rule(
            cel="!has(self.steps) || size(self.steps) == 0 || self.strategy == 'Canary'",
            message="rollout.steps is for rollout.strategy Canary; remove the steps, or set the strategy",
            holds=lambda rollout: not rollout.steps or rollout.strategy is Strategy.CANARY,
            field_path=".steps",
        ),
        Rule(
            cel="!has(self.steps) || self.steps.map(s, s.share).isSorted()",
            message="rollout.steps must not give the new revision less traffic than the step before",
            holds=lambda rollout: [s.share for s in rollout.steps] == sorted(s.share for s in rollout.steps),
            field_path=".steps",
        ),
    )


class PodDisruptionBudget(Model):
    """What a drain may take away at once."""

    enabled: bool = Field(default=True, description="Off: a drain may take every pod.")
    max_unavailable: IntOrPercent = Field(
        default="1", description="Pods that may be away at once, a count or a percentage."
    )


class WhenUnsatisfiable(StrEnum):
    SCHEDULE_ANYWAY = "ScheduleAnyway"
    DO_NOT_SCHEDULE = "DoNotSchedule"


class TopologySpread(Model):
    """Spreading a revision's pods over nodes and zones."""

    topology_keys: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=317)], ...], Field(max_length=4)
    ] = Field(
        default=("kubernetes.io/hostname", "topology.kubernetes.io/zone"),
        description="Node labels to spread over; an empty list switches spreading off.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    when_unsatisfiable: WhenUnsatisfiable = Field(
        default=WhenUnsatisfiable.SCHEDULE_ANYWAY,
        description="ScheduleAnyway: a wish. DoNotSchedule: a pod that cannot be placed evenly waits.",
    )


class Availability(Model):
    """What keeps the service up while pods come and go."""

    pod_disruption_budget: PodDisruptionBudget = Field(
        default=PodDisruptionBudget(), description="What a drain may take away at once."
    )
    topology_spread: TopologySpread = Field(
        default=TopologySpread(), description="Spreading over nodes and zones."
    )
    drain_seconds: int = Field(
        default=5,
        ge=0,
        le=300,
        description="Seconds a stopping pod keeps serving while load balancers forget it.",
    )
    termination_grace_seconds: int = Field(
        default=30,
        ge=16,
        le=3600,
        description="Seconds before a stopping pod is killed: the drain, 15 seconds for requests in flight, "
        "and a margin.",
    )
    rules = (
        Rule(
            cel="self.terminationGraceSeconds > self.drainSeconds + 15",
            message="availability.terminationGraceSeconds must be above availability.drainSeconds + 15, or "
            "requests in flight are cut off",
            holds=lambda availability: (
                availability.termination_grace_seconds > availability.drain_seconds + 15
            ),
            field_path=".terminationGraceSeconds",
        ),
    )
