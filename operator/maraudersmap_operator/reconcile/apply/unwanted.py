"""Removal of what no watch shows: an object of ours that the spec does not ask for any more.

Looked for once by each process and after each time that it was wanted, so that one that a former process, or a pass that was
overtaken, has left goes too. Once deleted or found absent, it is not asked for again.
"""

from __future__ import annotations

from maraudersmap_operator.cluster import ClusterError, Kind, NotLeading
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.telemetry import logger

from ..context.subject import Subject
from ..status.fates import Fate, state_of

UNWANTED = "unwanted"


async def remove_unseen(subject: Subject, kind: Kind, name: str) -> Fate | None:
    """Delete the resource's own object of that name, if there is one. Its fate when that failed, noted; None otherwise.

    Raises NotLeading."""
    cluster, owner, known, fates = subject.cluster, subject.owner, subject.remembered.known, subject.fates
    known.forget(kind.kind, name)
    if (kind.kind, name) in known.absent:
        return None
    if fates.waits(kind.kind, name, UNWANTED, subject.now):
        return fates.of(kind.kind, name)
    try:
        # Without the kind there is no object either: both are absent.
        live = await cluster.get(kind, owner.namespace, name)
        controller = controller_of(live) if live is not None else None
        if live is not None and controller is not None and controller["uid"] == owner.uid:
            await cluster.delete(kind, owner.namespace, name, live["metadata"]["uid"])
            subject.store.remove(live["metadata"]["uid"])
    except NotLeading:
        raise
    except ClusterError as error:
        logger().warning("not pruned", child=f"{kind.kind} {name}", error=error.message)
        message = f"it is no longer wanted, and could not be removed: {error.message}"
        fate = Fate(kind.kind, name, state_of(error), message)
        fates.note(fate, UNWANTED, subject.now)
        return fate
    known.absent.add((kind.kind, name))
    return None
