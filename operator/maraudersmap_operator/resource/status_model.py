"""What every part of `.status` is made of: the frozen base, and times as Kubernetes writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

MAX_MESSAGE = 1024


def shorten(text: str) -> str:
    """On one line, and short enough for two of them in a message."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_MESSAGE // 2 else text[: MAX_MESSAGE // 2 - 1] + "…"


def rfc3339(moment: datetime) -> str:
    """Kubernetes' metav1.Time has whole seconds; sub-second deadlines would not survive a restart anyway."""
    return _utc(moment, "seconds")


def rfc3339_micro(moment: datetime) -> str:
    """metav1.MicroTime: for moments whose difference is reported to the user."""
    return _utc(moment, "microseconds")


def _utc(moment: datetime, timespec: str) -> str:
    # Not strftime, which writes the year 1 with one digit: a time by hand, and no status with it would be stored any more.
    return f"{moment.replace(tzinfo=None).isoformat(timespec=timespec)}Z"


Time = Annotated[AwareDatetime, PlainSerializer(rfc3339, when_used="json")]
MicroTime = Annotated[AwareDatetime, PlainSerializer(rfc3339_micro, when_used="json")]


class StatusModel(BaseModel):
    """Unknown fields are ignored: an older operator may read what a newer one wrote."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def but(self, **changes: Any) -> Self:
        """A copy with these fields changed, unvalidated. Of a field that is such a model, a mapping changes fields.

        Raises AttributeError for a field that there is none of.
        """
        if unknown := changes.keys() - type(self).model_fields.keys():
            raise AttributeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        return self.model_copy(update={name: self._changed(name, to) for name, to in changes.items()})

    def _changed(self, name: str, to: Any) -> Any:
        part = getattr(self, name)
        return part.but(**to) if isinstance(part, StatusModel) and isinstance(to, Mapping) else to
