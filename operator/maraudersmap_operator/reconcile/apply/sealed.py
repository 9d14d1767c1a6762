"""Which parts of a child are the operator's alone, and how a child is written without touching anything else.

A child is written with PUT: the object as it was just read, with its sealed parts as they should be. Server-side apply would
leave what others have added to our lists and maps (a container's variables, a Service's ports, an Ingress' hosts), and it
fails for ever once someone has edited the key of a keyed list. Not sealed are labels and annotations of others, `replicas`
(written through /scale) and whatever the API server allots: addresses, node ports, finalizers.
"""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from typing import Any

from maraudersmap_operator.cluster import Kind, Manifest
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    HTTP_ROUTE,
    INGRESS,
    NETWORK_POLICY,
    POD_MONITOR,
    PROMETHEUS_RULE,
    SERVICE,
    STATEFUL_SET,
)
from maraudersmap_operator.resource.names import ANNOTATION_DIGEST, ANNOTATION_OWNED, MANAGER, RESTARTED_AT

WHOLE = frozenset(
    k.kind
    for k in (
        AUTOSCALER, DISRUPTION_BUDGET, NETWORK_POLICY, INGRESS, HTTP_ROUTE, POD_MONITOR, PROMETHEUS_RULE,
    )
)  # fmt: skip
FIELDS: dict[str, tuple[str, ...]] = {
    SERVICE.kind: (
        "ports", "type", "externalName", "publishNotReadyAddresses", "internalTrafficPolicy", "externalTrafficPolicy",
        "sessionAffinity", "sessionAffinityConfig",
    ),
    DEPLOYMENT.kind: ("template", "paused", "strategy", "minReadySeconds", "progressDeadlineSeconds"),
    STATEFUL_SET.kind: (
        "template", "persistentVolumeClaimRetentionPolicy", "updateStrategy", "minReadySeconds", "ordinals",
    ),
}  # fmt: skip
# Our own notes on a child: without them it is not known what is ours to take away again.
NOTES = (ANNOTATION_DIGEST, ANNOTATION_OWNED)
# Left alone unless we have set them: the user has not asked for any.
OPTIONAL = {AUTOSCALER.kind: ("behavior",), SERVICE.kind: ("loadBalancerSourceRanges",)}
# Likewise, and not even ours to take away: the admission that chooses the default class does so at creation and never again.
AT_CREATION = {INGRESS.kind: ("ingressClassName",)}


def digest_of(value: Any) -> str:
    """A short name for any JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def sealed_part(kind: Kind, obj: Manifest, wanted: Manifest) -> Any:
    """What must not differ, of an object as the API server returns it. `wanted` shows which of the optional fields are ours:
    the selector of a Service that carries no users' traffic, the size of what is not scaled."""
    part: dict[str, Any] = {
        "spec": {name: obj.get("spec", {}).get(name) for name in _fields(kind, obj, wanted, _noted(obj))}
    }
    if "template" in part["spec"] and part["spec"]["template"]:
        part["spec"]["template"] = _without_restart(part["spec"]["template"])
    meta, asked = obj["metadata"], wanted["metadata"]
    part["labels"] = {k: (meta.get("labels") or {}).get(k) for k in asked.get("labels") or {}}
    ours = (*(asked.get("annotations") or {}), *NOTES)
    part["annotations"] = {k: (meta.get("annotations") or {}).get(k) for k in ours}
    part["owners"] = [
        any(o["uid"] == r["uid"] and o.get("controller") for o in meta.get("ownerReferences") or ())
        for r in asked.get("ownerReferences") or ()
    ]
    if "automountServiceAccountToken" in wanted:
        part["token"] = obj.get("automountServiceAccountToken")
    return part


def substituted(kind: Kind, live: Manifest, wanted: Manifest) -> Manifest:
    """`live`, as it was just read, with its sealed parts as `wanted` has them: the body of a PUT."""
    body = deepcopy(live)
    _metadata(body["metadata"], wanted)
    if "automountServiceAccountToken" in wanted:
        body["automountServiceAccountToken"] = wanted["automountServiceAccountToken"]
    if "spec" not in wanted or not (names := _fields(kind, live, wanted, _noted(live) | _written(live))):
        return body
    spec, asked = body.setdefault("spec", {}), wanted["spec"]
    if kind.kind in WHOLE:
        spec = body["spec"] = {name: spec[name] for name in spec if name not in names}
    for name in names:
        spec.pop(name, None)
        if name in asked:
            spec[name] = deepcopy(asked[name])
    if kind is SERVICE:
        _keep_node_ports(spec, live["spec"])
    if "template" in names:
        _keep_restart(spec["template"], live["spec"].get("template") or {})
    return body


def stamped(wanted: Manifest) -> Manifest:
    """`wanted` with a note of what it asks for."""
    meta = wanted["metadata"]
    annotations = {**(meta.get("annotations") or {}), ANNOTATION_DIGEST: digest_of(wanted)}
    owned = sorted([*(meta.get("annotations") or {}), *(f"spec.{n}" for n in _optional(wanted))])
    if owned:
        annotations[ANNOTATION_OWNED] = ",".join(owned)
    return {**wanted, "metadata": {**meta, "annotations": annotations}}


