"""Collect: everything one pass needs to know, from the store and a few reads, as the facts that `decide` takes.

Only the store decides what is there; a read that fails leaves its fact as it was known, or unknown, and ends no pass.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Manifest, Store
from maraudersmap_operator.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    JOB,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
)
from maraudersmap_operator.cluster.store import controller_of
from maraudersmap_operator.resource import MaraudersMap
from maraudersmap_operator.resource.names import (
    ANNOTATION_MIGRATED,
    LABEL_COMPONENT,
    LABEL_REVISION,
    NO_REVISION,
    SHARED,
    Component,
)
from maraudersmap_operator.rollout import (
    JobState,
    MigrationFacts,
    Need,
    Observed,
    RecordedRevision,
    RevisionFacts,
    RouteFacts,
    TargetRevision,
    name_revision,
    revision_inputs,
)
from maraudersmap_operator.telemetry import logger

from .masking import NOTHING_TO_MIGRATE, Mask, Masks, masked
from .nodes import Nodes
from .pods import pod_facts, time_of
from .references import References
from .sight import in_time

ANNOTATION_MIGRATED = "hogwarts.edu/migrated"
SELECTING = (DEPLOYMENT.kind, STATEFUL_SET.kind)
LABEL_SERVICE = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Observation:
    """`observed` for the brain; the rest for the hands that carry its decision out."""

    observed: Observed
    inputs: dict[str, Any]
    config_map_copies: dict[str, str]


async def observe(
    cluster: Cluster,
    store: Store,
    nodes: Nodes,
    key: Key,
    resource: MaraudersMap,
    owner: Owner,
    references: References,
    route: RouteFacts | None,
    masks: Masks,
    unknown: tuple[str, str] = ("", ""),
) -> Observation:
    """`masks`: what is kept out of every text of a pod or Job. `unknown`: why it is not known what the spec asks for,
    as reason and sentence; empty when it is."""
    spec = resource.spec
    digests = {name: children.content_digest(c) for name, c in references.config_maps.items()}
    inputs = revision_inputs(spec, digests)
    # A StatefulSet's own ControllerRevisions carry our labels as well, but no revision of ours.
    recorded = [r for r in store.children(key, CONTROLLER_REVISION) if revision_of(r)]
    # One that was written again from what ran does not say what it was made from: no proof of a collision.
    made_from = {revision_of(r): r["data"]["inputs"] for r in recorded if "inputs" in (r.get("data") or {})}
    target = name_revision(inputs, made_from)
    if not references.complete and not unknown[0]:
        unknown = (references.need.reason, references.need.message)
    candidate = resource.status.candidate
    migrating = target if not unknown[0] else (candidate.revision if candidate else "")
    known = store.children(key, POD)
    # At the same time: each of these may take as long as a read may.
    pods, lost, refused_job, refused_database = await asyncio.gather(
        masked(known, masks),
        nodes.lost([p for p in known if component_of(p) in (Component.API, Component.MIGRATIONS)]),
        _migration_warning(cluster, store, key, migrating, known),
        _database_warning(cluster, store, key, resource, owner, known),
    )
    migration = _migration(store, key, migrating, pods, lost, refused_job)
    database = _database(store, key, resource, owner, pods, refused_database)
    observed = Observed(
        target=None if unknown[0] else TargetRevision(target, spec.image),
        unknown_reason=unknown[0],
        unknown=unknown[1],
        serving=serving_revision(store, key),
        previewed=_selected(store, key, children.names.preview_service(key.name)),
        preview_endpoints=ready_endpoints(store, key, children.names.preview_service(key.name)),
        route=route,
        ready_endpoints=ready_endpoints(store, key, children.names.service(key.name)),
        revisions={d.revision: d for d in _revisions(store, key, pods, lost)},
        recorded={r.revision: r for r in map(_recorded, recorded)},
        migration=migration,
        references=references.need,
        secrets=references.secrets,
        database=database,
    )
    copies = {name: children.names.config_map_copy(owner.name, digest) for name, digest in digests.items()}
    return Observation(observed, inputs, copies)


def revision_of(obj: Manifest) -> str:
    return str(_labels(obj).get(LABEL_REVISION, ""))


def component_of(obj: Manifest) -> str:
    return str(_labels(obj).get(LABEL_COMPONENT, ""))


def _labels(obj: Manifest) -> Manifest:
    """Its labels. What pods a Deployment is of is read from its selector, which no one can change, while labels are anyone's
    to edit and may stay edited for as long as a repair is refused."""
    labels: Manifest = obj["metadata"].get("labels") or {}
    if obj.get("kind") in SELECTING:
        return labels | ((obj["spec"].get("selector") or {}).get("matchLabels") or {})
    return labels


def serving_revision(store: Store, key: Key) -> str:
    """The revision in the Service's selector; empty for none, SHARED for every one."""
    return _selected(store, key, children.names.service(key.name))


