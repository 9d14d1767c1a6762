"""The objects that make up an installation of the operator: those of `manifests/operator/base`, hardly changed.

kubectl renders the base, so what is installed is what ships; the rest is pure. A namespaced installation has the same
rules as Roles of the namespaces that it looks after, as `manifests/operator/overlays/namespaced` has for one.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.host.paths import CHECKOUT, write_whole
from dev.kube import Kubectl

Object = dict[str, Any]

NAMESPACE = "marauders-system"
NAME = "marauders-operator"
"""Of the Deployment, the service account, and of its rights."""
CRD = "maraudersmaps.hogwarts.edu"
BASE = CHECKOUT / "manifests" / "operator" / "base"
IMAGE = "marauders-map-operator"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_RIGHTS = {"ClusterRole": "Role", "ClusterRoleBinding": "RoleBinding"}


def rendered(
    kubectl: Kubectl, folder: Path, image: str, *, env: Mapping[str, str], namespaces: Sequence[str] = ()
) -> list[Object]:
    """Everything to apply, in order. `folder` takes a kustomization; no `namespaces` means all of them."""
    write_whole(folder / "kustomization.yaml", json.dumps(_kustomization(folder, image), indent=2) + "\n")
    objects: list[Object] = list(yaml.safe_load_all(kubectl("kustomize", str(folder))))
    return for_namespaces(with_env(objects, env), namespaces)


def _kustomization(folder: Path, image: str) -> Object:
    name, digest = image.split("@", 1) if "@" in image else (image, "")
    changed = {"name": IMAGE, "newName": name, "digest": digest}
    if not digest:
        # A colon before the last slash is a registry's port.
        path, _, last = name.rpartition("/")
        last, _, tag = last.partition(":")
        changed = {"name": IMAGE, "newName": f"{path}/{last}" if path else last, "newTag": tag or "latest"}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(BASE, folder)],
        "images": [changed],
    }


def with_env(objects: Sequence[Object], env: Mapping[str, str]) -> list[Object]:
    """The same with these environment variables of the operator."""
    return [_with_env(o, env) if o["kind"] == "Deployment" else o for o in objects]


def _with_env(deployment: Object, env: Mapping[str, str]) -> Object:
    changed = copy.deepcopy(deployment)
    (container,) = changed["spec"]["template"]["spec"]["containers"]
    wanted = dict(env)
    for variable in container["env"]:
        if variable["name"] in wanted:
            variable["value"] = wanted.pop(variable["name"])
    container["env"] += [{"name": name, "value": value} for name, value in wanted.items()]
    return changed


def for_namespaces(objects: Sequence[Object], namespaces: Sequence[str]) -> list[Object]:
    """The same for an operator that looks after these namespaces only; none: after all of them."""
    if not namespaces:
        return list(objects)
    result: list[Object] = []
    for obj in with_env(objects, {"WATCH_NAMESPACES": ",".join(namespaces)}):
        if obj["kind"] in _RIGHTS and obj["metadata"]["name"] == NAME:
            result += [_in(namespace, obj) for namespace in namespaces]
        elif obj["kind"] == "NetworkPolicy" and obj["metadata"]["name"] == NAME:
            result.append(_reaching(namespaces, obj))
        else:
            result.append(obj)
    return result


def _in(namespace: str, obj: Object) -> Object:
    changed = copy.deepcopy(obj)
    changed["kind"] = _RIGHTS[obj["kind"]]
    changed["metadata"]["namespace"] = namespace
    if "roleRef" in changed:
        changed["roleRef"]["kind"] = "Role"
    return changed


def _reaching(namespaces: Sequence[str], policy: Object) -> Object:
    """The operator's policy with metrics read in these namespaces only."""
    changed = copy.deepcopy(policy)
    (peer,) = (to for rule in changed["spec"]["egress"] for to in rule.get("to", ()) if "podSelector" in to)
    if len(namespaces) == 1:
        peer["namespaceSelector"] = {"matchLabels": {NAMESPACE_LABEL: namespaces[0]}}
    else:
        among = {"key": NAMESPACE_LABEL, "operator": "In", "values": list(namespaces)}
        peer["namespaceSelector"] = {"matchExpressions": [among]}
    return changed


def key(obj: Object) -> tuple[str, str, str]:
    """Kind, namespace (empty for none) and name."""
    meta = obj["metadata"]
    return str(obj["kind"]), str(meta.get("namespace", "")), str(meta["name"])


def described(obj: Object) -> str:
    """As a person writes it: `Role marauders-demo/marauders-operator`."""
    kind, namespace, name = key(obj)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def as_yaml(objects: Sequence[Object], header: str) -> str:
    """One file for `kubectl apply --server-side -f`; the same text for the same objects."""
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    return comment + yaml.safe_dump_all(objects, sort_keys=False, width=120, allow_unicode=True)
