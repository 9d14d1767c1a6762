"""Kubernetes Events, for `kubectl describe`: on transitions only, one object per thing that can happen, with a count."""

from __future__ import annotations

import hashlib
from datetime import datetime

from maraudersmap_operator.cluster import Cluster, ClusterError, Conflict, Manifest, namespace_ends
from maraudersmap_operator.cluster.kinds import EVENT
from maraudersmap_operator.resource import MaraudersMap
from maraudersmap_operator.resource.names import API_VERSION, KIND, MANAGER
from maraudersmap_operator.resource.status_model import rfc3339
from maraudersmap_operator.rollout import Note
from maraudersmap_operator.telemetry import logger

MAX_MESSAGE = 1024  # the API server refuses longer ones


async def announce(cluster: Cluster, resource: MaraudersMap, note: Note, now: datetime) -> None:
    """Post the note, or count up the same one from before. Never fails a pass: an Event is a courtesy."""
    event = _event(resource, note, now)
    try:
        await _post(cluster, event, now)
    except ClusterError as error:
        # The note is in the log below either way.
        if not namespace_ends(error):
            logger().warning("event not posted", reason=note.reason, error=str(error))
    logger().info(note.message, reason=note.reason, type=str(note.type))


async def _post(cluster: Cluster, event: Manifest, now: datetime) -> None:
    meta = event["metadata"]
    try:
        await cluster.create(event)
    except Conflict:
        known = await cluster.get(EVENT, meta["namespace"], meta["name"])
        if known is not None:
            patch = {"count": int(known.get("count") or 1) + 1, "lastTimestamp": rfc3339(now)}
            await cluster.merge(EVENT, meta["namespace"], meta["name"], patch)


def _event(resource: MaraudersMap, note: Note, now: datetime) -> Manifest:
    text = f"{resource.uid} {note.type} {note.reason} {note.message}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{resource.name}.{hashlib.sha256(text.encode()).hexdigest()[:16]}",
            "namespace": resource.namespace,
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": resource.name,
            "namespace": resource.namespace,
            "uid": resource.uid,
        },
        "type": str(note.type),
        "reason": note.reason,
        "message": note.message[:MAX_MESSAGE],
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": MANAGER,
        "firstTimestamp": rfc3339(now),
        "lastTimestamp": rfc3339(now),
        "count": 1,
    }
