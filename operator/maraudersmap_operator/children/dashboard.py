"""The Grafana dashboard of one resource: dashboard.json, made by `make dashboards`, with the names filled in."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from maraudersmap_operator.children import names
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.spec import MaraudersMapSpec


def dashboard(owner: Owner, spec: MaraudersMapSpec) -> Manifest | None:
    """A ConfigMap that Grafana's sidecar takes up by its label; None when it is off.

    Immutable and named by its content, as copies of ConfigMaps are: another content is another object, and the one before is
    pruned. Its uid follows from the names, so that links outlive a resource that is made again.
    """
    wanted = spec.monitoring.dashboard
    if not spec.monitoring.enabled or not wanted.enabled:
        return None
    data = {f"{owner.namespace}-{owner.name}.json": _filled(owner)}
    digest = sha256(repr((data, wanted.labels, wanted.annotations)).encode()).hexdigest()[:10]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": owner.metadata_for(
            names.dashboard(owner.name, digest),
            component=Component.API,
            labels=wanted.labels,
            annotations=wanted.annotations,
        ),
        "immutable": True,
        "data": data,
    }


def _filled(owner: Owner) -> str:
    uid = sha256(f"{owner.namespace}/{owner.name}".encode()).hexdigest()[:16]
    # Names of objects: nothing in them means something in JSON or in a query.
    text = _template().replace("$uid", f"marauders-{uid}")
    return text.replace("$namespace", owner.namespace).replace("$maraudersmap", owner.name)


@cache
def _template() -> str:
    return files(__package__).joinpath("dashboard.json").read_text().strip()
