"""`support-bundle`: everything an engineer would ask for about one resource, masked, in one archive.

What may not be read, or does not answer, is named in the index and leaves the rest alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from maraudersmap_operator.cluster import Cluster, ClusterError, Kind, Manifest
from maraudersmap_operator.cluster.kinds import (
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    MARAUDERSMAP,
    NODE,
    OBSERVED,
    POD,
    SECRET,
)
from maraudersmap_operator.cluster.mask import Mask, forms_of, mask_of
from maraudersmap_operator.cluster.reported import has_condition
from maraudersmap_operator.resource.names import LABEL_INSTANCE, LABEL_NAME, MANAGER
from maraudersmap_operator.resource.status_model import rfc3339

from .archive import Archive, writing
from .explain import explain, explanation_lines
from .hiding import hidden, secret_names, without_values
from .history import history_lines
from .read import SELECTOR, read_one
from .status import status_tree
from .tree import plain

OPERATOR_SELECTOR = f"{LABEL_NAME}={MANAGER}"
# Per container and run. The newest lines, as far as they fit.
LOG_LINES, LOG_BYTES = 5000, 1024 * 1024
# Pods whose logs are taken, those that are not ready first. An autoscaler may have made hundreds.
MOST_PODS = 30
T = TypeVar("T")

README = """\
Support bundle of MaraudersMap {full_name}, made {made_at} by kubectl-marauders {version}.

resource.json          the resource, its status included
views/                 what `kubectl marauders status`, `explain` and `history` show
children/              objects that belong to it, by kind
secrets.json           Secrets by name, type and keys; values are in no file
events.json            Events of the namespace about it and its children
pods/POD/CONTAINER.log the last {lines} lines of each container, none older than {since}; .previous.log: of the run before
operator/              Deployment, pods and logs of the operator
nodes.json             a summary of the nodes that run its pods
definition.json        what the API server declares of the kind

