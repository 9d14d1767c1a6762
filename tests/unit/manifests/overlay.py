"""The MaraudersMap of an overlay, put together here: unit tests have no kubectl.

Only what these overlays use. tests/cluster/test_manifests.py holds the result against kustomize's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

SERVICE = Path(__file__).resolve().parents[3] / "manifests" / "service"
OVERLAYS = tuple(sorted((SERVICE / "overlays").iterdir()))
CLOUDFLARE = SERVICE / "components" / "cloudflare"
_USED = {"apiVersion", "kind", "namespace", "resources", "components", "patches", "images", "configurations"}


def merged(base: Any, change: Any) -> Any:
    """A JSON merge patch (RFC 7386), which is what kustomize does to a resource whose schema it does not know."""
    if not isinstance(change, dict) or not isinstance(base, dict):
        return change
    kept = {key: value for key, value in base.items() if change.get(key, value) is not None}
    return kept | {k: merged(kept.get(k, {}), v) for k, v in change.items() if v is not None}


def resource_of(overlay: Path, *more_components: Path) -> Object:
    """The overlay's MaraudersMap, as it would be applied."""
    kustomization = _kustomization(overlay)
    found: Object = {}
    for name in kustomization["resources"]:
        found = yaml.safe_load((overlay / name / "marauders-map.yaml").read_text())
    components = [overlay / name for name in kustomization.get("components", [])]
    for folder in [*components, *more_components, overlay]:
        for patch in _kustomization(folder)["patches"]:
            text = patch["patch"] if "patch" in patch else (folder / patch["path"]).read_text()
            found = merged(found, yaml.safe_load(text))
    found["metadata"]["namespace"] = kustomization["namespace"]
    (image,) = kustomization["images"]
    assert found["spec"]["image"] == image["name"]
    found["spec"]["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
    return found


def _kustomization(folder: Path) -> Object:
    found: Object = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(found) <= _USED, f"{folder}: teach this reader {set(found) - _USED}"
    return found
