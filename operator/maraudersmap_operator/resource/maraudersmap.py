"""One MaraudersMap as the operator reads it, and the one door through which it comes in."""

from collections.abc import Mapping
from datetime import datetime
from re import fullmatch
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from maraudersmap_operator.resource.names import KIND, NAME_MAX, NAME_PATTERN
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

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    annotations: dict[str, str] = Field(default={})
    labels: dict[str, str] = Field(default={})
    creation_timestamp: AwareDatetime | None = None
    deletion_timestamp: AwareDatetime | None = None


class MaraudersMap(BaseModel):
    """The custom resource, parsed; immutable."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    metadata: Metadata
    spec: MaraudersMapSpec
    status: MaraudersMapStatus = MaraudersMapStatus()

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
    def resource_version(self) -> str:
        return self.metadata.resource_version

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.metadata.annotations

    @property
    def deletion_timestamp(self) -> datetime | None:
        """When its deletion was asked for; None while it is wanted."""
        return self.metadata.deletion_timestamp


def parse(obj: Mapping[str, Any]) -> MaraudersMap:
    """Read one object as the API server returns it.

    Raises InvalidResource with the path of the first wrong field, as the user wrote it, and the remedy. The
    CRD refuses the same at `kubectl apply`; this is for objects stored under another version of it.
    """
    try:
        resource = MaraudersMap.model_validate(obj)
    except ValidationError as error:
        raise _explained(error) from error
    if len(resource.name) > NAME_MAX or not fullmatch(NAME_PATTERN, resource.name):
        raise InvalidResource("metadata.name", NAME_MESSAGE)
    return resource


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
