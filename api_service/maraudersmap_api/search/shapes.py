"""Facets and suggestions as clients see them."""

from collections.abc import Iterable
from typing import NotRequired, TypedDict

from maraudersmap_api.search.repository import Facets, Suggestion


class FacetsJson(TypedDict):
    """How many matches have which property. Without `totalExact` or with true, all matches were counted."""

    severity: dict[str, int]
    status: dict[str, int]
    location: dict[str, int]
    total: int
    totalExact: NotRequired[bool]


class SuggestionJson(TypedDict):
    """An incident whose title has the words begun."""

    id: int
    title: str


class SuggestionListJson(TypedDict):
    """Suggestions, the newest first."""

    data: list[SuggestionJson]


def facets_json(found: Facets) -> FacetsJson:
    """Counts by property."""
    body: FacetsJson = {
        "severity": {severity.name: n for severity, n in found.severity.items()},
        "status": {status.value: n for status, n in found.status.items()},
        "location": {location.value: n for location, n in found.location.items()},
        "total": found.total,
    }
    if not found.exact:
        body["totalExact"] = False
    return body


def suggestions_json(found: Iterable[Suggestion]) -> SuggestionListJson:
    """Titles that have the words begun."""
    return {"data": [{"id": suggestion.id, "title": suggestion.title} for suggestion in found]}
