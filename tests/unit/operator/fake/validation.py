"""What the API server does not store: the rules that the operator can run into."""

from __future__ import annotations

import json
from typing import Any

from maraudersmap_operator.cluster.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    JOB,
    REPLICA_SET,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)

from .problems import invalid

Manifest = dict[str, Any]
IMMUTABLE = "field is immutable"
_STATEFUL_SET_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def validate(kind: Kind, obj: Manifest, before: Manifest | None) -> None:
    """Raises Problem 422. `before`: the stored object of an update."""
    found = list(_problems(kind, obj, before))
    if found:
        raise invalid(kind, obj["metadata"]["name"], *found)


def _problems(kind: Kind, obj: Manifest, before: Manifest | None) -> list[str]:
    found: list[str] = []
    spec = obj.get("spec") or {}
    old = (before or {}).get("spec") or {}
    if kind is SERVICE:
        found += _service(spec, old)
    if kind in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET):
        if missing := _containers(spec):
            return [*found, *missing]
        found += _selector(spec)
    if before is not None and kind in (DEPLOYMENT, REPLICA_SET) and spec.get("selector") != old["selector"]:
        found.append(f"spec.selector: Invalid value: {_go(spec.get('selector'))}: {IMMUTABLE}")
    if before is not None and kind is STATEFUL_SET:
        fixed = [{k: v for k, v in s.items() if k not in _STATEFUL_SET_MUTABLE} for s in (spec, old)]
        if fixed[0] != fixed[1]:
            found.append(
                "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                "'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' "
                "and 'minReadySeconds' are forbidden"
            )
    if before is not None and kind is JOB:
        for part in ("selector", "template", "completions"):
            if spec.get(part) != old.get(part):
                found.append(f"spec.{part}: Invalid value: {_go(spec.get(part))}: {IMMUTABLE}")
    if kind is CONTROLLER_REVISION and before is None and not obj.get("data"):
        found.append("data: Required value: data is mandatory")
    if before is not None and kind in (CONFIG_MAP, SECRET) and before.get("immutable"):
        if not obj.get("immutable"):
            found.append("immutable: Forbidden: field is immutable when `immutable` is set")
        for part in ("data", "binaryData"):
            if (obj.get(part) or {}) != (before.get(part) or {}):
                found.append(f"{part}: Forbidden: field is immutable when `immutable` is set")
    if before is not None and kind is SECRET and obj.get("type") != before.get("type"):
        found.append(f'type: Invalid value: "{obj.get("type")}": {IMMUTABLE}')
    return found


def _containers(spec: Manifest) -> list[str]:
    """What a template has to have before anything else is asked of it."""
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers")
    if not containers:
        return ["spec.template.spec.containers: Required value"]
    return [
        f"spec.template.spec.containers[{index}].{part}: Required value"
        for index, container in enumerate(containers)
        for part in ("name", "image")
        if not container.get(part)
    ]


def _selector(spec: Manifest) -> list[str]:
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if any(labels.get(k) != v for k, v in wanted.items()):
        message = "`selector` does not match template `labels`"
        return [f"spec.template.metadata.labels: Invalid value: {_go(labels)}: {message}"]
    return []


def _service(spec: Manifest, old: Manifest) -> list[str]:
    found = []
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        found.append("spec.ports: Required value")
    names: set[str] = set()
    numbers: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        where = f"spec.ports[{index}]"
        if len(ports) > 1 and not port.get("name"):
            found.append(f"{where}.name: Required value")
        if port.get("name") in names:
            found.append(f'{where}.name: Duplicate value: "{port["name"]}"')
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            found.append(f"{where}.port: Invalid value: {number}: must be between 1 and 65535, inclusive")
        elif (number, port["protocol"]) in numbers:
            duplicate = {"protocol": port["protocol"], "port": number}
            found.append(f"{where}: Duplicate value: {_go(duplicate)}")
        else:
            numbers.add((number, port["protocol"]))
        if port.get("name"):
            names.add(port["name"])
    address = old.get("clusterIP")
    if address and spec.get("clusterIP") != address and old.get("type") == spec.get("type"):
        found.append(
            f'spec.clusterIPs[0]: Invalid value: ["{spec.get("clusterIP")}"]: may not change once set'
        )
    return found


def _go(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
