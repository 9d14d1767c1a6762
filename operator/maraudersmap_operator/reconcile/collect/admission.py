"""Would the cluster admit a pod of the stable revision that it does not admit of the candidate? Asked by dry run."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, ClusterError, Manifest, NotLeading, Refused
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, JOB
from maraudersmap_operator.rollout import Admission
from maraudersmap_operator.telemetry import logger

from ..context.subject import Subject
from ..reading.jobs import newest_job

# What the API server answers when *we* may not ask.
NOT_OURS_TO_ASK = 'cannot create resource "pods"'


async def ask_admission(subject: Subject, candidate: str, stable: str) -> Admission | None:
    """What a dry run of one pod of each answers now; None when that cannot be found out.

    While the candidate has no Deployment it is its migrations that are refused: asked about are then the pod of its Job, and
    the one that the same Job would have with stable's template.
    """
    cluster, owner = subject.cluster, subject.owner
    try:
        candidates, stables = (_template(subject, r) for r in (candidate, stable))
        if candidates is None and (job := newest_job(subject.store, subject.key, candidate)) is not None:
            # The store keeps no Job's template.
            live = await cluster.get(JOB, owner.namespace, job["metadata"]["name"])
            candidates = live["spec"]["template"] if live is not None else None
            stables = stables and children.job(owner, subject.spec, stable, 0, stables)["spec"]["template"]
        if candidates is None or stables is None:
            return None
        refused = await _refusal(cluster, owner, candidates)
        accepted = not await _refusal(cluster, owner, stables)
    except NotLeading:
        raise
    except ClusterError as error:
        logger().info("admission cannot be asked", error=error.message)
        return None
    return Admission(candidate_refused=refused, stable_accepted=accepted)


async def _refusal(cluster: Cluster, owner: Owner, template: Manifest) -> str:
    """The API server's sentence against such a pod; empty when it would admit it. Raises ClusterError."""
    meta = template["metadata"]
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**meta, "generateName": f"{owner.name}-asked-", "namespace": owner.namespace},
        "spec": template["spec"],
    }
    try:
        await cluster.create(pod, dry_run=True)
    except Refused as error:
        if NOT_OURS_TO_ASK in error.message:
            raise
        return error.message
    return ""


def _template(subject: Subject, revision: str) -> Manifest | None:
    name = children.names.deployment(subject.owner.name, revision)
    deployment = subject.store.find(subject.key, DEPLOYMENT, name)
    return deployment["spec"]["template"] if deployment is not None else None
