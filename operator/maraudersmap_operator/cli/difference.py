"""`diff`: what differs between two revisions, by path rather than by line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.names import LABEL_REVISION
from maraudersmap_operator.rollout import revision_inputs

from .output import Format, Output
from .snapshot import NotUnderstood, Record, Snapshot
from .status import roles
from .verbs import CannotAct, find_record

# What names an item of a list in a pod template, so that an inserted one does not shift all others.
ITEM_NAMES = ("name", "mountPath", "topologyKey", "containerPort", "key")
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """`old` or `new` is None where the path is absent; values are JSON text."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    old: str
    new: str
    of: str  # what was compared
    changes: tuple[Change, ...]


def show(snapshot: Snapshot, revisions: Sequence[str], output: Output) -> None:
    """Raises CannotAct when there is nothing to compare."""
    found = compare(snapshot, revisions)
    if output.format is Format.JSON:
        output.json(found)
    else:
        output.lines(difference_lines(found))


def compare(snapshot: Snapshot, revisions: Sequence[str]) -> Difference:
    """Two named revisions; one and stable; or stable and the one that the spec asks for."""
    if snapshot.records is None:
        raise CannotAct("diff needs to list controllerrevisions, which you may not do in this namespace")
    if len(revisions) > 2:
        raise CannotAct("at most two revisions can be compared")
    if len(revisions) == 2:
        old, new = (find_record(snapshot, r) for r in revisions)
        return _templates(snapshot, old, new)
    stable = snapshot.record(snapshot.status.stable.revision) if snapshot.status.stable else None
    if stable is None:
        raise CannotAct(
            f"{snapshot.full_name} has no stable revision to compare with: name two (see `history`)"
        )
    if revisions:
        return _templates(snapshot, find_record(snapshot, revisions[0]), stable)
    target = snapshot.record(snapshot.contender)
    return _templates(snapshot, stable, target) if target else _spec(snapshot, stable)


def difference_lines(found: Difference) -> Iterator[str]:
    yield f"{found.of} of {found.old} -> {found.new}"
    if not found.changes:
        yield "no differences"
    for change in found.changes:
        if change.old is None:
            yield f"+ {change.path}: {change.new}"
        elif change.new is None:
            yield f"- {change.path}: {change.old}"
        else:
            yield f"~ {change.path}: {change.old} -> {change.new}"


def _templates(snapshot: Snapshot, old: Record, new: Record) -> Difference:
    found = changes_between(old.template, new.template)
    # The hash differs by nature, wherever it stands: in the labels and in selectors of them.
    changes = tuple(c for c in found if not c.path.endswith(f"[{LABEL_REVISION}]"))
    return Difference(_title(snapshot, old), _title(snapshot, new), "pod template", changes)


def _title(snapshot: Snapshot, record: Record) -> str:
    return f"{record.revision} (number {record.number}, {', '.join(roles(snapshot, record.revision))})"


def _spec(snapshot: Snapshot, stable: Record) -> Difference:
    """The spec's revision is stable, or has not begun: what a user wrote is compared, not what it is rendered to."""
    old = {k: v for k, v in stable.inputs.items() if k != "configMaps"}
    try:
        before, after = (MaraudersMapSpec.model_validate(given) for given in (old, snapshot.spec))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise NotUnderstood(
            f"spec.{where} of {snapshot.full_name} is not understood by this plugin"
        ) from error
    changes = tuple(changes_between(_written(before), _written(after)))
    return Difference(
        _title(snapshot, stable), "the spec as it is now", "settings that reach the pods", changes
    )


def _written(spec: MaraudersMapSpec) -> dict[str, Any]:
    """The part of the spec that makes a revision, under the names that the user writes."""
    return spec.model_dump(
        mode="json", include=set(revision_inputs(spec)), exclude_defaults=True, by_alias=True
    )


def changes_between(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """Depth first, in the order of the old one; items of lists are matched by their name where all have one."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _entry(old.get(key, ABSENT), new.get(key, ABSENT), _joined(path, str(key)))
    elif isinstance(old, list) and isinstance(new, list):
        field = _naming_field(old, new)
        if field is None:
            if old != new:
                yield Change(path, _text(old), _text(new))
            return
        named_old, named_new = ({str(i[field]): i for i in items} for items in (old, new))
        for name in dict.fromkeys([*named_old, *named_new]):
            yield from _entry(named_old.get(name, ABSENT), named_new.get(name, ABSENT), f"{path}[{name}]")
    elif old != new:
        yield Change(path, _text(old), _text(new))


def _entry(old: Any, new: Any, path: str) -> Iterator[Change]:
    if old is ABSENT:
        yield Change(path, None, _text(new))
    elif new is ABSENT:
        yield Change(path, _text(old), None)
    else:
        yield from changes_between(old, new, path)


def _naming_field(*lists: list[Any]) -> str | None:
    """The field that gives every item of each list a name of its own; None without one."""
    for field in ITEM_NAMES:
        if all(
            all(isinstance(i, Mapping) and field in i for i in items)
            and len({str(i[field]) for i in items}) == len(items)
            for items in lists
        ):
            return field
    return None


def _joined(path: str, key: str) -> str:
    """A key with dots or slashes, an annotation's, is quoted by brackets."""
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
