"""`/api/incidents`: parse, call, shape."""

from typing import Any

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Conflict, Forbidden, NotFound
from maraudersmap_api.http.api import Answer, Api, Idempotency, IfMatch, Pieces, RequestId
from maraudersmap_api.idempotency.handlers import answered_once
from maraudersmap_api.idempotency.once import Once
from maraudersmap_api.incidents.cached import CachedReads, Read
from maraudersmap_api.incidents.long_history import history_body
from maraudersmap_api.incidents.models import (
    Incident,
    IncidentPatch,
    ListQuery,
    NewIncident,
    NoDetails,
    Paging,
)
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.incidents.shapes import (
    HistoryPageJson,
    IncidentJson,
    IncidentPageJson,
    incident_json,
)
from maraudersmap_api.infra.budget import ByteBudget

_REFUSES_CHANGE = (Forbidden, NotFound, Conflict)


def add_incident_routes(
    api: Api, incidents: IncidentService, once: Once, reads: CachedReads, budget: ByteBudget
) -> None:
    """Reporting, finding, changing."""
    routes = api.tagged("incidents")

    @routes.post("/api/incidents", status=201, sends=("ETag", "Location"))
    async def create(
        body: NewIncident, caller: User, request_id: RequestId, idempotency: Idempotency
    ) -> Answer[IncidentJson]:
        """Report an incident.

        With an Idempotency-Key the same report is stored once, however often it is sent within 24 hours.
        """
        return await answered_once(
            once,
            idempotency,
            lambda keeper: incidents.create(body, actor=caller, request_id=request_id, keeper=keeper),
            _created,
            caller=caller,
            method="POST",
            path="/api/incidents",
        )

    @routes.get("/api/incidents")
    async def index(query: ListQuery, caller: User) -> Answer[IncidentPageJson]:
        """List incidents that you may view.

        Comma lists are OR inside and AND across. Beyond 10,000 rows go on with `nextCursor`, which belongs to its
        filters and order.
        """
        return _read(await reads.index(query, caller))

    @routes.get("/api/incidents/{id}", refuses=(Forbidden, NotFound), sends=("ETag",))
    async def show(id: int, caller: User) -> Answer[IncidentJson]:  # noqa: A002 - the name in the path
        """View one incident."""
        return _read(await reads.show(id, caller))

    async def update(
        id: int,  # noqa: A002 - the name in the path
        body: IncidentPatch,
        caller: User,
        if_match: IfMatch,
        request_id: RequestId,
    ) -> Answer[IncidentJson]:
        """Change an incident.

        What is not sent stays. Students edit their own reports; Prefects also raise the severity up to DANGEROUS and
        move between OPEN and IN_PROGRESS; Aurors may do everything, and put RESOLVED incidents into the archive.
        """
        return _shown(
            await incidents.update(id, body, actor=caller, allows=if_match.allows, request_id=request_id)
        )

    routes.patch("/api/incidents/{id}", refuses=_REFUSES_CHANGE, sends=("ETag",))(update)
    routes.put("/api/incidents/{id}", refuses=_REFUSES_CHANGE, sends=("ETag",), name="replace")(update)

    @routes.delete("/api/incidents/{id}", refuses=(Forbidden, NotFound))
    async def delete(id: int, caller: User, if_match: IfMatch, request_id: RequestId) -> None:  # noqa: A002
        """Delete an incident. Aurors only; it is hidden from everyone."""
        await incidents.delete(id, actor=caller, allows=if_match.allows, request_id=request_id)

    async def resolve(
        id: int,  # noqa: A002 - the name in the path
        body: NoDetails,
        caller: User,
        if_match: IfMatch,
        request_id: RequestId,
    ) -> Answer[IncidentJson]:
        """Resolve an incident. The second time is a conflict."""
        return _shown(
            await incidents.resolve(id, actor=caller, allows=if_match.allows, request_id=request_id)
        )

    async def reopen(
        id: int,  # noqa: A002 - the name in the path
        body: NoDetails,
        caller: User,
        if_match: IfMatch,
        request_id: RequestId,
    ) -> Answer[IncidentJson]:
        """Reopen a resolved or archived incident."""
        return _shown(await incidents.reopen(id, actor=caller, allows=if_match.allows, request_id=request_id))

    for register, suffix in ((routes.post, ""), (routes.patch, "_by_patch")):
        register(
            "/api/incidents/{id}/resolve",
            refuses=_REFUSES_CHANGE,
            sends=("ETag",),
            name=f"resolve{suffix}",
        )(resolve)
        register(
            "/api/incidents/{id}/reopen", refuses=_REFUSES_CHANGE, sends=("ETag",), name=f"reopen{suffix}"
        )(reopen)

    @routes.get("/api/incidents/{id}/history", refuses=(Forbidden, NotFound))
    async def history(id: int, query: Paging, caller: User) -> Answer[HistoryPageJson]:  # noqa: A002
        """Show what happened to an incident, oldest first.

        Only what you might have seen at the time: changes made while it was hidden from you are left out, and what a
        change replaced that made it visible is null.
        """
        body = await history_body(incidents, budget, id, query, caller)
        return Answer(body if isinstance(body, bytes) else Pieces(body))


def _created(incident: Incident) -> Answer[IncidentJson]:
    return Answer(
        incident_json(incident),
        status=201,
        etag=incident.etag,
        headers={"Location": f"/api/incidents/{incident.id}"},
    )


def _shown(incident: Incident) -> Answer[IncidentJson]:
    return Answer(incident_json(incident), etag=incident.etag)


def _read(read: Read) -> Answer[Any]:
    body = read.body if isinstance(read.body, bytes) else Pieces(read.body)
    hit = read.hit
    headers = {"Age": str(hit.age), "Warning": '110 - "Response is Stale"'} if hit.stale else {}
    return Answer(body, etag=read.etag, headers=headers)
