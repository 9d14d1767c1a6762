"""The peer in FastAPI on uvicorn (uvloop, httptools): same routes, SQL, headers, limits, logs, metrics, validation."""

import json
import logging
import os
import time
import uuid
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any

import asyncpg
import jwt
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import Counter, Histogram, generate_latest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl
from pythonjsonlogger.json import JsonFormatter

with open(os.environ["SQL_FILE"]) as file:
    SQL = json.load(file)
LIMIT = int(os.environ["RATE_LIMIT"])
handler = logging.FileHandler(os.environ["LOG_FILE"])
handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(message)s"))
log = logging.getLogger("map")
log.addHandler(handler)
log.setLevel(logging.INFO)
REQUESTS = Counter("http_requests_total", "requests", ("method", "path", "status"))
DURATIONS = Histogram(
    "http_request_duration_seconds", "durations", ("method", "path"), buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5)
)
QUERIES = Histogram("database_query_duration_seconds", "queries")
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=31536000",
    "Content-Security-Policy": "default-src 'self'",
}


class Severity(IntEnum):
    MISCHIEF = 1
    SUSPICIOUS = 2
    DANGEROUS = 3
    UNFORGIVABLE = 4


class Names(StrEnum):
    MISCHIEF = "MISCHIEF"
    SUSPICIOUS = "SUSPICIOUS"
    DANGEROUS = "DANGEROUS"
    UNFORGIVABLE = "UNFORGIVABLE"


class Location(StrEnum):
    HOGWARTS = "HOGWARTS"
    HOGSMEADE = "HOGSMEADE"
    KNOCKTURN_ALLEY = "KNOCKTURN_ALLEY"
    FORBIDDEN_FOREST = "FORBIDDEN_FOREST"
    MINISTRY = "MINISTRY"
    AZKABAN = "AZKABAN"
    DIAGON_ALLEY = "DIAGON_ALLEY"
    PLATFORM_9_3_4 = "PLATFORM_9_3_4"


class NewIncident(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    title: str = Field(min_length=1, max_length=255)
    location: Location
    description: str = Field("", max_length=10_000)
    severity: Names = Names.MISCHIEF
    tags: list[Annotated[str, Field(min_length=1, max_length=50)]] = Field([], max_length=20)
    evidenceUrls: list[HttpUrl] = Field([], max_length=20)  # noqa: N815 - the name on the wire
    witnessCount: int = Field(0, ge=0, le=2**31 - 1)  # noqa: N815


class Person(BaseModel):
    id: uuid.UUID
    firstName: str  # noqa: N815
    lastName: str  # noqa: N815
    role: str
    house: str | None


class Incident(BaseModel):
    id: int
    title: str
    description: str
    severity: str
    location: str
    status: str
    reportedBy: Person  # noqa: N815
    reportedAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815
    resolvedAt: datetime | None  # noqa: N815
    resolvedBy: Person | None  # noqa: N815
    tags: list[str]
    evidenceUrls: list[str]  # noqa: N815
    witnessCount: int  # noqa: N815
    version: int


class Page(BaseModel):
    data: list[Incident]
    total: int
    page: int
    limit: int
    hasMore: bool  # noqa: N815


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    app.state.pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=1, max_size=int(os.environ["DB_POOL_SIZE"])
    )
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)
windows: dict[str, tuple[int, float]] = {}
users: dict[str, tuple[float, Any]] = {}


