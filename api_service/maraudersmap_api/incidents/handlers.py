"""`/api/incidents`: parse, call, shape."""

from typing import Any

from aiohttp import web

from maraudersmap_api.auth.handlers import SignedIn, user_ref_json
from maraudersmap_api.auth.models import User
from maraudersmap_api.http.answers import PRIVATE, json_response, rfc3339, rfc3339_or_none
from maraudersmap_api.http.edge import REQUEST_ID
from maraudersmap_api.http.query import Query
from maraudersmap_api.http.reading import Form, path_id, read_object
from maraudersmap_api.incidents.models import (
    Filters,
    Incident,
    Location,
    NewIncident,
    Order,
    PageRequest,
    Severity,
    Sort,
    Status,
)
from maraudersmap_api.incidents.service import IncidentService

DEEPEST_PAGE = 1_000_000


def add_incident_routes(router: web.UrlDispatcher, incidents: IncidentService, signed_in: SignedIn) -> None:
    """Reporting and finding."""

    async def create(request: web.Request, user: User) -> web.Response:
        """201 with the incident and its Location; 400, 401."""
        new = parse_new_incident(await read_object(request))
        incident = await incidents.create(new, actor=user, request_id=request[REQUEST_ID])
        headers = {**PRIVATE, "Location": f"/api/incidents/{incident.id}", "ETag": incident.etag}
        return json_response(incident_json(incident), status=201, headers=headers)

    async def index(request: web.Request, user: User) -> web.Response:
        """200 with a page; 400, 401."""
        filters, page = parse_list_query(request)
        found = await incidents.list(filters, page, viewer=user)
        body: dict[str, Any] = {
            "data": [incident_json(incident) for incident in found.incidents],
            "total": found.total,
            "page": found.page,
            "limit": found.limit,
            "hasMore": found.has_more,
        }
        if not found.total_exact:
            body["totalExact"] = False
        return json_response(body, headers=PRIVATE)

    async def show(request: web.Request, user: User) -> web.Response:
        """200 with the incident, or 304; 400, 401, 403, 404."""
        incident = await incidents.get(path_id(request), viewer=user)
        headers = {**PRIVATE, "ETag": incident.etag}
        if _matches(request.headers.get("If-None-Match", ""), incident.etag):
            return web.Response(status=304, headers=headers)
        return json_response(incident_json(incident), headers=headers)

    router.add_post("/api/incidents", signed_in(create))
    router.add_get("/api/incidents", signed_in(index))
    router.add_get("/api/incidents/{id}", signed_in(show))


def parse_new_incident(values: dict[str, Any]) -> NewIncident:
    """A report. Raises ValidationError."""
    form = Form(values)
    title = form.text("title", most=255, required=True)
    description = form.text("description", most=10_000)
    severity = form.choice("severity", Severity, default=Severity.MISCHIEF)
    location = form.choice("location", Location, required=True)
    tags = form.texts("tags", most_items=20, most=50)
    evidence_urls = form.texts("evidenceUrls", most_items=20, most=2048, url=True)
    witness_count = form.count("witnessCount")
    form.finish()
    return NewIncident(
        title=title,
        description=description,
        severity=severity or Severity.MISCHIEF,
        location=location or Location.HOGWARTS,  # never the default: a missing location was refused above
        tags=tuple(dict.fromkeys(tags)),
        evidence_urls=evidence_urls,
        witness_count=witness_count,
    )


def parse_list_query(request: web.Request) -> tuple[Filters, PageRequest]:
    """Filters and page. Raises ValidationError."""
    query = Query(request.query)
    filters = Filters(
        search=query.text("search", most=200),
        severities=query.choices("severity", Severity),
        locations=query.choices("location", Location),
        statuses=query.choices("status", Status),
        reported_by=query.uuid("reportedBy"),
        date_from=query.moment("dateFrom"),
        date_to=query.moment("dateTo"),
    )
    page = PageRequest(
        page=query.integer("page", default=1, least=1, most=DEEPEST_PAGE),
        limit=query.integer("limit", default=20, least=1, most=100),
        sort=query.one_of("sort", Sort, default=Sort.RELEVANCE if filters.search else Sort.REPORTED_AT),
        order=query.one_of("order", Order, default=Order.DESC),
    )
    if page.sort is Sort.RELEVANCE and not filters.search:
        query.refuse("sort", "Sort by relevance needs a search")
    query.finish()
    return filters, page


def incident_json(incident: Incident) -> dict[str, Any]:
    """An incident as clients see it."""
    return {
        "id": incident.id,
        "title": incident.title,
        "description": incident.description,
        "severity": incident.severity.name,
        "location": incident.location.value,
        "status": incident.status.value,
        "reportedBy": user_ref_json(incident.reported_by),
        "reportedAt": rfc3339(incident.reported_at),
        "updatedAt": rfc3339(incident.updated_at),
        "resolvedAt": rfc3339_or_none(incident.resolved_at),
        "resolvedBy": user_ref_json(incident.resolved_by) if incident.resolved_by else None,
        "tags": list(incident.tags),
        "evidenceUrls": list(incident.evidence_urls),
        "witnessCount": incident.witness_count,
        "version": incident.version,
    }


def _matches(if_none_match: str, etag: str) -> bool:
    candidates = {candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")}
    return etag in candidates or "*" in candidates