def culprits(live: Manifest) -> list[str]:
    """Field managers other than us that own a part of the spec, the latest first. Only to name someone: managedFields are
    anyone's to edit."""
    entries = [
        e
        for e in live["metadata"].get("managedFields") or ()
        if e.get("manager") != MANAGER and not e.get("subresource") and "f:spec" in (e.get("fieldsV1") or {})
    ]
    return [str(e.get("manager")) for e in sorted(entries, key=lambda e: str(e.get("time")), reverse=True)]


def _fields(kind: Kind, obj: Manifest, wanted: Manifest, owned: set[str]) -> list[str]:
    """Names of the sealed fields of `spec`. `owned`: what we have set before."""
    asked = wanted.get("spec") or {}
    if kind.kind in WHOLE:
        optional = [n for n in OPTIONAL.get(kind.kind, ()) if n not in asked and f"spec.{n}" not in owned]
        chosen = {n for n in AT_CREATION.get(kind.kind, ()) if n not in asked}
        return sorted(({*(obj.get("spec") or {})} | set(asked)) - set(optional) - chosen)
    names = list(FIELDS.get(kind.kind, ()))
    names += [n for n in OPTIONAL.get(kind.kind, ()) if n in asked or f"spec.{n}" in owned]
    # Traffic moves by a write of its own (traffic.py); a Service without users has its selector sealed.
    names += [
        n for n in ("selector", "replicas") if n in asked and kind in (SERVICE, DEPLOYMENT, STATEFUL_SET)
    ]
    return [n for n in names if n != "selector" or kind is SERVICE]


def _noted(obj: Manifest) -> set[str]:
    """What our note has as ours: annotations, and optional fields as "spec.<name>"."""
    text = str((obj["metadata"].get("annotations") or {}).get(ANNOTATION_OWNED, ""))
    return {part for part in text.split(",") if part}


def _optional(wanted: Manifest) -> list[str]:
    return [n for n in OPTIONAL.get(str(wanted["kind"]), ()) if n in (wanted.get("spec") or {})]


def _metadata(meta: dict[str, Any], wanted: Manifest) -> None:
    asked = wanted["metadata"]
    live = {"metadata": meta}
    dropped = _noted(live) | _written(live)
    kept = {k: v for k, v in (meta.get("annotations") or {}).items() if k not in dropped}
    kept.pop(ANNOTATION_OWNED, None)
    meta["annotations"] = {**kept, **stamped(wanted)["metadata"]["annotations"]}
    meta["labels"] = {**(meta.get("labels") or {}), **(asked.get("labels") or {})}
    for reference in asked.get("ownerReferences") or ():
        others = [o for o in meta.get("ownerReferences") or () if o["uid"] != reference["uid"]]
        meta["ownerReferences"] = [*others, reference]
    meta["managedFields"] = _migrated(meta.get("managedFields") or [])


def _written(obj: Manifest) -> set[str]:
    """The same as managedFields have it. Of annotations only what a release before this one has applied: what an admission
    webhook adds to a write of ours stands there as ours too."""
    found: set[str] = set()
    for entry in obj["metadata"].get("managedFields") or ():
        fields = entry.get("fieldsV1") or {}
        if entry.get("manager") == MANAGER and not entry.get("subresource"):
            found |= {f"spec.{name}" for name in _names(fields.get("f:spec"))}
        if _is_our_apply(entry):
            found |= _names((fields.get("f:metadata") or {}).get("f:annotations"))
    return found


def _names(fields: dict[str, Any] | None) -> set[str]:
    return {name.removeprefix("f:") for name in fields or {} if name.startswith("f:")}


def _migrated(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the entry of earlier releases' applies: beside ours of PUT it would claim the same fields twice."""
    return [e for e in entries if not _is_our_apply(e)]


def _is_our_apply(entry: dict[str, Any]) -> bool:
    return (
        entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")
    )


def _keep_node_ports(spec: dict[str, Any], live: dict[str, Any]) -> None:
    """The API server allots them once; asked for none, it would allot others and cut users off."""
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        return
    known = {p.get("name", ""): p["nodePort"] for p in live.get("ports") or () if p.get("nodePort")}
    spare = list(known.values())
    for port in spec.get("ports") or ():
        number = known.get(port.get("name", "")) or (spare[0] if len(spec["ports"]) == 1 and spare else None)
        if number is not None and "nodePort" not in port:
            port["nodePort"] = number


def _without_restart(template: dict[str, Any]) -> dict[str, Any]:
    meta = template.get("metadata") or {}
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != RESTARTED_AT}
    return {
        **template,
        "metadata": {**{k: v for k, v in meta.items() if k != "annotations"}, "annotations": annotations},
    }


def _keep_restart(template: dict[str, Any], live: dict[str, Any]) -> None:
    moment = ((live.get("metadata") or {}).get("annotations") or {}).get(RESTARTED_AT)
    if moment is not None:
        template["metadata"].setdefault("annotations", {})[RESTARTED_AT] = moment
