"""`/api/incidents/search/facets` and `/api/incidents/autocomplete`: parse, call, shape."""

from dataclasses import dataclass
from typing import Annotated, NotRequired, TypedDict

from maraudersmap_api.auth.models import User
from maraudersmap_api.fields import Text, Whole
from maraudersmap_api.http.api import Answer, Api
from maraudersmap_api.incidents.models import FilterQuery
from maraudersmap_api.incidents.rules import visibility
from maraudersmap_api.infra.db import Database
from maraudersmap_api.search import repository


@dataclass(frozen=True, slots=True)
class AutocompleteQuery:
    """The beginning of a title."""

    q: Annotated[str, Text(most=300)]
    limit: Annotated[int, Whole(1, 20)] = 8


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


def add_search_routes(api: Api, db: Database) -> None:
    """Finding words."""
    routes = api.tagged("search")

    @routes.get("/api/incidents/search/facets")
    async def facets(query: FilterQuery, caller: User) -> Answer[FacetsJson]:
        """Count the incidents that a list with these filters would show, by property."""
        found = await repository.facets(db, query.filters, visibility(caller))
        body: FacetsJson = {
            "severity": {severity.name: n for severity, n in found.severity.items()},
            "status": {status.value: n for status, n in found.status.items()},
            "location": {location.value: n for location, n in found.location.items()},
            "total": found.total,
        }
        if not found.exact:
            body["totalExact"] = False
        return Answer(body)

    @routes.get("/api/incidents/autocomplete")
    async def autocomplete(query: AutocompleteQuery, caller: User) -> Answer[SuggestionListJson]:
        """Suggest titles that have the words begun in `q`."""
        found = await repository.autocomplete(db, query.q, visibility(caller), query.limit)
        return Answer({"data": [{"id": suggestion.id, "title": suggestion.title} for suggestion in found]})
