"""One MaraudersMap as the operator reads it, and the one door through which it comes in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from re import fullmatch
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maraudersmap_operator.resource.names import KIND, NAME_MAX, NAME_PATTERN
from maraudersmap_operator.resource.other_release import read_status
from maraudersmap_operator.resource.spec import MaraudersMapSpec
from maraudersmap_operator.resource.status import MaraudersMapStatus

NAME_MESSAGE = (
    f"metadata.name must have at most {NAME_MAX} characters, begin with a letter and contain only a-z, 0-9 "
    "and -, because the names of its Services and Jobs begin with it"
)


class InvalidResource(ValueError):
    """The resource cannot be understood; `field` is the path to what is wrong, `message` the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


class Metadata(BaseModel):
    """The part of `metadata` that the operator looks at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    annotations: dict[str, str] = Field(default={})


class MaraudersMap(BaseModel):
    """The custom resource, parsed; immutable."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    metadata: Metadata
    spec: MaraudersMapSpec
    status: MaraudersMapStatus = MaraudersMapStatus()
    ignored: tuple[str, ...] = ()
    """Fields of the spec that this version does not know and that no one has set: defaults of a newer definition."""
    not_understood: str = ""
    """Why it is not known what the spec asks for: someone has set a field, or a value, that this version does not know."""
    unknown: frozenset[str] = frozenset()
    """Parts of the spec (`replicas`, `networkPolicy`) of which something is not understood: no one has asked for what `spec`
    has in their place."""
    unread: tuple[str, ...] = ()
    """Parts of the status that this version cannot read: a newer one has written them. They are carried along."""

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def generation(self) -> int:
        return self.metadata.generation

    @property
    def most_pods(self) -> int | None:
        """The most pods that its autoscaler may ask for; None without one."""
        scaling = self.spec.autoscaling
        return scaling.max_replicas if scaling.enabled else None

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.metadata.annotations


# What the spec cannot be without, for a resource of which something runs. It is of an unknown part, so nothing is made of it.
STAND_INS = {"image": "unknown", "database": {"evaluation": {}}}
# More than so many things that are not understood are no newer release, they are another kind of object.
MOST_PRUNED = 50
UNTIL_THEN = "Until then what runs is kept and protected, and nothing new is started"


def parse(obj: Mapping[str, Any]) -> MaraudersMap:
    """Read one object as the API server returns it, whatever release its definition is of.

    What this version does not understand is left out and noted: `ignored` when no one has set it, else `not_understood` and
    `unknown`. Raises InvalidResource, with the path of the first wrong field, as the user wrote it, and the remedy, only when
    nothing runs of it that has to be protected and what is left is no resource: the definition rejects the same at
    `kubectl apply`.
    """
    given = {
        "metadata": obj["metadata"],
        "spec": deepcopy(dict(obj.get("spec") or {})),
    }
    status, unread = read_status(obj.get("status") or {})
    ignored: list[str] = []
    strange: dict[str, str] = {}
    # What cannot be read of a status was written for something that runs.
    runs = status.stable is not None or status.candidate is not None or bool(unread)
    first: InvalidResource | None = None
    for _ in range(MOST_PRUNED):
        try:
            resource = MaraudersMap.model_validate(given)
        except ValidationError as error:
            # What is missing once something was left out is not what the user has to correct.
            first = first or _explained(error)
            if not _pruned(given, error, ignored, strange, runs):
                raise (first if strange else _explained(error)) from error
        else:
            break
    else:
        another = "is of another version of the resource: upgrade the operator"
        if not runs:
            raise InvalidResource("spec", another)
        strange = {"spec": f"{another}. {UNTIL_THEN}"}
        resource = MaraudersMap.model_validate(given | {"spec": deepcopy(STAND_INS)})
    if len(resource.name) > NAME_MAX or not fullmatch(NAME_PATTERN, resource.name):
        raise InvalidResource("metadata.name", NAME_MESSAGE)
    return resource.model_copy(
        update={
            "status": status,
            "unread": unread,
            "ignored": tuple(sorted(set(ignored))),
            "not_understood": "; ".join(sorted(f"{field}: {why}" for field, why in strange.items())),
            "unknown": frozenset(_parts(strange)),
        }
    )


