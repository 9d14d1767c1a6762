"""Copies of users' ConfigMaps, so that a revision keeps what it was made with."""

from collections.abc import Mapping
from hashlib import sha256
from json import dumps

from maraudersmap_operator.children import names
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.resource.names import ANNOTATION_COPIED_FROM, Component


def content_digest(config_map: Manifest) -> str:
    """Ten hex digits over `data` and `binaryData`; the same content has the same digest."""
    content = {part: config_map.get(part) or {} for part in ("data", "binaryData")}
    return sha256(dumps(content, sort_keys=True).encode()).hexdigest()[:10]


def config_map_copy(owner: Owner, config_map: Manifest) -> Manifest:
    """An immutable copy of a user's ConfigMap, named by its content."""
    source: Mapping[str, str] = config_map["metadata"]
    name = names.config_map_copy(owner.name, content_digest(config_map))
    copy: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": owner.metadata_for(
            name, component=Component.API, annotations={ANNOTATION_COPIED_FROM: source["name"]}
        ),
        "immutable": True,
    }
    for part in ("data", "binaryData"):
        if config_map.get(part):
            copy[part] = dict(config_map[part])
    return copy
