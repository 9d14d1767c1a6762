"""Reads of incidents through the cache.

A list depends on its query and on what its reader may view, so both are in its key; Aurors see all and share. One
incident is kept once for everybody, with what it takes to judge each reader again. Every change of any incident makes
every list old: the map is read far more often than written.

Of a page that is too much to be read at once, what is kept is its first slice and the numbers of the rest; the rest is
read, and judged, while it is sent.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from uuid import UUID

import orjson

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Unavailable
from maraudersmap_api.incidents import repository, rules
from maraudersmap_api.incidents.models import Incident, ListQuery, Page, Severity
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.incidents.shapes import incident_json, page_json
from maraudersmap_api.incidents.slices import rendered
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.cache import Hit, ReadCache
from maraudersmap_api.infra.db import Database
from maraudersmap_api.outbox.models import Committed, Event, changes_incident
from maraudersmap_api.outbox.publisher import Publisher
from maraudersmap_api.outbox.tail import Tail
from maraudersmap_api.wire import Encoded, encode

_LISTS = ("lists",)
_BEGINNING = b"\x01"
"""Begins what is kept of a page that is not whole; no JSON begins so."""
_EMPTY = b'{"data":['


@dataclass(frozen=True, slots=True)
class Read:
    """The JSON of an answer, whole or made while it is sent; `hit` has how old it is."""

    body: Encoded | AsyncIterator[bytes]
    hit: Hit
    etag: str | None = None


class CachedReads:
    """Reads for `show` and `index`. The publisher reports every change to it before the change is answered."""

    def __init__(
        self,
        db: Database,
        incidents: IncidentService,
        cache: ReadCache,
        publisher: Publisher,
        tail: Tail,
        budget: ByteBudget,
    ) -> None:
        self._db = db
        self._incidents = incidents
        self._cache = cache
        self._budget = budget
        publisher.subscribe(self._changed)
        tail.on_change(self._committed)

    async def index(self, query: ListQuery, viewer: User) -> Read:
        """A part of the list. Raises ValidationError, Unavailable."""

        async def load() -> bytes:
            return _kept(await self._incidents.list(query, viewer=viewer))

        scope = "all" if rules.sees_everything(viewer) else f"{viewer.role}:{viewer.id}"
        digest = _digest(query)
        # Not the name that the previous release has for it: it does not know about beginnings of pages.
        hit = await self._cache.get(f"page:{scope}:{digest}", _LISTS, load)
        _refuse_outdated(hit, viewer)
        if hit.value.startswith(_BEGINNING):
            return Read(self._whole(hit.value, viewer), hit)
        return Read(Encoded(hit.value), hit)

    async def _whole(self, kept: bytes, viewer: User) -> AsyncIterator[bytes]:
        """All of a page of which the beginning was kept."""
        head, _, beginning = kept[len(_BEGINNING) :].partition(b"\n")
        rest, took, end = orjson.loads(head)
        yield beginning
        del kept, beginning
        seen = rules.visibility(viewer)
        async for piece in rendered(self._db, self._budget, rest, seen, _more, took=took):
            yield piece
        yield end.encode()

    async def show(self, incident_id: int, viewer: User) -> Read:
        """One incident. Raises NotFound, Forbidden, Unavailable."""

        async def load() -> bytes:
            incident = rules.existing(await repository.find(self._db, incident_id))
            head = f"{int(incident.severity)} {incident.reported_by.id} {incident.etag}\n"
            return head.encode() + encode(incident_json(incident))

        key = _tag(incident_id)
        # Not in Redis: one row by its key is as cheap to ask PostgreSQL for.
        hit = await self._cache.get(key, (key,), load, shared=False)
        _refuse_outdated(hit, viewer)
        head, _, body = hit.value.partition(b"\n")
        severity, reporter, etag = head.decode().split(" ")
        rules.permit_view(viewer, Severity(int(severity)), UUID(reporter))
        return Read(Encoded(body), hit, etag)

    def _changed(self, events: Sequence[Event]) -> None:
        about = [event for event in events if changes_incident(event.type)]
        if about:
            tags = {_tag(event.incident_id) for event in about}
            self._cache.invalidate((*_LISTS, *tags), [event.id for event in about])

    def _committed(self, found: Committed) -> None:
        if changes_incident(found.type):
            self._cache.committed(found.event_id, (*_LISTS, _tag(found.incident_id)))


@lru_cache(maxsize=256)
def _digest(query: ListQuery) -> str:
    """The same in every process. Most readers ask for the same few lists."""
    return hashlib.sha256(repr(query).encode()).hexdigest()[:32]


def _tag(incident_id: int) -> str:
    return f"incident:{incident_id}"


def _refuse_outdated(hit: Hit, viewer: User) -> None:
    """Others may be writing while only this process is cut off: what has become hidden must not be shown.

    Raises Unavailable.
    """
    if hit.stale and not rules.sees_everything(viewer):
        raise Unavailable("The map cannot reach its records just now, please try again")


def _kept(page: Page) -> bytes:
    body = encode(page_json(page))
    if not page.rest:
        return body
    # page_json has `data` first, so a page is its incidents and then its end.
    end = encode(page_json(replace(page, incidents=()))).removeprefix(_EMPTY)
    head = encode([page.rest, len(page.incidents), end.decode()])
    return _BEGINNING + head + b"\n" + body.removesuffix(end)


async def _more(incidents: Sequence[Incident]) -> bytes:
    return b"," + encode([incident_json(incident) for incident in incidents])[1:-1]
