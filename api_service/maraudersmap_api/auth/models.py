"""People of the Ministry and of Hogwarts, as the service knows them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What somebody may do; see incidents/rules.py."""

    STUDENT = "STUDENT"
    PREFECT = "PREFECT"
    AUROR = "AUROR"


class House(StrEnum):
    """Where somebody was sorted."""

    GRYFFINDOR = "GRYFFINDOR"
    SLYTHERIN = "SLYTHERIN"
    RAVENCLAW = "RAVENCLAW"
    HUFFLEPUFF = "HUFFLEPUFF"


@dataclass(frozen=True, slots=True)
class User:
    """An account. `token_version` rises with everything that must end its tokens."""

    id: UUID
    email: str
    role: Role
    first_name: str
    last_name: str
    house: House | None
    avatar_url: str | None
    token_version: int
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserRef:
    """How others see somebody: never with the e-mail address."""

    id: UUID
    first_name: str
    last_name: str
    role: Role
    house: House | None


@dataclass(frozen=True, slots=True)
class NewUser:
    """A registration that passed validation; the e-mail is trimmed and lower-cased."""

    email: str
    first_name: str
    last_name: str
    house: House | None
    role: Role = Role.STUDENT


@dataclass(frozen=True, slots=True)
class Session:
    """What a login gives."""

    user: User
    access_token: str
    refresh_token: str