@app.middleware("http")
async def edge(request: Request, call_next: Any) -> Response:
    started = time.perf_counter()
    request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
    request.state.request_id = request_id
    context = {"requestId": request_id, "method": request.method, "path": request.url.path}
    log.info("Request received", extra={"context": context})
    request.state.claims = None
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme == "Bearer":
        with suppress(jwt.InvalidTokenError):
            request.state.claims = jwt.decode(
                token,
                os.environ["JWT_SECRET"],
                ["HS256"],
                audience="marauders-map",
                issuer="marauders-map-api",
            )
    allowance = {}
    if request.url.path not in ("/health/live", "/metrics"):
        key = request.state.claims["sub"] if request.state.claims else request.client.host
        hits, ends = windows.get(key, (0, 0.0))
        now = time.time()
        if ends <= now:
            hits, ends = 0, now + 900
        windows[key] = (hits + 1, ends)
        allowance = {
            "X-RateLimit-Limit": str(LIMIT),
            "X-RateLimit-Remaining": str(max(0, LIMIT - hits - 1)),
            "X-RateLimit-Reset": str(int(ends)),
        }
        if hits >= LIMIT:
            return JSONResponse({"error": {"code": "RATE_LIMITED"}}, 429, allowance)
    response = await call_next(request)
    response.headers.update({**SECURITY, **allowance, "X-Request-ID": request_id})
    seconds = time.perf_counter() - started
    route = request.scope.get("route")
    path = route.path if route else "unmatched"
    REQUESTS.labels(request.method, path, str(response.status_code)).inc()
    DURATIONS.labels(request.method, path).observe(seconds)
    done = {**context, "status": response.status_code, "duration_ms": seconds * 1000}
    log.info("Request completed", extra={"context": done})
    return response


async def caller(request: Request) -> Any:
    claims = request.state.claims
    if claims is None:
        raise HTTPException(401)
    until, user = users.get(claims["sub"], (0.0, None))
    if until < time.monotonic():
        with QUERIES.time():
            user = await request.app.state.pool.fetchrow(SQL["user"], uuid.UUID(claims["sub"]))
        users[claims["sub"]] = (time.monotonic() + 5, user)
    if user is None or user["token_version"] != claims["ver"]:
        raise HTTPException(401)
    return user


Caller = Annotated[Any, Depends(caller)]


def person(row: Any, prefix: str) -> Person | None:
    if row[f"{prefix}_id"] is None:
        return None
    return Person(
        id=row[f"{prefix}_id"],
        firstName=row[f"{prefix}_first"],
        lastName=row[f"{prefix}_last"],
        role=row[f"{prefix}_role"],
        house=row[f"{prefix}_house"],
    )


def shaped(row: Any) -> Incident:
    return Incident(
        id=row["id"],
        title=row["title"],
        description=row["description"],
        severity=Severity(row["severity"]).name,
        location=row["location"],
        status=row["status"],
        reportedBy=person(row, "r"),
        reportedAt=row["reported_at"],
        updatedAt=row["updated_at"],
        resolvedAt=row["resolved_at"],
        resolvedBy=person(row, "s"),
        tags=row["tags"],
        evidenceUrls=row["evidence_urls"],
        witnessCount=row["witness_count"],
        version=row["version"],
    )


@app.get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "alive", "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")}


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(), media_type="text/plain")


@app.get("/api/incidents/{incident_id}")
async def show(incident_id: int, user: Caller, request: Request, response: Response) -> Incident:
    with QUERIES.time():
        row = await request.app.state.pool.fetchrow(SQL["find"], incident_id)
    if row is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{row["id"]}-{row["version"]}"'
    response.headers["Cache-Control"] = "private, no-cache"
    return shaped(row)


@app.get("/api/incidents")
async def index(
    user: Caller,
    request: Request,
    response: Response,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Page:
    with QUERIES.time():
        rows = await request.app.state.pool.fetch(SQL["page"], limit + 1, (page - 1) * limit)
    total = rows[0]["total"]
    rows = rows if rows[0]["id"] else []
    response.headers["Cache-Control"] = "private, no-cache"
    return Page(
        data=[shaped(row) for row in rows[:limit]],
        total=min(total, 10_000),
        page=page,
        limit=limit,
        hasMore=len(rows) > limit,
    )


@app.post("/api/incidents", status_code=201)
async def create(new: NewIncident, user: Caller, request: Request, response: Response) -> Incident:
    with QUERIES.time():
        row = await request.app.state.pool.fetchrow(
            SQL["report"],
            new.title,
            new.description,
            int(Severity[new.severity.value]),
            new.location.value,
            user["id"],
            new.tags,
            [str(url) for url in new.evidenceUrls],
            new.witnessCount,
            new.severity.value,
            request.state.request_id,
            "incident:created",
            json.dumps({"actor": str(user["id"])}),
        )
    response.headers["Location"] = f"/api/incidents/{row['id']}"
    return shaped(row)
