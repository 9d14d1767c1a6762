"""A small simulated cluster for the engine: Deployments, pods, endpoints, migrations and a clock, driven by decisions.

It knows just enough of Kubernetes to be wrong in the same ways: pods take time, crash with the kubelet's back-off, and the
endpoints follow the selector only on the next tick.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from maraudersmap_operator import analysis
from maraudersmap_operator.resource import MaraudersMap, MaraudersMapStatus, parse
from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.other_release import dump
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_analysis import Bucket, Comparison, Tally
from maraudersmap_operator.rollout import (
    Admission,
    Autoscaled,
    Decision,
    Deploy,
    JobState,
    MarkMigrated,
    Migrate,
    MigrationFacts,
    Need,
    Observed,
    PodFacts,
    RecordedRevision,
    RecordRevision,
    Retire,
    RevisionFacts,
    RouteFacts,
    RouteTo,
    ScaleTo,
    StoreStatus,
    TargetRevision,
    Termination,
    Weigh,
    decide,
    name_revision,
    revision_inputs,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NEVER = timedelta(days=365)
# The kubelet's waits before restarts of one container: 0, 10, 20, 40 ... seconds.
LEAVING = timedelta(seconds=4)
UNKNOWN = "reading manifest 9 in app: manifest unknown"
BACKOFFS = (0, 10, 20, 40, 80, 160, 300)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How pods of an image behave. Seconds; None: never."""

    ready_after: float | None = 2
    dies_after: float | None = None
    dies_until: float | None = (
        None  # a container started later than this after the image's first pod stays up
    )
    image_missing: bool = False
    migration_exit: int = 0
    migration_unchanged: bool = False
    pull_denied: bool = False
    no_room: bool = False  # no node has what the migrations' pod asks for
    unready_from: float | None = None  # seconds after START from which its pods are unready: a shared cause
    one_falls_every: float | None = None  # one of its pods that has not ended yet does, every so many seconds
    exit_code: int = 1
    terminations_reason: str = "Error"
    errors_percent: int = 0  # of users' requests
    slow: bool = False  # five times as slow
    starts_after: float = 1  # until the kubelet has its container running: pulling, mounting volumes
    waiting: tuple[str, str] = ("", "")  # why it has not started, in the kubelet's words
    injected: str = ""  # what is wrong with a container that someone put in beside it
    unready_of: tuple[float, float] = (0, 0)  # each of its pods is unready for so long of every so long
    migration_takes: float = 1
    migration_waits: bool = False  # its container is never started
    migration_exits: bool = True  # off: killed by the Job's deadline, its exit code lost with the pod


@dataclass(slots=True)
class Pod:
    uid: str
    revision: str
    created: datetime
    started: datetime
    pulled: bool = False  # a registry that answers otherwise later takes nothing away
    restarts: int = 0
    down_until: datetime | None = None
    ends: list[Termination] = field(default_factory=list)


