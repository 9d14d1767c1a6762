"""The one way to write a number of pods: fenced, through the scale subresource."""

from __future__ import annotations

from maraudersmap_operator.children import names
from maraudersmap_operator.cluster import Conflict, Refused
from maraudersmap_operator.cluster.kinds import DEPLOYMENT

from ..apply.child_writer import owned_by_another
from ..context.subject import Subject
from .dependence import NotYet

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