def _selected(store: Store, key: Key, name: str) -> str:
    return selected_revision(store.find(key, SERVICE, name))


def selected_revision(service: Manifest | None) -> str:
    """The revision that a Service selects; empty for none, SHARED for every one."""
    if service is None:
        return ""
    revision = str((service["spec"].get("selector") or {}).get(LABEL_REVISION, SHARED))
    return "" if revision == NO_REVISION else revision


def ready_endpoints(store: Store, key: Key, service: str) -> frozenset[str]:
    """Names of the pods that get the Service's requests and are ready. Someone else's count for nothing."""
    return endpoint_names(store, key, service, ready=True) - store.strangers(key)


def endpoint_names(store: Store, key: Key, service: str, *, ready: bool = False) -> frozenset[str]:
    """Names of all pods behind the Service, of any owner. `ready`: only those that get requests."""
    slices = [
        s
        for s in store.children(key, ENDPOINT_SLICE)
        if (s["metadata"].get("labels") or {}).get(LABEL_SERVICE) == service
    ]
    return frozenset(
        e["targetRef"]["name"]
        for s in slices
        for e in s.get("endpoints") or ()
        if e.get("targetRef") and ((e.get("conditions") or {}).get("ready") or not ready)
    )


def _revisions(store: Store, key: Key, pods: list[Manifest], lost: set[str]) -> list[RevisionFacts]:
    found = []
    for deployment in store.children(key, DEPLOYMENT):
        revision = revision_of(deployment)
        if component_of(deployment) != Component.API or not revision:
            continue
        own = {p["metadata"]["uid"] for p in pods_of(store, key, revision)}
        found.append(
            RevisionFacts(
                revision=revision,
                size=int(deployment["spec"].get("replicas", 1)),
                pods=tuple(pod_facts(p, lost) for p in pods if p["metadata"]["uid"] in own),
                create_error=_create_error(deployment),
                deleting="deletionTimestamp" in deployment["metadata"],
            )
        )
    return found


def pods_of(store: Store, key: Key, revision: str) -> list[Manifest]:
    """Pods that a Deployment of the revision has made, through its ReplicaSets. Those of an earlier Deployment of the same
    revision, retired a moment ago, look ready and are about to go: they have another controller."""
    deployments = {
        d["metadata"]["uid"] for d in store.children(key, DEPLOYMENT) if revision_of(d) == revision
    }
    sets = {r["metadata"]["uid"] for r in store.children(key, REPLICA_SET) if _controller(r) in deployments}
    return [
        p for p in store.children(key, POD) if component_of(p) == Component.API and _controller(p) in sets
    ]


def _controller(obj: Manifest) -> str:
    return str((controller_of(obj) or {}).get("uid", ""))


def _create_error(deployment: Manifest) -> str:
    """Why the ReplicaSet controller cannot create pods: a quota, an admission webhook, a policy."""
    for condition in (deployment.get("status") or {}).get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Mask().cluster(str(condition.get("message", "")))
    return ""


def _recorded(record: Manifest) -> RecordedRevision:
    annotations = record["metadata"].get("annotations") or {}
    return RecordedRevision(
        revision=revision_of(record),
        number=int(record.get("revision", 0)),
        image=str((record.get("data") or {}).get("image", "")),
        migrated=ANNOTATION_MIGRATED in annotations,
    )


def newest_job(store: Store, key: Key, revision: str) -> Manifest | None:
    jobs = [j for j in store.children(key, JOB) if revision_of(j) == revision]
    return max(jobs, key=attempt_of) if jobs else None


