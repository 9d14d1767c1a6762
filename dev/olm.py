"""The operator as a bundle for the Operator Lifecycle Manager: `python -m dev.olm --version 0.1.0 --to dist/olm`.

Made of the objects that `make install` applies (`manifests/operator/base`), so that there is no second description of the
operator. What OLM does by itself is left to it: the namespace, the service account, and which namespaces are looked after
(it writes them into an annotation of the pods, and the operator reads that).
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.host.console import Problem, print_line
from dev.cluster.host.paths import CHECKOUT, write_whole
from dev.install import local_kubectl
from dev.kube import KubectlFailed, report_problem, state_folder
from dev.operator_objects import CRD, IMAGE, NAME, Object, rendered

PACKAGE = "marauders-map-operator"
CHANNEL = "alpha"
CAPABILITIES = "Seamless Upgrades"
"""Level 2: docs/maturity.md has the evidence, and what is missing of the levels above."""
EXAMPLE = CHECKOUT / "manifests" / "service" / "overlays" / "development" / "marauders-map.yaml"
HOMEPAGE = "https://git.example/hogwarts/marauders-map"
"""To be replaced when it is published, as the images are."""
TARGETS = "metadata.annotations['olm.targetNamespaces']"
MODES = ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")
_CARRIED = ("Service", "PodDisruptionBudget", "ClusterRole")
_EVALUATION = {"EVALUATION_POSTGRES_IMAGE": "postgres", "EVALUATION_REDIS_IMAGE": "redis"}
_CLUSTER_ONLY = frozenset({"nodes"})
"""Of no namespace: a Role cannot give them."""
_DESCRIPTION = """\
Runs the Marauder's Map incident API as one `MaraudersMap` resource: pods, migrations, autoscaler, policies, and for trying it
out a database and a cache. A revision that crashes, does not start or answers worse than the one before is rolled back by
itself, without touching the spec, and not tried again until a person asks for it.

Not done by it: backups, and running a database for production.
"""


def bundle(objects: Sequence[Object], version: str, image: str, example: Object) -> dict[str, Object]:
    """The files of the bundle by their path; `objects` are those of an installation for every namespace."""
    service_version = _service_version(objects, version, image, example)
    files = {f"manifests/{PACKAGE}.clusterserviceversion.yaml": service_version}
    for obj in objects:
        kind, name = obj["kind"], obj["metadata"]["name"]
        if kind == "CustomResourceDefinition":
            files[f"manifests/{name}.crd.yaml"] = obj
        elif kind in _CARRIED and not (kind == "ClusterRole" and name == NAME):
            files[f"manifests/{name}.{kind.lower()}.yaml"] = _without_namespace(obj)
    files["metadata/annotations.yaml"] = {"annotations": metadata()}
    return files


def metadata() -> dict[str, str]:
    """What shows OLM's tools where things are; also the labels of the bundle's image."""
    prefix = "operators.operatorframework.io.bundle"
    return {
        f"{prefix}.mediatype.v1": "registry+v1",
        f"{prefix}.manifests.v1": "manifests/",
        f"{prefix}.metadata.v1": "metadata/",
        f"{prefix}.package.v1": PACKAGE,
        f"{prefix}.channels.v1": CHANNEL,
        f"{prefix}.channel.default.v1": CHANNEL,
    }


def dockerfile() -> str:
    """Of the bundle's image, which holds files only."""
    labels = "".join(f"LABEL {key}={value}\n" for key, value in metadata().items())
    return f"FROM scratch\n{labels}COPY manifests /manifests/\nCOPY metadata /metadata/\n"


def _service_version(objects: Sequence[Object], version: str, image: str, example: Object) -> Object:
    deployment = _only(objects, "Deployment", NAME)
    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": f"{PACKAGE}.v{version}",
            "annotations": {
                "alm-examples": json.dumps([example], indent=2),
                "capabilities": CAPABILITIES,
                "categories": "Application Runtime, Integration & Delivery",
                "containerImage": image,
                "description": "Runs incident services, and rolls bad revisions back by itself",
                "repository": HOMEPAGE,
            },
        },
        "spec": {
            "displayName": "The Marauder's Map",
            "description": _DESCRIPTION,
            "version": version,
            "maturity": "alpha",
            "minKubeVersion": "1.29.0",
            "keywords": ["rollout", "rollback", "canary", "incidents"],
            "provider": {"name": "Hogwarts"},
            "maintainers": [{"name": "The maintainers", "email": "maintainers@hogwarts.example"}],
            "links": [{"name": "Source and documents", "url": HOMEPAGE}],
            "icon": [{"base64data": _ICON, "mediatype": "image/svg+xml"}],
            "installModes": [{"type": mode, "supported": True} for mode in MODES],
            "customresourcedefinitions": {"owned": [_owned(_only(objects, "CustomResourceDefinition", CRD))]},
            "install": {"strategy": "deployment", "spec": _strategy(objects, deployment)},
            "relatedImages": _related(deployment),
        },
    }


