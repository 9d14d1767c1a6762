"""People of the Ministry and of Hogwarts, as the service knows them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple
from uuid import UUID

from maraudersmap_api.fields import Text

_EMAIL = r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@hogwarts\.edu"
_EMAIL_AS_SENT = (
    r"^\s*[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[Hh][Oo][Gg][Ww][Aa][Rr][Tt][Ss]\.[Ee][Dd][Uu]\s*$"
)


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


class UserRef(NamedTuple):
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
class Registration:
    """Who wants an account. The password is not trimmed, and not shown."""

    email: Annotated[
        str,
        Text(
            most=320,
            lower=True,
            pattern=_EMAIL,
            otherwise="must be an address that ends with @hogwarts.edu",
            published_pattern=_EMAIL_AS_SENT,
        ),
    ]
    password: Annotated[str, Text(least=8, most=128, strip=False, secret=True)] = field(repr=False)
    first_name: Annotated[str, Text(most=100)]
    last_name: Annotated[str, Text(most=100)]
    house: House | None = None

    def new_user(self, role: Role) -> NewUser:
        """The account to be; the role is never the registrant's choice."""
        return NewUser(self.email, self.first_name, self.last_name, self.house, role)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who wants to sign in. Looser than a registration: a wrong address is no more than a wrong address."""

    email: Annotated[str, Text(most=320, lower=True)]
    password: Annotated[str, Text(most=1024, strip=False, secret=True)] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The token that came with the last sign-in or refresh."""

    refresh_token: Annotated[str, Text(most=256, strip=False, secret=True)] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """The password of now, and that of from now on."""

    current_password: Annotated[str, Text(most=1024, strip=False, secret=True)] = field(repr=False)
    new_password: Annotated[str, Text(least=8, most=128, strip=False, secret=True)] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AdminDeed:
    """Who runs which command; for the record of what was done to accounts."""

    operator: str
    command: str


@dataclass(frozen=True, slots=True)
class Session:
    """What a login gives."""

    user: User
    access_token: str
    refresh_token: str
