"""Comparing what different tools make of the same manifests."""

from __future__ import annotations

from collections.abc import Sequence

from dev.operator_objects import Object, key


def comparable(objects: Sequence[Object]) -> dict[tuple[str, str, str], Object]:
    """By kind, namespace and name; environment variables in the order of their names, which means nothing."""
    for deployment in (o for o in objects if o["kind"] == "Deployment"):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            container["env"].sort(key=lambda variable: variable["name"])
    return {key(o): o for o in objects}