def _owned(crd: Object) -> Object:
    [stored] = [v["name"] for v in crd["spec"]["versions"] if v["storage"]]
    return {
        "name": crd["metadata"]["name"],
        "version": stored,
        "kind": crd["spec"]["names"]["kind"],
        "displayName": "Marauder's Map",
        "description": "One incident service: its image, its data, and how its revisions are rolled out.",
    }


def _strategy(objects: Sequence[Object], deployment: Object) -> Object:
    everywhere = _only(objects, "ClusterRole", NAME)["rules"]
    here = _only(objects, "Role", f"{NAME}-leader-election")["rules"]
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    cluster = [rule for rule in everywhere if set(rule["resources"]) <= _CLUSTER_ONLY]
    # As Roles in the namespaces that are looked after; OLM makes ClusterRoles of them where those are all namespaces.
    namespaced = [rule for rule in everywhere if rule not in cluster]
    return {
        "deployments": [
            {
                "name": NAME,
                "label": deployment["metadata"]["labels"],
                "spec": _set_by_olm(deployment["spec"]),
            }
        ],
        "permissions": [{"serviceAccountName": account, "rules": [*namespaced, *here]}],
        "clusterPermissions": [{"serviceAccountName": account, "rules": cluster}],
    }


def _set_by_olm(spec: Object) -> Object:
    changed = copy.deepcopy(spec)
    for variable in _environment(changed):
        if variable["name"] == "WATCH_NAMESPACES":
            del variable["value"]
            variable["valueFrom"] = {"fieldRef": {"fieldPath": TARGETS}}
    return changed


def _related(deployment: Object) -> list[Object]:
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    values = {v["name"]: v.get("value") for v in _environment(deployment["spec"])}
    images = {"operator": container["image"]} | {name: values[key] for key, name in _EVALUATION.items()}
    return [{"name": name, "image": image} for name, image in images.items()]


def _environment(spec: Object) -> list[Object]:
    [container] = spec["template"]["spec"]["containers"]
    env: list[Object] = container["env"]
    return env


def _only(objects: Sequence[Object], kind: str, name: str) -> Object:
    [found] = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def _without_namespace(obj: Object) -> Object:
    changed = copy.deepcopy(obj)
    changed["metadata"].pop("namespace", None)
    return changed


def write(files: Mapping[str, Object], folder: Path) -> None:
    """Each as a file of YAML, and the Dockerfile beside them."""
    for path, content in files.items():
        write_whole(folder / path, yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True))
    write_whole(folder / "bundle.Dockerfile", dockerfile())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.olm", description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--image", default="", help="the operator's image; best by digest")
    parser.add_argument("--to", type=Path, required=True)
    options = parser.parse_args(arguments)
    image = options.image or f"{IMAGE}:{options.version}"
    try:
        objects = rendered(local_kubectl(), state_folder("install"), image, env={})
    except (Problem, KubectlFailed) as problem:
        return report_problem(problem)
    example: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    example["spec"]["image"] = f"marauders-map-api:{options.version}"
    files = bundle(objects, options.version, image, example)
    write(files, options.to)
    print_line(f"{options.to}: {len(files)} files, {PACKAGE}.v{options.version}")
    return 0


# A folded parchment with a way on it.
_ICON = (
    "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCA2NCA2NCI+PHBhdGggZmlsbD0iI2U4ZDhhOCIgc3Ryb2tlPSIj"
    "NWE0MzI0IiBzdHJva2Utd2lkdGg9IjMiIGQ9Ik02IDEybDE3LTYgMTggNiAxNy02djQ2bC0xNyA2LTE4LTYtMTcgNnoiLz48cGF0aCBmaWxsPSJub25lIiBz"
    "dHJva2U9IiM4YjFhMWEiIHN0cm9rZS13aWR0aD0iMyIgc3Ryb2tlLWRhc2hhcnJheT0iNSA0IiBkPSJNMTQgNDRjOC0yMiAyMCA0IDM2LTI0Ii8+PC9zdmc+"
)

if __name__ == "__main__":
    sys.exit(main())
