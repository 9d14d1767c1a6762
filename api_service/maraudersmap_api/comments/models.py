"""Comments as data, and who is named in them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from maraudersmap_api.auth.models import Role, UserRef
from maraudersmap_api.fields import Text

MOST_MENTIONS = 20
DOMAIN = "@hogwarts.edu"

# Not inside an e-mail address: there the sign follows one of these. Letters of other scripts may stand right before it.
_MENTION = re.compile(r"(?<![A-Za-z0-9.@+-])@([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})")
_SENTENCE_ENDS = ".!?'*_~`}/-"
_JOINTS = re.compile(r"['|&]")


@dataclass(frozen=True, slots=True)
class NewComment:
    """A comment to be written."""

    content: Annotated[str, Text(most=5000)]


@dataclass(frozen=True, slots=True)
class Comment:
    """A stored comment."""

    id: int
    incident_id: int
    author: UserRef
    content: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CommentPage:
    """A part of the comments, oldest first."""

    comments: tuple[Comment, ...]
    total: int
    page: int
    limit: int

    @property
    def has_more(self) -> bool:
        """Is there anything after this part?"""
        return self.page * self.limit < self.total


@dataclass(frozen=True, slots=True)
class Mention:
    """E-mail addresses that `@local.part` may mean: `meant`, or if no account has any of these, `otherwise`."""

    meant: tuple[str, ...]
    otherwise: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a mention may reach."""

    email: str
    id: UUID
    role: Role
    is_active: bool


def mentioned(content: str) -> tuple[Mention, ...]:
    """Who is named: with and without what may be the end of a sentence, or else up to what may not be part of the name,
    as in `@harry's`."""
    found = list(dict.fromkeys(name.lower() for name in _MENTION.findall(content)))[:MOST_MENTIONS]
    return tuple(Mention(_addresses(name), _addresses(_JOINTS.split(name)[0])) for name in found)


def _addresses(name: str) -> tuple[str, ...]:
    """With the name as it is, and without what may be the end of a sentence."""
    return tuple(form + DOMAIN for form in dict.fromkeys((name, name.rstrip(_SENTENCE_ENDS))) if form)