class World:
    """One MaraudersMap and its cluster."""

    def __init__(self, **spec: Any) -> None:
        base: dict[str, Any] = {
            "image": "good:1",
            "database": {"evaluation": {}},
            "autoscaling": {"enabled": False},
        }
        self.spec = base | spec
        self.annotations: dict[str, str] = {}
        self.generation = 1
        self.now = START
        self.behaviours: dict[str, Behaviour] = {}
        self.status = MaraudersMapStatus()
        self.serving = ""
        self.autoscaler = Autoscaled()
        self.route_weight = 0
        self.route_served = 0  # the weight that the Gateway works with: that of a tick ago
        self.gateway_deaf = False  # it takes up nothing new
        self.no_gateway = False  # no Gateway serves the route
        self.previewed = ""
        self.preview_endpoints: frozenset[str] = frozenset()
        self.preview_broken = False  # its Service is gone, or someone has edited its selector
        self.endpoints: frozenset[str] = frozenset()
        self.sizes: dict[str, int] = {}
        self.pods: list[Pod] = []
        self.leaving: list[tuple[Pod, datetime]] = []  # pods that were scaled away, and when
        self.recorded: dict[str, RecordedRevision] = {}
        self.inputs: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, MigrationFacts] = {}
        self.references = Need(True, Reason.READY)
        self.database = Need(True, Reason.READY)
        self.data_since: datetime | None = None
        self.secrets: dict[str, str] = {}
        self.requests_per_second = 0
        self.create_error = ""  # no further pod can be created: quota, admission
        self.outage = False  # something that every pod needs is away: none is ready, of whatever revision
        self.lying_around: dict[str, tuple[PodFacts, ...]] = {}  # further pods of a revision, as they are
        self.undeletable: set[str] = set()  # revisions whose Deployment the API server does not let go
        self.no_node_for: set[str] = set()  # revisions whose further pods find no node
        self.unknown = ""  # why it is not known what the spec asks for
        self.unwatched = 0.0  # seconds for which no operator has looked, for the next pass
        self.admission: Admission | None = None  # the API server's answer whenever it is asked
        self.asked = 0  # how often it was
        self.ask_admission = False
        self.disrupted: set[str] = set()  # pods on a lost node
        self.hung: dict[str, datetime] = {}  # pods that answer nothing any more, and since when
        self.actions: list[Any] = []
        self.reasons: Counter[str] = Counter()
        self._uids = count(1)
        self._first_pod: dict[str, datetime] = {}
        self._parsed: tuple[str, Any] = ("", None)

    # --- what a user or the weather does -------------------------------------------------------------------------------
    def behave(self, image: str, behaviour: Behaviour) -> World:
        self.behaviours[image] = behaviour
        return self

    def hang(self, *pods: Pod) -> World:
        self.hung |= {pod.uid: self.now for pod in pods}
        return self

    def edit(self, **spec: Any) -> World:
        self.spec |= spec
        self.generation += 1
        return self

    def annotate(self, name: str, value: str) -> World:
        self.annotations[f"hogwarts.edu/{name}"] = value
        return self

    def set_database(self, ready: bool) -> None:
        self.database = Need(True, Reason.READY) if ready else Need(False, Reason.DATABASE_NOT_READY, "away")

    def lose_a_node(self) -> World:
        """A third of the pods go unready with their node; new ones take their place, as after its eviction."""
        gone = self.pods[::3]
        self.pods = [p for p in self.pods if p not in gone]
        return self

    def delete(self, revision: str) -> None:
        """Its Deployment, and with it its pods: another one of the same name gets pods of its own."""
        if self.sizes.pop(revision, None) is None:
            return
        self.leaving += [(p, self.now) for p in self.pods if p.revision == revision]
        self.pods = [p for p in self.pods if p.revision != revision]

    @property
    def autoscaled(self) -> bool:
        return bool(self.spec["autoscaling"]["enabled"])

    # --- time ------------------------------------------------------------------------------------------------------------
    def run(self, seconds: float, step: float = 0.5) -> World:
        """Let the operator and the cluster go on side by side."""
        for _ in range(int(seconds / step)):
            self.turn()
            self.tick(step)
        self.turn()
        return self

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._autoscale()
        for revision, size in self.sizes.items():
            own = [p for p in self.pods if p.revision == revision]
            for _ in range(0 if self.create_error else size - len(own)):
                uid = f"pod-{next(self._uids)}"
                self._first_pod.setdefault(self.image(revision), self.now)
                starts = timedelta(seconds=self._behaviour(revision).starts_after)
                if revision in self.no_node_for:
                    starts = NEVER
                self.pods.append(Pod(uid, revision, self.now, self.now + starts))
            for pod in own[size:]:
                self.pods.remove(pod)
                self.leaving.append((pod, self.now))
        self.leaving = [(p, since) for p, since in self.leaving if self.now < since + LEAVING]
        for pod in self.pods:
            self._live(pod)
        self._migrate()
        selected = (p for p in self.pods if self.serving in (p.revision, SHARED))
        self.endpoints = frozenset(p.uid for p in selected if self._ready(p))
        self.preview_endpoints = frozenset(
            p.uid
            for p in self.pods
            if p.revision == self.previewed and self._ready(p) and not self.preview_broken
        )
        if not self.gateway_deaf:
            self.route_served = self.route_weight

    def turn(self) -> Decision:
        """One pass of the operator."""
        decision = self.turn_without_acting()
        self.carry_out(decision)
        return decision

    def turn_without_acting(self, seen: Observed | None = None) -> Decision:
        return decide(self.resource, seen or self.observed(), self.now)

    def with_stale_pods(self, seen: Observed, stale: Observed) -> Observed:
        """What the operator sees when watches lag: its own writes are fresh, pods and endpoints are not."""
        revisions = {
            name: replace(facts, pods=stale.revision(name).pods) for name, facts in seen.revisions.items()
        }
        return replace(seen, revisions=revisions, ready_endpoints=stale.ready_endpoints)

    def carry_out(self, decision: Decision, only: int | None = None) -> None:
        """Apply a decision; `only` the first N actions, as if the operator had died then."""
        actions = decision.actions if only is None else decision.actions[:only]
        for action in actions:
            self.actions.append(action)
            self._apply(action, decision)
        if only is None:
            self.autoscaler = decision.autoscaled
            self.previewed = decision.previewed
            self.status = decision.status
            self.unwatched, self.ask_admission = 0.0, decision.ask_admission
            self.asked += decision.ask_admission
            if "gateway" not in self.spec:
                self.route_weight = self.route_served = 0
            self.reasons.update(n.reason for n in decision.notes)

    # --- what is asked ------------------------------------------------------------------------------------------------
    @property
    def resource(self) -> MaraudersMap:
        return parse(
            {
                "metadata": {
                    "name": "map",
                    "namespace": "test",
                    "uid": "1",
                    "generation": self.generation,
                    "annotations": self.annotations,
                },
                "spec": self.spec,
                # Through JSON, as in the cluster: what is not stored is forgotten.
                "status": dump(self.status),
            }
        )

    def observed(self) -> Observed:
        candidate = self.status.candidate.revision if self.status.candidate else ""
        return Observed(
            comparison=self._look(),
            target=None if self.unknown else TargetRevision(self.target, self.spec["image"]),
            unknown=self.unknown,
            unknown_reason=Reason.CONFIG_MAP_NOT_FOUND,
            unwatched=timedelta(seconds=self.unwatched),
            admission=self.admission if self.ask_admission else None,
            serving=self.serving,
            previewed=self.previewed,
            preview_endpoints=self.preview_endpoints,
            route=self._route(),
            ready_endpoints=self.endpoints,
            revisions={r: self.facts(r) for r in self.sizes},
            recorded=dict(self.recorded),
            migration=self.jobs.get(candidate if self.unknown else self.target),
            references=self.references,
            database=self.database,
            data_since=self.data_since,
            secrets=dict(self.secrets),
        )

    @property
    def target(self) -> str:
        return name_revision(revision_inputs(self.resource_spec), self.inputs)

    @property
    def resource_spec(self) -> Any:
        """Parsed once for each text: it is asked for far more often than it changes."""
        text = json.dumps(self.spec, sort_keys=True)
        if self._parsed[0] != text:
            self._parsed = (
                text,
                parse({"metadata": {"name": "map", "namespace": "test"}, "spec": self.spec}).spec,
            )
        return self._parsed[1]

    def facts(self, revision: str) -> RevisionFacts:
        pods = tuple(self._facts(p) for p in self.pods if p.revision == revision)
        pods += tuple(self._leaving(p, since) for p, since in self.leaving if p.revision == revision)
        pods += self.lying_around.get(revision, ())
        error = self.create_error if len(pods) < self.sizes.get(revision, 0) else ""
        return RevisionFacts(revision, self.sizes.get(revision, 0), pods, create_error=error)

    def phase(self) -> Phase | None:
        return self.status.phase

    def rejections(self) -> list[str]:
        """Reasons in the ledger, the newest first."""
        return [r.reason for r in self.status.rejected]

    def image(self, revision: str) -> str:
        return self.recorded[revision].image

    def revision(self, image: str) -> str:
        """The revision that was recorded with the image."""
        return next(r.revision for r in self.recorded.values() if r.image == image)

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(c for c in self.status.conditions if c.type == kind)
        return found.status, found.reason

    # --- inside -----------------------------------------------------------------------------------------------------------
    def _apply(self, action: Any, decision: Decision) -> None:
        match action:
            case RecordRevision(revision=revision):
                number = len(self.recorded) + 1
                self.recorded.setdefault(revision, RecordedRevision(revision, number, self.spec["image"]))
                self.inputs.setdefault(revision, revision_inputs(self.resource_spec))
            case Migrate(revision=revision, attempt=attempt):
                self.jobs[revision] = MigrationFacts(
                    revision, attempt, JobState.RUNNING, self.now, finished_at=self.now
                )
            case MarkMigrated(revision=revision):
                self.recorded[revision] = replace(self.recorded[revision], migrated=True)
            case Deploy(revision=revision):
                self.sizes.setdefault(revision, 1)
            case ScaleTo(revision=revision, replicas=replicas):
                self.sizes[revision] = replicas
            case RouteTo(revision=revision):
                self.serving = revision
            case Weigh(percent=percent):
                self.route_weight = percent
            case StoreStatus():
                self.status = decision.status
            case Retire(revision=revision) if revision in self.undeletable:
                pass
            case Retire(revision=revision):
                self.delete(revision)
                if (job := self.jobs.get(revision)) and job.state is JobState.RUNNING:
                    del self.jobs[revision]

    def _route(self) -> RouteFacts | None:
        if "gateway" not in self.spec:
            return None
        if self.no_gateway:
            return RouteFacts(
                self.route_weight, accepted=False, reason=Reason.NO_GATEWAY, message="no Gateway"
            )
        up_to_date = self.route_served == self.route_weight
        return RouteFacts(self.route_weight, accepted=True, up_to_date=up_to_date)

    def _look(self) -> Comparison | None:
        """What the analyst would bring: users' requests since the last look, spread over the ready endpoints."""
        candidate, policy = self.status.candidate, self.resource_spec.rollout.analysis
        comparison = candidate.memory.analysis if candidate else None
        if candidate is None or comparison is None or analysis.until_next_look(comparison, policy, self.now):
            return None
        since = comparison.looked_at or candidate.started_at
        requests = int(self.requests_per_second * (self.now - since).total_seconds())
        served = Counter(p.revision for p in self.pods if p.uid in self.endpoints | self._weighed())
        stable = self.status.stable.revision if self.status.stable else ""
        control, trial = (
            self._answers(revision, requests * served[revision] // max(served.total(), 1))
            for revision in (stable, candidate.revision)
        )
        return analysis.add_look(comparison, analysis.Look(control, trial), policy, self.now)

    def _weighed(self) -> frozenset[str]:
        return self.preview_endpoints if self.route_served else frozenset()

    def _answers(self, revision: str, requests: int) -> Tally:
        if not requests:
            return Tally()
        behaviour = self._behaviour(revision)
        quick = {0.01: 0.5, 0.05: 0.9, 0.1: 1.0, 0.5: 1.0}
        slow = {0.01: 0.0, 0.05: 0.4, 0.1: 0.5, 0.5: 1.0}
        shares = slow if behaviour.slow else quick
        return Tally(
            requests=requests,
            errors=requests * behaviour.errors_percent // 100,
            timed=requests,
            seconds=requests * (0.15 if behaviour.slow else 0.03),
            buckets=tuple(Bucket(le=le, count=int(requests * share)) for le, share in shares.items()),
        )

    def _autoscale(self) -> None:
        """The autoscaler keeps its bounds; zero switches it off."""
        target = self.autoscaler.revision
        size = self.sizes.get(target, 0)
        scaling = self.resource_spec.autoscaling
        if scaling.enabled and size and not self.autoscaler.held:
            least = max(scaling.min_replicas, self.autoscaler.least)
            self.sizes[target] = min(max(size, least), scaling.max_replicas)

    def _behaviour(self, revision: str) -> Behaviour:
        return self.behaviours.get(self.image(revision), Behaviour())

    def _live(self, pod: Pod) -> None:
        behaviour = self._behaviour(pod.revision)
        if pod.uid in self.disrupted:
            return
        starts = pod.created + timedelta(seconds=behaviour.starts_after)
        if self.now < pod.started != pod.created + NEVER and starts < pod.started:
            # What its image lacked is there now.
            pod.started = max(starts, self.now)
        pod.pulled = pod.pulled or (self._can_be_pulled(pod) and self.now >= pod.started)
        if pod.down_until and self.now >= pod.down_until:
            pod.started, pod.down_until = pod.down_until, None
            pod.restarts += 1
        first = self._first_pod[self.image(pod.revision)]
        if behaviour.one_falls_every and not (pod.ends or pod.down_until):
            fallen = sum(len(p.ends) for p in self.pods if p.revision == pod.revision)
            if self.now >= first + timedelta(seconds=behaviour.one_falls_every) * (fallen + 1):
                self._end(pod, self.now)
        if behaviour.dies_after is None or pod.down_until or not pod.pulled:
            return
        lasting = behaviour.dies_until is not None and pod.started >= first + timedelta(
            seconds=behaviour.dies_until
        )
        died = pod.started + timedelta(seconds=behaviour.dies_after)
        if not lasting and self.now >= died:
            self._end(pod, died)

    def _can_be_pulled(self, pod: Pod) -> bool:
        behaviour = self._behaviour(pod.revision)
        return not (behaviour.image_missing or behaviour.pull_denied)

    def _end(self, pod: Pod, died: datetime) -> None:
        behaviour = self._behaviour(pod.revision)
        reason = behaviour.terminations_reason
        pod.ends.append(Termination(behaviour.exit_code, reason, "boom", pod.started, died))
        wait = BACKOFFS[min(pod.restarts, len(BACKOFFS) - 1)]
        pod.down_until = self.now + timedelta(seconds=wait)

    def _ready(self, pod: Pod) -> bool:
        behaviour = self._behaviour(pod.revision)
        if behaviour.ready_after is None or not pod.pulled or pod.down_until or self.outage:
            return False
        if behaviour.unready_from is not None and self.now >= START + timedelta(
            seconds=behaviour.unready_from
        ):
            return False
        if pod.uid in self.disrupted or behaviour.injected:
            return False
        if self._unready_for(pod) is not None:
            return False
        return self.now >= pod.started + timedelta(seconds=behaviour.ready_after)

    def _unready_for(self, pod: Pod) -> float | None:
        """Seconds since it has become unready by itself; None while it is not. Each pod at its own time."""
        if pod.uid in self.hung:
            return (self.now - self.hung[pod.uid]).total_seconds()
        down, of = self._behaviour(pod.revision).unready_of
        turn = int(pod.uid.removeprefix("pod-")) % 3 * of / 3
        into = ((self.now - START).total_seconds() + turn) % of if of else down
        return into if into < down and self.now > pod.started + 5 * SECOND else None

    def _facts(self, pod: Pod) -> PodFacts:
        behaviour = self._behaviour(pod.revision)
        ready = self._ready(pod)
        down_for = self._unready_for(pod)
        missing = not (pod.pulled or self._can_be_pulled(pod)) and self.now >= pod.created + SECOND
        return PodFacts(
            uid=pod.uid,
            name=pod.uid,
            created_at=pod.created,
            ready=ready,
            ready_since=pod.started + timedelta(seconds=behaviour.ready_after or 0) if ready else None,
            restarts=pod.restarts,
            down=pod.down_until is not None,
            waiting_reason="ErrImagePull" if missing else behaviour.waiting[0] * (self.now < pod.started),
            waiting_message=("401 Unauthorized" if behaviour.pull_denied else UNKNOWN)
            if missing
            else behaviour.waiting[1] * (self.now < pod.started),
            unready_since=None if down_for is None else self.now - timedelta(seconds=down_for),
            injected=behaviour.injected,
            unschedulable="0/3 nodes are available: 3 Insufficient cpu."
            if pod.started - pod.created == NEVER
            else "",
            disrupted=pod.uid in self.disrupted,
            own_ready=ready or bool(behaviour.injected),
            ran_since=None if missing or self.now < pod.started else pod.started,
            last_terminations=tuple(pod.ends[-2:]),
        )

    def _leaving(self, pod: Pod, since: datetime) -> PodFacts:
        """As a kubelet shows a pod that ends because it was deleted: its container has ended too, with success."""
        end = Termination(0, "Completed", "", pod.started, since + SECOND)
        ended = self.now >= since + SECOND
        ends = (*pod.ends, end) if ended else tuple(pod.ends)
        return PodFacts(
            uid=pod.uid,
            name=pod.uid,
            created_at=pod.created,
            terminating=True,
            restarts=pod.restarts,
            down=ended,
            last_terminations=ends[-2:],
        )

    def _migrate(self) -> None:
        limit = self.resource_spec.migrations.timeout_seconds
        for revision, job in self.jobs.items():
            behaviour = self.behaviours.get(self.image(revision), Behaviour())
            if job.state is not JobState.RUNNING:
                continue
            if behaviour.image_missing:
                pod = PodFacts("job", "job", self.now, waiting_reason="ErrImagePull", waiting_message=UNKNOWN)
                self.jobs[revision] = replace(job, pods=(pod,))
            elif behaviour.no_room:
                why = "0/3 nodes are available: 3 Insufficient cpu."
                self.jobs[revision] = replace(
                    job, pods=(PodFacts("job", "job", self.now, unschedulable=why),)
                )
            elif behaviour.migration_waits and self.now < (job.finished_at or self.now) + 60 * SECOND:
                pod = PodFacts(
                    "job", "job", self.now, waiting_reason="ErrImagePull", waiting_message="503 away"
                )
                self.jobs[revision] = replace(job, pods=(pod,))
            elif job.finished_at and self.now >= job.finished_at + timedelta(
                seconds=60 if behaviour.migration_waits else behaviour.migration_takes
            ):
                well = (
                    behaviour.migration_exit == 0
                    and behaviour.migration_exits
                    and not behaviour.migration_waits
                )
                state = JobState.COMPLETE if well else JobState.FAILED
                code = (
                    behaviour.migration_exit
                    if behaviour.migration_exits and not behaviour.migration_waits
                    else None
                )
                self.jobs[revision] = replace(
                    job,
                    pods=(),
                    state=state,
                    exit_code=code,
                    unchanged=behaviour.migration_unchanged,
                    finished_at=self.now,
                    message="as it was reported",
                    out_of_time=self.now >= job.created_at + timedelta(seconds=limit),
                )
            elif job.finished_at:
                runs = PodFacts("job", "job", job.finished_at, ran_since=job.finished_at)
                self.jobs[revision] = replace(job, pods=(runs,))