def _parts(fields: Iterable[str]) -> Iterator[str]:
    """The parts of the spec that the paths lie in; all of them for the spec itself."""
    for field in fields:
        _, _, rest = field.partition(".")
        yield from (
            [rest.partition(".")[0]]
            if rest
            else (f.alias or n for n, f in MaraudersMapSpec.model_fields.items())
        )


def _pruned(
    given: dict[str, Any], error: ValidationError, ignored: list[str], strange: dict[str, str], runs: bool
) -> bool:
    """Leave out what the first error is about; False when that is no way to understand the rest. `runs`: of the resource, so
    that protecting it matters more than what else is in the part."""
    first = error.errors(include_url=False, include_input=True)[0]
    path = [part for part in first["loc"] if not str(part).startswith("function-")]
    if path[0] != "spec" or (len(path) == 1 and not runs):
        return False
    name = ".".join(str(part) for part in path)
    if len(path) == 1:
        # Its parts do not go together, and which of them is meant is not known.
        strange[name] = _until_then(error)
        given["spec"] = deepcopy(STAND_INS)
        return True
    if not runs and (first["type"] == "missing" or not _is_there(given, path)):
        return False
    cut = _to_leave_out(given, path, missing=first["type"] == "missing") if runs else path
    if first["type"] == "extra_forbidden" and not is_owned(given["metadata"], path):
        ignored.append(name)
    else:
        strange[name] = _until_then(error)
    parent = _parent(given, cut)
    parent.pop(cut[-1], None)
    if runs and len(cut) == 2 and cut[1] in STAND_INS:
        parent[cut[1]] = deepcopy(STAND_INS[cut[1]])
    return True


def _to_leave_out(given: dict[str, Any], path: list[str | int], *, missing: bool) -> list[str | int]:
    """The least field that can go with what is wrong: the one that lacks something, or the list that has the item."""
    cut = path[:-1] if missing and len(path) > 2 else path
    while len(cut) > 2 and not _is_there(given, cut):
        cut = cut[:-1]
    return cut


def _is_there(given: dict[str, Any], path: Sequence[str | int]) -> bool:
    """A field, and not an item of a list."""
    try:
        parent = _parent(given, path)
    except (KeyError, IndexError, TypeError):
        return False
    return isinstance(parent, dict) and path[-1] in parent


def _parent(given: Any, path: Sequence[str | int]) -> Any:
    for part in path[:-1]:
        given = given[part]
    return given


def _until_then(error: ValidationError) -> str:
    return f"{_explained(error).message}. {UNTIL_THEN}"


def is_owned(metadata: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    """Someone has set the field, as far as the API server's record of owners shows: without one, it counts as set."""
    entries = metadata.get("managedFields") or ()
    return not entries or any(_owns(e.get("fieldsV1") or {}, path) for e in entries)


def _owns(fields: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    for part in path:
        if isinstance(part, int):
            return True  # an item of a list that is owned; its key would show which one
        if f"f:{part}" not in fields:
            return False
        fields = fields[f"f:{part}"]
        if not fields:
            break  # owned as a whole
    return True


def _explained(error: ValidationError) -> InvalidResource:
    first = error.errors(include_url=False, include_input=True)[0]
    field = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    match first["type"]:
        case "missing":
            message = f"is required; see `kubectl explain {KIND.lower()}.{field}`"
        case "extra_forbidden":
            message = "is no field of this version of the resource; remove it or correct its name"
        case _:
            message = first["msg"].removeprefix("Value error, ")
    return InvalidResource(field, message)
