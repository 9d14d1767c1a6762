"""Reading one resource and what belongs to it, with whatever rights the user has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from maraudersmap_operator.cluster import Cluster, Kind, Manifest, NotFound, Refused
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, EVENT, MARAUDERSMAP, POD
from maraudersmap_operator.resource.names import (
    KIND,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    MANAGER,
    Component,
)

from .snapshot import Snapshot, happening_of, pod_of, record_of, snapshot_of

FORBIDDEN = 403
SELECTOR = f"{LABEL_MANAGED_BY}={MANAGER}"


class NoSuchResource(Exception):
    """The message lists those that exist."""


async def read_one(cluster: Cluster, namespace: str, name: str, *, events: bool = False) -> Snapshot:
    """The resource with its pods and revisions. Raises NoSuchResource or a ClusterError."""
    resource = await cluster.get(MARAUDERSMAP, namespace, name)
    if resource is None:
        raise NoSuchResource(await who_exists(cluster, namespace, name))
    notes: list[str] = []
    belonging = await _belonging(cluster, namespace, f"{SELECTOR},{LABEL_INSTANCE}={name}", notes)
    snapshot = pictured(snapshot_of(resource), belonging, notes)
    return await _with_events(cluster, snapshot, resource["metadata"]["uid"]) if events else snapshot


async def read_all(cluster: Cluster, namespace: str) -> list[Snapshot]:
    """Every resource of the namespace, by name. Raises NoSuchResource when there is none."""
    try:
        listing = await cluster.list(MARAUDERSMAP, namespace)
    except NotFound as error:
        raise NoSuchResource(no_kind()) from error
    if not listing.items:
        raise NoSuchResource(await who_exists(cluster, namespace, None))
    notes: list[str] = []
    belonging = await _belonging(cluster, namespace, SELECTOR, notes)
    found = [pictured(snapshot_of(item), belonging, notes) for item in listing.items]
    return sorted(found, key=lambda s: s.name)


async def status_only(cluster: Cluster, namespace: str, name: str) -> Snapshot:
    """The resource alone: one request. Raises as `read_one`."""
    resource = await cluster.get(MARAUDERSMAP, namespace, name)
    if resource is None:
        raise NoSuchResource(f"{namespace}/{name} was deleted")
    return snapshot_of(resource)


Belonging = Mapping[Kind, tuple[Manifest, ...] | None]


async def _belonging(cluster: Cluster, namespace: str, selector: str, notes: list[str]) -> Belonging:
    return {
        kind: await _allowed(cluster, kind, namespace, notes, selector=selector)
        for kind in (POD, CONTROLLER_REVISION)
    }


async def _allowed(
    cluster: Cluster, kind: Kind, namespace: str, notes: list[str], *, selector: str = "", fields: str = ""
) -> tuple[Manifest, ...] | None:
    """The objects, or None and a note when they may not be read."""
    try:
        return (await cluster.list(kind, namespace, selector, fields)).items
    except Refused as error:
        if error.status != FORBIDDEN:
            raise
        notes.append(left_out(kind, namespace))
        return None


def left_out(kind: Kind, namespace: str, verb: str = "list") -> str:
    return (
        f"{kind.plural} are left out: you may not {verb} them in namespace {namespace!r} "
        "(the ClusterRole `view` allows it)"
    )


def pictured(snapshot: Snapshot, belonging: Belonging, notes: list[str]) -> Snapshot:
    """The resource with what belongs to it; None of a kind: it may not be read."""
    pods, records = (_own(belonging[kind], snapshot.name) for kind in (POD, CONTROLLER_REVISION))
    api = None if pods is None else [p for p in pods if _label(p, LABEL_COMPONENT) == Component.API]
    # A StatefulSet's own ControllerRevisions carry our labels as well, but no revision of ours.
    parsed = None if records is None else [r for r in map(record_of, records) if r.revision]
    return replace(
        snapshot,
        pods=None if api is None else tuple(sorted(map(pod_of, api), key=lambda p: (p.created_at, p.name))),
        records=None if parsed is None else tuple(sorted(parsed, key=lambda r: r.number)),
        notes=(*snapshot.notes, *notes),
    )


def _own(objects: tuple[Manifest, ...] | None, name: str) -> list[Manifest] | None:
    return None if objects is None else [o for o in objects if _label(o, LABEL_INSTANCE) == name]


def _label(obj: Manifest, label: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(label, ""))


async def _with_events(cluster: Cluster, snapshot: Snapshot, uid: str) -> Snapshot:
    """Events of the resource, and warnings about the pods it has now."""
    notes = list(snapshot.notes)
    own = await _allowed(cluster, EVENT, snapshot.namespace, notes, fields=f"involvedObject.uid={uid}")
    if own is None:
        return replace(snapshot, happenings=None, notes=tuple(notes))
    unready = {p.uid for p in snapshot.pods or () if not p.ready}
    warnings = (
        await _allowed(
            cluster, EVENT, snapshot.namespace, notes, fields="involvedObject.kind=Pod,type=Warning"
        )
        if unready
        else ()
    )
    pods = [e for e in warnings or () if e["involvedObject"].get("uid") in unready]
    found = sorted(map(happening_of, (*own, *pods)), key=lambda e: e.at.timestamp() if e.at else 0)
    return replace(snapshot, happenings=tuple(found), notes=tuple(notes))


async def who_exists(cluster: Cluster, namespace: str, name: str | None) -> str:
    """An answer to a name that is not there: the names that are, in this namespace or else in others."""
    asked = (
        f"no {KIND} {name!r} in namespace {namespace!r}" if name else f"no {KIND} in namespace {namespace!r}"
    )
    try:
        here = (await cluster.list(MARAUDERSMAP, namespace)).items
    except NotFound:
        return no_kind()
    if here:
        return f"{asked}; there is {_listed(sorted(o['metadata']['name'] for o in here))}"
    try:
        everywhere = (await cluster.list(MARAUDERSMAP, None)).items
    except Refused:
        return f"{asked}; -n chooses another namespace"
    if not everywhere:
        return f"{asked}, nor in any other"
    found = sorted(f"{o['metadata']['namespace']}/{o['metadata']['name']}" for o in everywhere)
    return f"{asked}; in other namespaces there is {_listed(found)} (-n chooses one)"


def _listed(names: list[str], most: int = 10) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def no_kind() -> str:
    return f"this cluster knows no {KIND}: the operator is not installed (kubectl apply -k manifests/operator/base)"
