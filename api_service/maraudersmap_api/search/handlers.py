"""`/api/incidents/search/facets` and `/api/incidents/autocomplete`: parse, call, shape."""

from dataclasses import dataclass
from typing import Annotated

from maraudersmap_api.auth.models import User
from maraudersmap_api.fields import Text, Whole
from maraudersmap_api.http.api import Answer, Api
from maraudersmap_api.incidents.models import FilterQuery
from maraudersmap_api.incidents.rules import visibility
from maraudersmap_api.infra.db import Database
from maraudersmap_api.search import repository
from maraudersmap_api.search.shapes import FacetsJson, SuggestionListJson, facets_json, suggestions_json


@dataclass(frozen=True, slots=True)
class AutocompleteQuery:
    """The beginning of a title."""

    q: Annotated[str, Text(most=300)]
    limit: Annotated[int, Whole(1, 20)] = 8


def add_search_routes(api: Api, db: Database) -> None:
    """Finding words."""
    routes = api.tagged("search")

    @routes.get("/api/incidents/search/facets")
    async def facets(query: FilterQuery, caller: User) -> Answer[FacetsJson]:
        """Count the incidents that a list with these filters would show, by property."""
        return Answer(facets_json(await repository.facets(db, query.filters, visibility(caller))))

    @routes.get("/api/incidents/autocomplete")
    async def autocomplete(query: AutocompleteQuery, caller: User) -> Answer[SuggestionListJson]:
        """Suggest titles that have the words begun in `q`."""
        found = await repository.autocomplete(db, query.q, visibility(caller), query.limit)
        return Answer(suggestions_json(found))
