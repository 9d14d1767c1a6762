"""Jobs that have lost their controller (`kubectl delete --cascade=orphan`, a restored backup) and are ours by their labels.

Every other child is adopted where it is written: nothing in a Job is ever written again.
"""

from __future__ import annotations

from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import JOB

from ..context.subject import Subject


async def adopt_jobs(subject: Subject) -> None:
    """Give each its controller again, so that it goes with the resource. Raises ClusterError."""
    cluster, store, owner = subject.cluster, subject.store, subject.owner
    for job in store.children(subject.key, JOB):
        if controller_of(job) is not None or "deletionTimestamp" in job["metadata"]:
            continue
        live = await cluster.get(JOB, owner.namespace, job["metadata"]["name"])
        if (
            live is None
            or live["metadata"]["uid"] != job["metadata"]["uid"]
            or controller_of(live) is not None
        ):
            continue
        others = live["metadata"].get("ownerReferences") or []
        live["metadata"]["ownerReferences"] = [*others, owner.reference()]
        store.confirm(JOB, await cluster.replace(live))
