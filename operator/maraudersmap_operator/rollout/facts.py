"""What one pass observed, as plain frozen values.

`reconcile/collect/observe.py` makes these from Kubernetes objects; the rest of the package sees nothing else of the cluster.
Times are aware UTC. A count is of pods unless stated otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.reasons import AnyReason, Reason
from maraudersmap_operator.resource.status_analysis import Comparison

# EX_TEMPFAIL: the migrations could not reach the database.
EXIT_UNREACHABLE = 75
# SIGKILL and SIGTERM: something ended it: the node, its memory limit or the Job's own deadline.
KILLED = (137, 143)


@dataclass(frozen=True, slots=True)
class Termination:
    """One ended run of a container, as the kubelet reports it (it keeps only the last two per container)."""

    exit_code: int
    reason: str
    message: str
    started_at: datetime | None  # None: it never started (StartError has the epoch here)
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class PodFacts:
    uid: str
    name: str
    created_at: datetime
    secrets: str = (
        ""  # digest of the change of its Secrets that it was started for; empty: they have not changed
    )
    ready: bool = False
    ready_since: datetime | None = None
    phase: str = ""  # from the kubelet: Pending, Running, Succeeded, Failed, Unknown
    terminating: bool = False  # has a deletionTimestamp
    gone_by: datetime | None = None  # when its grace period is over; None when it is not terminating
    disrupted: bool = False  # evicted, preempted, drained, or its node is lost: shows nothing of the revision
    unready_since: datetime | None = None
    # Of the container that is the revision's own: the application's, or the migrations'.
    own_ready: bool = False  # the pod itself is ready only when every container is
    ran_since: datetime | None = (
        None  # the earliest start that the kubelet still reports; None: it has never run
    )
    restarts: int = 0
    down: bool = False  # terminated now, or waits in CrashLoopBackOff
    waiting_reason: str = ""
    waiting_message: str = ""
    last_terminations: tuple[Termination, ...] = ()
    # Of the last runs that ended, the newest last: no one has seen how, because the node was reset. They are none of those.
    unseen_ends: tuple[bool, ...] = ()
    # Of containers that someone has put into the pod.
    injected: str = ""  # what is wrong with the first that is in trouble, as a sentence; empty when none is
    unschedulable: str = ""  # the scheduler's message, empty when scheduled

    @property
    def ended(self) -> bool:
        """It will never run again, and takes no room: evicted, or done."""
        return self.phase in ("Failed", "Succeeded")

    def takes_room(self, now: datetime) -> bool:
        """It runs, is about to, or may still be running. One that outlives its grace period is waited for no longer."""
        return not self.ended and (self.gone_by is None or now < self.gone_by)

    @property
    def termination_count(self) -> int:
        """Runs that ended, without those of which the kubelet still knows that no one has seen how."""
        return max(self.all_ends - sum(self.unseen_ends), 0)

    @property
    def fell(self) -> bool:
        """It was ready, and is not any more, by its node's times: what was never ready is unready from before its start."""
        return bool(self.unready_since and self.ran_since and self.unready_since > self.ran_since)

    @property
    def was_reset(self) -> bool:
        """Its last run ended with its node."""
        return self.unseen_ends[-1:] == (True,)

    @property
    def all_ends(self) -> int:
        """restartCount, and one more for a run that ended and has not been replaced yet."""
        return self.restarts + (1 if self.down else 0)


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """A revision that has a Deployment."""

    revision: str
    size: int  # the Deployment's spec.replicas
    pods: tuple[PodFacts, ...] = ()
    create_error: str = ""  # the ReplicaSet controller cannot create pods: quota, admission
    deleting: bool = False

    @property
    def active(self) -> tuple[PodFacts, ...]:
        return tuple(p for p in self.pods if not (p.terminating or p.ended))

    @property
    def undisturbed(self) -> tuple[PodFacts, ...]:
        """Active pods that show something of the revision: no node has taken them away."""
        return tuple(p for p in self.active if not p.disrupted)

    @property
    def unready(self) -> tuple[PodFacts, ...]:
        """Of those, the ones that are not ready."""
        return tuple(p for p in self.undisturbed if not p.ready)

    @property
    def ready(self) -> int:
        return sum(1 for p in self.active if p.ready)

    def room(self, now: datetime) -> int:
        """How many pods take room on the nodes, those on their way out included."""
        return sum(1 for p in self.pods if p.takes_room(now))


