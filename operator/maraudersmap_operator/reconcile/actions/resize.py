"""The one way to write a number of pods: fenced, through the scale subresource."""

from __future__ import annotations

from maraudersmap_operator.children import names
from maraudersmap_operator.cluster import ClusterError, Conflict, Refused
from maraudersmap_operator.cluster.kinds import DEPLOYMENT
from maraudersmap_operator.resource.names import MANAGER

from ..apply.child_writer import owned_by_another
from ..context.subject import Subject
from ..reading.live_reads import in_time
from ..status.fates import Fate, State
from .dependence import SIZE, NotYet

# Its controller writes the status often; the size that was decided on stands, at most so often.
TRIES = 3


async def resize(subject: Subject, revision: str, replicas: int) -> None:
    """Give the revision's Deployment that many pods. Raises NotYet without one, Refused for someone else's of that name, and
    ClusterError."""
    cluster, owner = subject.cluster, subject.owner
    name = names.deployment(owner.name, revision)
    for tries_left in reversed(range(TRIES)):
        live = await cluster.get(DEPLOYMENT, owner.namespace, name)
        if live is None:
            raise NotYet(f"Deployment {name} is not there")
        if anothers := owned_by_another(live, owner):
            raise Refused(anothers, 409)
        subject.store.confirm(DEPLOYMENT, live)
        if int(live["spec"].get("replicas", 1)) == replicas:
            return
        meta = live["metadata"]
        try:
            await cluster.scale(
                DEPLOYMENT, owner.namespace, name, replicas, uid=meta["uid"], version=meta["resourceVersion"]
            )
        except Conflict:
            if not tries_left:
                raise
            continue
        return


async def contested_size(subject: Subject, revision: str) -> Fate:
    """The fate of a size that someone keeps changing, with who does."""
    name = names.deployment(subject.owner.name, revision)
    manager = await _sized_by(subject, name)
    who = f"the field manager {manager!r}" if manager else "someone"
    return Fate(
        SIZE, name, State.CONTESTED,
        f"{who} keeps changing the number of pods, which belongs to this operator; too many are taken away ever less often: "
        "remove the other autoscaler, or set `replicas` or `autoscaling` in the spec of this resource",
    )  # fmt: skip


async def _sized_by(subject: Subject, name: str) -> str:
    """The last field manager other than us that wrote the number; empty when it is not known. Only to name someone."""
    try:
        live = await in_time(subject.cluster.get(DEPLOYMENT, subject.key.namespace, name))
    except ClusterError:
        return ""
    entries = [
        e
        for e in ((live or {}).get("metadata") or {}).get("managedFields") or ()
        if e.get("manager") != MANAGER and "f:replicas" in ((e.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    return str(max(entries, key=lambda e: str(e.get("time"))).get("manager", "")) if entries else ""
