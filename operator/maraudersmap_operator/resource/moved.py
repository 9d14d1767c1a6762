"""Fields of the candidate that have moved since v0.1.0: for one release read in either place, and written in both.

So one step back to v0.1.0 in the middle of a rollout forgets nothing. Where the places differ v0.1.0 has written last: it
writes the old ones alone, and carries along what it finds in the new ones.

To be deleted with the next release: this file, and the calls of its five functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

# Both in `.status.candidate`.
MOVED: Final = {
    "doomed": "verdict",
    "fullSize": "memory.progress.fullSize",
    "heldSeconds": "memory.progress.heldSeconds",
    "progressedAt": "memory.progress.progressedAt",
    "provenAt": "memory.progress.provenAt",
    "readyHighWater": "memory.progress.readyHighWater",
    "settledAt": "memory.progress.settledAt",
    "firstAttemptAt": "memory.failures.firstAttemptAt",
    "firstFailureAt": "memory.failures.firstFailureAt",
    "halfDownSince": "memory.failures.halfDownSince",
    "lateFailure": "memory.failures.lateFailure",
    "pullErrorSince": "memory.failures.pullErrorSince",
    "terminations": "memory.failures.terminations",
    "controls": "memory.controlGroup.pods",
    "controlsHurtSince": "memory.controlGroup.hurtSince",
    "migrationAttempt": "memory.migrations.attempt",
    "analysis": "memory.analysis",
}
# Parts that v0.1.0 leaves as it finds them: where it has written the rest, they are of another time.
_NOT_RENEWED: Final = {
    "analysis": [
        f"{side}.{counts}"
        for side in ("control", "trial")
        for counts in ("requestsByCallers", "errorsByCallers")
    ],
}
# What v0.1.0 does not write cannot be required of it.
_UNKNOWN_TO_V0_1_0: Final = frozenset(new.split(".")[0] for new in MOVED.values())


def from_old_places(status: Mapping[str, Any]) -> Json:
    """A stored status with all that stands in old places in the new ones. The one given is left as it is."""
    candidate = status.get("candidate")
    if not isinstance(candidate, Mapping) or not MOVED.keys() & candidate.keys():
        return dict(status)
    found = {key: value for key, value in candidate.items() if key not in MOVED}
    for old, new in MOVED.items():
        # What is in no old place was forgotten by v0.1.0 on purpose.
        value = candidate.get(old)
        if value != _at(candidate, new):
            for part in _NOT_RENEWED.get(old, ()):
                value = _with(value, part.split("."), None) if _at(value, part) is not None else value
        found = _with(found, new.split("."), value)
    return {**status, "candidate": found}


def in_both_places(status: Json) -> Json:
    """A status that is about to be stored, with the old places filled as well."""
    candidate = status.get("candidate")
    if not candidate:
        return status
    both = {old: value for old, new in MOVED.items() if (value := _at(candidate, new)) is not None}
    return status | {"candidate": candidate | both}


def declared_in_both_places(schema: Json) -> Json:
    """The schema of a status with the old places declared, and nothing required that v0.1.0 does not write."""
    candidate = schema["properties"]["candidate"]
    old_places = {
        old: _declaration(candidate, new)
        | {"description": f"The same as `{new}`, where v0.1.0 has it; for one more release."}
        for old, new in MOVED.items()
    }
    required = [name for name in candidate["required"] if name not in _UNKNOWN_TO_V0_1_0]
    both = candidate | {"properties": candidate["properties"] | old_places, "required": required}
    return schema | {"properties": schema["properties"] | {"candidate": both}}


def without_another_place(lost: set[str]) -> set[str]:
    """Of paths that a definition has no place for, those that their other place does not keep either.

    A place that keeps all but a part of it loses that part, not the whole.
    """

    def is_lost(place: str) -> bool:
        return any(_within(place, path) for path in lost)

    # Beside other old places, what is missing in one counts as forgotten.
    old_ones_gone = all(is_lost(old) for old, _ in _paths())
    kept = set()
    for old, new in _paths():
        kept |= {path for path in lost if _within(path, new) and not is_lost(old + path.removeprefix(new))}
        if old_ones_gone:
            kept |= {
                path for path in lost if _within(path, old) and not is_lost(new + path.removeprefix(old))
            }
    return lost - kept


def has_moved_below(path: str) -> bool:
    """Parts of that path have an old place: it is not lost as a whole."""
    return any(new.startswith(f"{path}.") for _, new in _paths())


def _paths() -> list[tuple[str, str]]:
    return [(f"status.candidate.{old}", f"status.candidate.{new}") for old, new in MOVED.items()]


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith((f"{place}.", f"{place}["))


def _with(node: Any, path: list[str], value: Any) -> Any:
    """A copy of the node with the value at that path; without one there if the value is None."""
    before = dict(node) if isinstance(node, Mapping) else {}
    key, *rest = path
    inner = _with(before.get(key), rest, value) if rest else value
    return {**before, key: inner} if inner is not None else {k: v for k, v in before.items() if k != key}


def _at(node: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def _declaration(schema: Json, path: str) -> Json:
    """Without a default: the API server would fill it in beside what a later release has written in the new place."""
    for key in path.split("."):
        schema = schema["properties"][key]
    return {keyword: value for keyword, value in schema.items() if keyword != "default"}
