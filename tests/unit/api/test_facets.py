"""Counting facets of a search goes about it as counting its matches does."""

from typing import Any
from uuid import UUID

import pytest

from maraudersmap_api.incidents.frequency import SAMPLED, WALKED, WALKED_AT_BEST
from maraudersmap_api.incidents.models import Filters, Severity, Visibility
from maraudersmap_api.infra.db import Row
from maraudersmap_api.search.repository import facets

EVERYTHING = Visibility(UUID(int=0), Severity.UNFORGIVABLE)


class Sample:
    """A database in whose sample so many incidents match; it remembers what it is asked for then."""

    def __init__(self, matches: int) -> None:
        self._matches = matches
        self.asked: list[str] = []

    async def fetchval(self, query: str, *args: Any) -> int:
        return self._matches

    async def fetch(self, query: str, *args: Any) -> list[Row]:
        self.asked.append(query)
        return []

    async def fetchrow(self, query: str, *args: Any) -> Row | None:
        raise NotImplementedError

    async def execute(self, query: str, *args: Any) -> str:
        raise NotImplementedError


@pytest.mark.parametrize(("share", "walks"), [(0.12, True), (0.08, False), (0.01, False)])
async def test_the_newest_are_read_only_where_that_is_soon_over(share: float, walks: bool) -> None:
    """At 8 % the 10,001st match is among the WALKED newest, but 125,000 would be read until it is met."""
    assert (share * WALKED_AT_BEST > 10_000) is walks
    sample = Sample(int(share * SAMPLED))

    await facets(sample, Filters(search="dragon"), EVERYTHING)

    assert (f"LIMIT {WALKED}" in sample.asked[0]) is walks
