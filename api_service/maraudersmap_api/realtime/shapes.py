"""Who is here, as clients see it."""

from typing import TypedDict

from maraudersmap_api.auth.models import UserRef
from maraudersmap_api.auth.shapes import UserRefJson, user_ref_json


class PresenceJson(TypedDict):
    """Who is here; `total` may be more than are shown."""

    data: list[UserRefJson]
    total: int


def presence_json(people: list[UserRef], total: int) -> PresenceJson:
    """Some of those who are here, and how many are."""
    return {"data": [user_ref_json(person) for person in people], "total": total}
