"""Comments as data, and who is named in them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from maraudersmap_api.auth.models import UserRef
from maraudersmap_api.fields import Text

MOST_MENTIONS = 20
DOMAIN = "@hogwarts.edu"

# Not inside an e-mail address: there the sign follows a letter.
_MENTION = re.compile(r"(?<![\w.@+-])@([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})")
_SENTENCE_ENDS = ".!?'*_~`}/-"


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


def mentioned(content: str) -> tuple[str, ...]:
    """E-mail addresses that `@local.part` may mean, with and without what may be the end of a sentence."""
    found = list(dict.fromkeys(name.lower() for name in _MENTION.findall(content)))[:MOST_MENTIONS]
    names = [form for name in found for form in (name, name.rstrip(_SENTENCE_ENDS)) if form]
    return tuple(dict.fromkeys(name + DOMAIN for name in names))
