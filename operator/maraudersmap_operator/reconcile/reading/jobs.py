"""The migrations Job of a revision, as the facts that `decide` takes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from maraudersmap_operator.cluster import Cluster, Key, Manifest, Store
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import JOB, POD
from maraudersmap_operator.cluster.mask import NOTHING_TO_MIGRATE, Mask
from maraudersmap_operator.cluster.reported import condition_of, has_condition
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.rollout import JobState, MigrationFacts

from .cluster_events import latest_warning
from .labels import component_of, revision_of
from .pods import OWN_CONTAINERS, pod_facts, required_time, time_of

# The reason of a Job that has failed by its activeDeadlineSeconds, and by nothing else.
OUT_OF_TIME = "DeadlineExceeded"


def newest_job(store: Store, key: Key, revision: str) -> Manifest | None:
    jobs = [j for j in store.children(key, JOB) if revision_of(j) == revision]
    return max(jobs, key=attempt_of) if jobs else None


def _pods_of_job(job: Manifest, pods: list[Manifest]) -> list[Manifest]:
    return [p for p in pods if _job_name(p) == job["metadata"]["name"]]


def _succeeded(pod: Manifest, job: Manifest) -> bool:
    """Its own: someone else's may carry the same label. All that ran in it has ended well, and is not started again."""
    owner = controller_of(pod)
    if owner is None or owner.get("uid") != job["metadata"]["uid"]:
        return False
    status = pod.get("status") or {}
    ends = [(c.get("state") or {}).get("terminated") for c in status.get("containerStatuses") or ()]
    # The kubelet reports all containers of a pod or none.
    all_ended = bool(ends) and all(end and end.get("exitCode") == 0 for end in ends)
    return all_ended or status.get("phase") == "Succeeded"


async def migration_warning(
    cluster: Cluster, store: Store, key: Key, revision: str, pods: list[Manifest]
) -> str:
    """Why the newest Job has no pod, in the cluster's words."""
    job = newest_job(store, key, revision)
    if job is None or _pods_of_job(job, pods) or _job_state(job)[0] is not JobState.RUNNING:
        return ""
    return await latest_warning(cluster, key.namespace, "Job", job["metadata"]["name"])


def migration_facts(
    store: Store,
    key: Key,
    revision: str,
    pods: list[Manifest],
    lost: set[str],
    warning: str,
    data_since: datetime | None,
) -> MigrationFacts | None:
    """The newest attempt of the revision's migrations Job; None when there is none. `lost`: names of nodes. `data_since`:
    how old the database's data can be at most.

    While a pod of any attempt still runs the migrations, the revision migrates: its Job may have failed at its deadline, or
    be deleted without it."""
    newest = newest_job(store, key, revision)
    running = _that_still_run(pods or store.children(key, POD), revision, lost)
    if newest is None:
        return _without_job(revision, running, pods, lost)
    own = _pods_of_job(newest, pods)
    facts = tuple(pod_facts(p, lost) for p in own)
    state, finished_at, message = _job_state(newest)
    ends = [t for p in facts for t in p.last_terminations]
    if state is not JobState.COMPLETE and any(_succeeded(p, newest) for p in own):
        # The kubelet calls the pod succeeded a second after it reports the end of the container, and the Job's controller
        # gathers such news for a second more: every rollout would wait for both. And should the deadline run out, or the
        # pod be taken away meanwhile, the Job is called failed though all was done.
        state, finished_at = JobState.COMPLETE, ends[-1].finished_at if ends else None
    if ends and ends[-1].message:
        message = ends[-1].message.strip()
    if state is JobState.FAILED and running:
        state, finished_at, message = JobState.RUNNING, None, _waits_for(running)
    return MigrationFacts(
        revision=revision,
        attempt=attempt_of(newest),
        state=state,
        created_at=(created := required_time(newest["metadata"]["creationTimestamp"])),
        lost=data_since is not None and created < data_since,
        unchanged=state is JobState.COMPLETE and message == NOTHING_TO_MIGRATE,
        exit_code=ends[-1].exit_code if ends else None,
        message=warning or message,
        finished_at=finished_at,
        out_of_time=condition_of(newest.get("status") or {}, "Failed").get("reason") == OUT_OF_TIME,
        pods=facts,
    )


def _that_still_run(pods: list[Manifest], revision: str, lost: set[str]) -> list[Manifest]:
    """Those of the revision's migrations, of whichever Job, or of none. What ran on a lost node is not waited for."""
    return [
        p
        for p in pods
        if component_of(p) == Component.MIGRATIONS
        and revision_of(p) == revision
        and not _has_ended(p)
        and not pod_facts(p, lost).disrupted
    ]


def _has_ended(pod: Manifest) -> bool:
    """Its migrations have, whatever else runs in it."""
    status = pod.get("status") or {}
    own = [c for c in status.get("containerStatuses") or () if c.get("name") in OWN_CONTAINERS]
    ended = any((c.get("state") or {}).get("terminated") for c in own)
    return ended or status.get("phase") in ("Succeeded", "Failed")


def _without_job(
    revision: str, running: list[Manifest], pods: list[Manifest], lost: set[str]
) -> MigrationFacts | None:
    """Someone has deleted the Job and left its pod."""
    if not running:
        return None
    uids = {p["metadata"]["uid"] for p in running}
    return MigrationFacts(
        revision=revision,
        attempt=max(_attempt_of_name(_job_name(p)) for p in running),
        state=JobState.RUNNING,
        created_at=min(required_time(p["metadata"]["creationTimestamp"]) for p in running),
        message=_waits_for(running),
        pods=tuple(pod_facts(p, lost) for p in pods if p["metadata"]["uid"] in uids),
    )


def _waits_for(running: list[Manifest]) -> str:
    names = ", ".join(sorted(p["metadata"]["name"] for p in running))
    return f"pod {names} still runs, and two at once could spoil the schema"


def _job_name(pod: Manifest) -> str:
    return str((pod["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-name", ""))


def has_ended(job: Manifest) -> bool:
    """Well or badly: no pod of it will run any more."""
    return has_condition(job, "Complete") or has_condition(job, "Failed")


def attempt_of(job: Manifest) -> int:
    """The number in a Job's name; 0 for a name that is none of ours."""
    return _attempt_of_name(str(job["metadata"]["name"]))


def _attempt_of_name(job: str) -> int:
    number = job.rsplit("-", 1)[-1]
    return int(number) if number.isdecimal() and number.isascii() else 0


def _job_state(job: Manifest) -> tuple[JobState, Any, str]:
    for kind, state in (("Complete", JobState.COMPLETE), ("Failed", JobState.FAILED)):
        if has_condition(job, kind):
            found = condition_of(job["status"], kind)
            message = Mask().cluster(str(found.get("message", ""))) if state is JobState.FAILED else ""
            return state, time_of(found.get("lastTransitionTime")), message
    held = "is suspended, by hand or by a queue of Jobs, and waits to be resumed"
    return JobState.RUNNING, None, held if has_condition(job, "Suspended") else ""