class JobState(StrEnum):
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class MigrationFacts:
    """The newest migrations Job of one revision."""

    revision: str
    attempt: int
    state: JobState
    created_at: datetime
    exit_code: int | None = None
    message: str = ""
    unchanged: bool = False  # complete, and it reports that there was nothing to do
    finished_at: datetime | None = None
    pods: tuple[PodFacts, ...] = ()
    out_of_time: bool = False  # failed by the Job's own deadline
    lost: bool = False  # it was made before the data that there is: what it has done is gone

    @property
    def unreachable(self) -> bool:
        """The database was."""
        return self.exit_code == EXIT_UNREACHABLE

    @property
    def interrupted(self) -> bool:
        """A failed attempt that shows nothing of the revision: no database, its data gone, or the node took the pod away."""
        return self.unreachable or self.lost or any(p.disrupted for p in self.pods)


@dataclass(frozen=True, slots=True)
class RecordedRevision:
    """A revision that has a ControllerRevision: it can be rebuilt exactly."""

    revision: str
    number: int
    image: str
    migrated: bool = False  # in the database that there is
    lost: bool = False  # its migrations were done in a database whose data is gone


@dataclass(frozen=True, slots=True)
class Need:
    """Something a revision cannot start without. `ready` False holds a new candidate back, nothing else."""

    ready: bool
    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """The route of the Gateway API that the spec asks for."""

    weight: int = 0  # percent of its requests that the preview Service gets
    accepted: bool = False  # by every Gateway that the spec names
    up_to_date: bool = (
        True  # no Gateway serves an older version of it: all have taken this one up, or none has any
    )
    reason: AnyReason | None = None  # why it is not accepted; a Gateway has its own words
    message: str = ""

    @property
    def left(self) -> bool:
        """No Gateway sends anything to the preview Service."""
        return self.weight == 0 and self.up_to_date


@dataclass(frozen=True, slots=True)
class Nowhere:
    """There is no Service yet, or it selects no revision."""

    word = ""


@dataclass(frozen=True, slots=True)
class Only:
    """All traffic goes to one revision."""

    revision: str

    @property
    def word(self) -> str:
        return self.revision


@dataclass(frozen=True, slots=True)
class Shared:
    """The Service selects the pods of every revision: stable and candidate share the traffic."""

    word = SHARED


TrafficTarget = Nowhere | Only | Shared
"""Where traffic goes. `word` is what the Service's selector, `status.serving` and the action RouteTo have for it."""


@dataclass(frozen=True, slots=True)
class TargetRevision:
    """The revision that the spec asks for."""

    revision: str
    image: str


@dataclass(frozen=True, slots=True)
class Admission:
    """What the API server answered just now to a dry-run of one pod of each revision."""

    candidate_refused: str  # its sentence; empty when it would admit the pod
    stable_accepted: bool


@dataclass(frozen=True, slots=True)
class Observed:
    target: (
        TargetRevision | None
    )  # None: unknown, because something that makes it could not be read or understood
    unknown: str = ""  # one sentence: why the target is unknown
    unknown_reason: Reason = Reason.TARGET_UNKNOWN
    unasked: bool = False  # it is unknown only because this process has not asked yet
    unremembered: str = (
        ""  # one sentence: why what a rollout learns would be forgotten; empty when it would not
    )
    unremembered_reason: Reason = Reason.DEFINITION_OLDER
    unwatched: timedelta = timedelta(0)  # until now no operator led or looked for this long; given once
    serving: str = ""  # revision in the Service's selector, in the word of its TrafficTarget
    previewed: str = ""  # revision in the preview Service's selector; empty: none
    preview_endpoints: frozenset[str] | None = (
        None  # of the preview Service, as ready_endpoints; None: unknown
    )
    route: RouteFacts | None = None  # None: the spec asks for none
    ready_endpoints: frozenset[str] = frozenset()  # names of the pods that EndpointSlices give as ready
    strangers_answer: bool = False  # the Service selects ready pods that are not ours, or not any more
    revisions: dict[str, RevisionFacts] = field(default_factory=dict)
    recorded: dict[str, RecordedRevision] = field(default_factory=dict)
    migration: MigrationFacts | None = None  # of the target; of the candidate while the target is unknown
    references: Need = Need(True, Reason.READY)
    database: Need = Need(True, Reason.READY)
    # What the database holds is no older than this; None: nothing of it was lost.
    data_since: datetime | None = None
    # Digest of each Secret that pods read, by name; empty for one that could not be read.
    secrets: dict[str, str] = field(default_factory=dict)
    admission: Admission | None = None  # None: not asked, or it could not be asked
    comparison: Comparison | None = None  # of the candidate, with what the pods answered just now

    @property
    def traffic(self) -> TrafficTarget:
        """Where the Service's selector points."""
        if not self.serving:
            return Nowhere()
        return Shared() if self.serving == SHARED else Only(self.serving)

    @property
    def route_weight(self) -> int:
        """Percent of the Gateway's requests that the preview Service gets."""
        return self.route.weight if self.route else 0

    def revision(self, name: str) -> RevisionFacts:
        """Facts of a revision; an empty one when it has no Deployment."""
        return self.revisions.get(name, RevisionFacts(name, size=0))
