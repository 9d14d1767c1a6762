"""What makes two revisions different.

The hash covers what the user wrote that reaches the pods, without fields left at their defaults: an operator that
learns a new field, or renders an old one differently, must not roll every service it meets after its own upgrade. The
defaults are those of the release that brought the field (revision_defaults.py): changing one rolls nothing out either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.quantity import amount

from .revision_defaults import FROZEN, written

# Fields of the spec that shape pods. Everything else (replicas, scaling, Services, policy) acts on the children in place.
POD_FIELDS = (
    "image",
    "pull_policy",
    "pull_secrets",
    "resources",
    "config",
    "database",
    "cache",
    "jwt_secret",
    "probes",
    "pod_template",
    "availability",
)
# Inside those, what does not reach the pod template.
NOT_IN_PODS = (("database", "evaluation", "storage"), ("availability", "pod_disruption_budget"))
# No vowels and no look-alikes: a hash never spells a word and is read out without mistakes (Kubernetes does the same).
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
HASH_LENGTH = 8


def revision_inputs(spec: MaraudersMapSpec, config_maps: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the hash covers, as plain JSON data. `config_maps`: name -> digest of the referenced contents."""
    inputs = written(spec, POD_FIELDS)
    for path in NOT_IN_PODS:
        parent: Any = inputs
        for step in path[:-1]:
            parent = parent.get(step) if isinstance(parent, dict) else None
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
    if config_maps:
        inputs["configMaps"] = dict(sorted(config_maps.items()))
    return inputs


def revision_hash(inputs: Mapping[str, Any], collision: int = 0) -> str:
    """Eight characters that name the revision; `collision` > 0 when another revision already has that name."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    if collision:
        text += f"#{collision}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    letters = []
    for _ in range(HASH_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)


def name_revision(inputs: Mapping[str, Any], recorded: Mapping[str, Mapping[str, Any]]) -> str:
    """The revision's name: that of a recorded one which stands for the same, else past any of the same hash."""
    collision = 0
    while True:
        name = revision_hash(inputs, collision)
        if name not in recorded:
            break
        if recorded[name] == inputs:
            return name
        collision += 1
    same = canonical(inputs)
    return next((known for known, other in sorted(recorded.items()) if canonical(other) == same), name)


def canonical(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same inputs with each amount as a plain number, without those that are at their default, and without the evaluation
    cache: its size reaches no pod of a revision, but taken out of the inputs it would give another name to what runs."""
    cache = inputs.get("cache")
    if isinstance(cache, dict):
        cache = {name: value for name, value in cache.items() if name != "evaluation"}
    plain = {"resources": _as_numbers(inputs.get("resources")), "cache": cache}
    rest = {name: value for name, value in inputs.items() if name not in plain}
    return rest | {name: value for name, value in plain.items() if value}


def _as_numbers(resources: Any) -> Any:
    """Each amount as a plain number, without defaults. What this release does not know stands for nothing but itself: a
    record may be of a newer one, or made by hand."""
    try:
        amounts = {
            kind: {
                resource: str(amount(text).normalize())
                for resource, text in written_amounts.items()
                if amount(text) != amount(FROZEN[kind.capitalize()][resource])
            }
            for kind, written_amounts in (resources or {}).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        return resources
    return {kind: values for kind, values in amounts.items() if values}