Masked: {masked}, and what looks like a password in a URL or a pair, a bearer token or a JWT.
"""


@dataclass(frozen=True, slots=True)
class Wish:
    namespace: str
    name: str
    operator_namespace: str
    since: timedelta
    target: Path
    overwrite: bool


@dataclass(slots=True)
class _Work:
    """What one run has found so far."""

    cluster: Cluster
    wish: Wish
    archive: Archive
    now: datetime
    report: Callable[[str], None]
    mask: Mask = field(default_factory=Mask)
    unread: dict[str, str] = field(default_factory=dict)  # path -> why it is not there

    async def attempt(self, path: str, reading: Awaitable[T]) -> T | None:
        """What the reading gives; None, and a line in the index, when it fails."""
        try:
            return await reading
        except ClusterError as error:
            self.unread[path] = error.message
            return None

    def put(self, path: str, value: Any) -> None:
        self.archive.add(path, json.dumps(hidden(value, self.mask), indent=1, ensure_ascii=False) + "\n")


async def support_bundle(cluster: Cluster, wish: Wish, now: datetime) -> dict[str, str]:
    """Write the archive; what could not be read, by its path in the archive, with the reason.

    `now` is aware UTC. Raises NoSuchResource, a ClusterError when the resource itself cannot be read, Exists, and OSError.
    """
    root = wish.target.name.removesuffix(".gz").removesuffix(".tar")
    # Before anything is written: a name that is not there leaves no archive.
    snapshot = await read_one(cluster, wish.namespace, wish.name, events=True)
    with writing(wish.target, root, now, overwrite=wish.overwrite) as archive:
        work = _Work(cluster, wish, archive, now, _to_stderr)
        work.report(f"reading {wish.namespace}/{wish.name} and what belongs to it")
        resource = await work.attempt("resource.json", cluster.get(MARAUDERSMAP, wish.namespace, wish.name))
        children = await _children(work)
        await _secrets(work, (resource or {}, *children.values()))
        if resource is not None:
            work.put("resource.json", resource)
        for name, view in (
            ("status", plain(status_tree(snapshot, now))),
            ("explain", explanation_lines(explain(snapshot, now))),
            ("history", history_lines(snapshot, now)),
        ):
            archive.add(f"views/{name}.txt", work.mask.container("\n".join((*view, ""))))
        for kind, found in children.items():
            work.put(f"children/{kind.plural}.json", found)
        pods = children.get(POD, [])
        await _events(work, [resource or {}, *(o for found in children.values() for o in found)])
        await _logs(work, "pods", wish.namespace, pods)
        await _operator(work)
        await _nodes(work, pods)
        definition = await work.attempt("definition.json", cluster.schema(MARAUDERSMAP))
        if definition is not None:
            work.put("definition.json", definition)
        _index(work)
    return work.unread


async def _children(work: _Work) -> dict[Kind, list[Manifest]]:
    found: dict[Kind, list[Manifest]] = {}
    selector = f"{SELECTOR},{LABEL_INSTANCE}={work.wish.name}"
    for kind in (*OBSERVED, HTTP_ROUTE):
        path = f"children/{kind.plural}.json"
        listing = await work.attempt(path, work.cluster.list(kind, work.wish.namespace, selector))
        if listing is not None and listing.items:
            found[kind] = list(listing.items)
    return found


async def _secrets(work: _Work, objects: Iterable[Any]) -> None:
    """By name and keys; their values make the mask, and go nowhere else."""
    shown, forms = [], set[str]()
    for name in sorted({n for o in objects for n in secret_names(o)}):
        path = f"secrets.json: {name}"
        secret = await work.attempt(path, work.cluster.get(SECRET, work.wish.namespace, name))
        if secret is not None:
            shown.append(without_values(secret))
            forms.update(forms_of(secret))
        elif path not in work.unread:
            work.unread[path] = "it does not exist"
    work.mask = mask_of(forms)
    work.put("secrets.json", shown)


async def _events(work: _Work, objects: Sequence[Manifest]) -> None:
    listing = await work.attempt("events.json", work.cluster.list(EVENT, work.wish.namespace))
    if listing is not None:
        uids = {o.get("metadata", {}).get("uid") for o in objects} - {None}
        work.put("events.json", [e for e in listing.items if e["involvedObject"].get("uid") in uids])


async def _logs(work: _Work, below: str, namespace: str, pods: Sequence[Manifest]) -> None:
    pods = sorted(pods, key=lambda pod: has_condition(pod, "Ready"))
    for pod in pods[MOST_PODS:]:
        work.unread[f"{below}/{pod['metadata']['name']}"] = f"logs of {MOST_PODS} pods are taken at most"
    for number, pod in enumerate(pods[:MOST_PODS], 1):
        name = pod["metadata"]["name"]
        work.report(f"logs of pod {name} ({number} of {min(len(pods), MOST_PODS)})")
        status = pod.get("status") or {}
        for state in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            for previous in (False, True):
                began = "waiting" not in (state.get("state") or {}) or state.get("restartCount")
                if began and (not previous or state.get("restartCount")):
                    await _log(work, below, namespace, name, state["name"], previous)


async def _log(work: _Work, below: str, namespace: str, pod: str, container: str, previous: bool) -> None:
    path = f"{below}/{pod}/{container}{'.previous' if previous else ''}.log"
    since = int(work.wish.since.total_seconds())
    reading = work.cluster.logs(namespace, pod, container, LOG_LINES, previous, since=since, limit=LOG_BYTES)
    text = await work.attempt(path, reading)
    if text is not None:
        work.archive.add(path, work.mask.container(text))


async def _operator(work: _Work) -> None:
    namespace = work.wish.operator_namespace
    work.report(f"reading the operator in {namespace}")
    for kind in (DEPLOYMENT, POD):
        path = f"operator/{kind.plural}.json"
        listing = await work.attempt(path, work.cluster.list(kind, namespace, OPERATOR_SELECTOR))
        if listing is None:
            continue
        if not listing.items:
            work.unread[path] = (
                f"there is none in namespace {namespace!r}; --operator-namespace chooses another"
            )
            continue
        work.put(path, list(listing.items))
        if kind is POD:
            await _logs(work, "operator", namespace, listing.items)


async def _nodes(work: _Work, pods: Sequence[Manifest]) -> None:
    names = {(p.get("spec") or {}).get("nodeName") for p in pods} - {None, ""}
    shown = []
    for name in sorted(str(n) for n in names):
        node = await work.attempt(f"nodes.json: {name}", work.cluster.get(NODE, None, name))
        if node is not None:
            shown.append(_node_summary(node))
    work.put("nodes.json", shown)


def _node_summary(node: Manifest) -> Manifest:
    status, spec = node.get("status") or {}, node.get("spec") or {}
    return {
        "name": node["metadata"]["name"],
        "unschedulable": bool(spec.get("unschedulable")),
        "taints": spec.get("taints") or [],
        "conditions": status.get("conditions") or [],
        "capacity": status.get("capacity") or {},
        "allocatable": status.get("allocatable") or {},
        "nodeInfo": status.get("nodeInfo") or {},
    }


def _index(work: _Work) -> None:
    """The last file: what is there, and what is not."""
    wish = work.wish
    masked = (
        "the values of the Secrets in secrets.json" if work.mask.values else "no value of a Secret is known"
    )
    text = README.format(
        full_name=f"{wish.namespace}/{wish.name}",
        made_at=rfc3339(work.now),
        version=metadata.version("maraudersmap"),
        lines=LOG_LINES,
        since=wish.since,
        masked=masked,
    )
    read = "".join(f"{size:>10}  {path}\n" for path, size in sorted(work.archive.sizes.items()))
    unread = "".join(f"{path}: {why}\n" for path, why in sorted(work.unread.items())) or "nothing\n"
    work.archive.add(
        "index.txt",
        f"{text}\nFiles, with their bytes:\n{read}\nCould not be read:\n{work.mask.container(unread)}",
    )


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
