"""What is written once, and has lost its controller (`kubectl delete --cascade=orphan`, a restored backup) or its labels.

Every other child is put right where it is written: nothing in a Job, or in the data of a record, is ever written again.
"""

from __future__ import annotations

from maraudersmap_operator import children
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, JOB

from ..context.subject import Subject
from ..reading.labels import recorded_inputs, recorded_template, revision_of
from .child_writer import ChildWriter


async def adopt_records(subject: Subject, child_writer: ChildWriter) -> None:
    """Put the metadata of each record right: by its labels it is found after a restart, with its owner it goes. Raises
    NotLeading."""
    for record in subject.store.children(subject.key, CONTROLLER_REVISION):
        revision, template = revision_of(record), recorded_template(record)
        name = children.names.controller_revision(subject.owner.name, revision)
        if not revision or not template or record["metadata"]["name"] != name:
            continue  # a StatefulSet's own, or one that is written again where it is needed
        if "deletionTimestamp" not in record["metadata"]:
            data, number = record["data"], int(record.get("revision") or 0)
            await child_writer.ensure(
                children.controller_revision(
                    subject.owner,
                    revision,
                    number,
                    template,
                    str(data.get("image", "")),
                    inputs=recorded_inputs(record) or None,
                )
            )


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