def _pods_of_job(job: Manifest, pods: list[Manifest]) -> list[Manifest]:
    name = job["metadata"]["name"]
    return [
        p for p in pods if (p["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-name") == name
    ]


async def _migration_warning(
    cluster: Cluster, store: Store, key: Key, revision: str, pods: list[Manifest]
) -> str:
    """Why the newest Job has no pod, in the cluster's words."""
    job = newest_job(store, key, revision)
    if job is None or _pods_of_job(job, pods) or _job_state(job)[0] is not JobState.RUNNING:
        return ""
    return await latest_warning(cluster, key.namespace, "Job", job["metadata"]["name"])


def _migration(
    store: Store, key: Key, revision: str, pods: list[Manifest], lost: set[str], warning: str
) -> MigrationFacts | None:
    """The newest attempt of the revision's migrations Job; None when there is none."""
    newest = newest_job(store, key, revision)
    if newest is None:
        return None
    own = _pods_of_job(newest, pods)
    facts = tuple(pod_facts(p, lost) for p in own)
    state, finished_at, message = _job_state(newest)
    ends = [t for p in facts for t in p.last_terminations]
    if ends and ends[-1].message:
        message = ends[-1].message.strip()
    return MigrationFacts(
        revision=revision,
        attempt=attempt_of(newest),
        state=state,
        unchanged=state is JobState.COMPLETE and message == NOTHING_TO_MIGRATE,
        exit_code=ends[-1].exit_code if ends else None,
        message=warning or message,
        finished_at=finished_at,
        pods=facts,
    )


def attempt_of(job: Manifest) -> int:
    """The number in a Job's name; 0 for a name that is none of ours."""
    number = str(job["metadata"]["name"]).rsplit("-", 1)[-1]
    return int(number) if number.isdecimal() and number.isascii() else 0


def _job_state(job: Manifest) -> tuple[JobState, Any, str]:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["status"] != "True":
            continue
        if condition["type"] == "Complete":
            return JobState.COMPLETE, time_of(condition.get("lastTransitionTime")), ""
        if condition["type"] == "Failed":
            return (
                JobState.FAILED,
                time_of(condition.get("lastTransitionTime")),
                Mask().cluster(str(condition.get("message", ""))),
            )
    return JobState.RUNNING, None, ""


async def _database_warning(
    cluster: Cluster, store: Store, key: Key, resource: MaraudersMap, owner: Owner, pods: list[Manifest]
) -> str:
    """Why the evaluation database has no pod, in the cluster's words."""
    name = children.names.postgres(owner.name)
    if resource.spec.database.evaluation is None or store.find(key, STATEFUL_SET, name) is None:
        return ""
    if any(component_of(p) == Component.POSTGRES for p in pods):
        return ""
    return await latest_warning(cluster, key.namespace, "StatefulSet", name)


def _database(
    store: Store, key: Key, resource: MaraudersMap, owner: Owner, pods: list[Manifest], warning: str
) -> Need:
    if resource.spec.database.evaluation is None:
        return Need(
            True, "External", "the database is the user's own; migrations show whether it can be reached"
        )
    name = children.names.postgres(owner.name)
    stateful_set = store.find(key, STATEFUL_SET, name)
    status = (stateful_set or {}).get("status") or {}
    if int(status.get("readyReplicas") or 0) >= 1:
        return Need(True, "EvaluationDatabaseReady", _storage_message(resource))
    own = [pod_facts(p) for p in pods if component_of(p) == Component.POSTGRES]
    why = next((f"{p.waiting_reason}: {p.waiting_message}" for p in own if p.waiting_message), "")
    why = why or next((p.unschedulable for p in own if p.unschedulable), "")
    why = why or warning
    return Need(False, "DatabaseNotReady", f"the evaluation database is not ready{': ' + why if why else ''}")


def _storage_message(resource: MaraudersMap) -> str:
    evaluation = resource.spec.database.evaluation
    if evaluation is not None and evaluation.storage is None:
        return "its data lives in an emptyDir and is lost with the pod; database.evaluation.storage keeps it"
    return "its data lives in a persistent volume"


async def latest_warning(cluster: Cluster, namespace: str, kind: str, name: str) -> str:
    """What the cluster reports about an object that has no pods: quota and admission report only by Events."""
    fields = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
    try:
        listing = await in_time(cluster.list(EVENT, namespace, fields=fields))
    except ClusterError as error:
        logger().info("no events to read", object=f"{kind} {name}", error=error.message)
        return ""
    events = sorted(listing.items, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    return Mask().cluster(str(events[-1].get("message", ""))) if events else ""
