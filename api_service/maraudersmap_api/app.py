"""The application: everything built from settings, wired by hand, started and stopped in one place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from maraudersmap_api.auth.handlers import add_auth_routes, caller, entitled, identify
from maraudersmap_api.auth.passwords import Passwords
from maraudersmap_api.auth.service import AuthService
from maraudersmap_api.auth.throttle import WINDOW_SECONDS, LoginThrottle
from maraudersmap_api.auth.tokens import AccessTokens, RefreshTokens
from maraudersmap_api.domain import Domain
from maraudersmap_api.http.api import Api
from maraudersmap_api.http.callers import address_of, caller_of, rate_limit, written_address
from maraudersmap_api.http.cors import cors
from maraudersmap_api.http.docs_page import add_docs_page
from maraudersmap_api.http.edge import Edge
from maraudersmap_api.http.health import add_service_routes
from maraudersmap_api.http.openapi import add_document_route
from maraudersmap_api.http.operators import OperatorsServer
from maraudersmap_api.http.reading import BODIES, BODIES_BYTES, BODIES_PARTS, BODY_BYTES, Bodies
from maraudersmap_api.http.server import HttpServer, connection_expired
from maraudersmap_api.http.slow_readers import SlowReaders
from maraudersmap_api.http.traced import RequestSpans, given_trace
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.cache import ReadCache
from maraudersmap_api.infra.checks import cache_check, database_check
from maraudersmap_api.infra.connecting import Connector
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.health import Health, HealthBoard, Monitor
from maraudersmap_api.infra.limits import limiter, limits_redis, warn_if_evicting
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.migrate import shipped_migrations
from maraudersmap_api.infra.names import names_of
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.infra.tracing import TracedRedis, Tracing
from maraudersmap_api.outbox.tail import Tail
from maraudersmap_api.realtime.charges import Charges
from maraudersmap_api.settings import Dependency, Settings

SCHEMA_VERSION = len(shipped_migrations())
"""The version of this code, as far as the schema is concerned: that of the newest migration it ships."""

LARGE_BYTES = 32 * 1024 * 1024
"""What large answers may take while they are read and written, all together."""


@dataclass(frozen=True, slots=True)
class Service:
    """A built application with the parts that its runner needs."""

    app: web.Application
    server: HttpServer
    board: HealthBoard
    auth: AuthService
    api: Api
    domain: Domain
    operators: OperatorsServer | None


def build(
    settings: Settings, *, schema_version: int = SCHEMA_VERSION, tracing: Tracing | None = None
) -> Service:
    """Wire the service. Connects to nothing: what is missing shows in readiness, and heals.

    `tracing` None: as the settings ask.
    """
    metrics = Metrics()
    if tracing is None and settings.traces:
        tracing = Tracing()
    spans = None if tracing is None else RequestSpans(tracing)
    connector = Connector(settings.database_url, settings.database_pooler, settings.database_statement_cache)
    db = Database(
        connector,
        pool_size=settings.db_pool_size,
        metrics=metrics,
        measured=None if tracing is None else tracing.connection,
    )
    names = names_of(settings.redis_prefix, settings.database_url)
    make_redis: Callable[..., Redis] = Redis if tracing is None else partial(TracedRedis, tracing.tracer)
    redis = make_redis(settings.redis_url, metrics, names) if settings.redis_url else None
    counted_in = limits_redis(settings.limits_redis_url, redis, metrics, names, make_redis)

    def on_change(dependency: Dependency, health: Health) -> None:
        healthy = health is Health.HEALTHY
        metrics.dependency_up.labels(dependency.value).set(healthy)
        if dependency is Dependency.DATABASE:
            db.available = healthy

    monitors = [Monitor(Dependency.DATABASE, database_check(db, schema_version), on_change)]
    if redis is not None:
        monitors.append(Monitor(Dependency.CACHE, cache_check(redis), on_change))
    board = HealthBoard(tuple(monitors), settings.readiness_requires)

    passwords = Passwords()
    tokens = AccessTokens(settings.jwt_secret, settings.jwt_verify_secrets)
    refresh_tokens = RefreshTokens(settings.jwt_secret, settings.jwt_verify_secrets)
    throttle = LoginThrottle(limiter(WINDOW_SECONDS, counted_in, metrics))
    auth = AuthService(db, passwords, tokens, refresh_tokens, throttle)
    tail = Tail(db, metrics, cached=redis is not None)
    cache = ReadCache(redis, metrics, tail)
    budget = ByteBudget(LARGE_BYTES)
    requests = limiter(settings.rate_limits.window_seconds, counted_in, metrics)
    charges = Charges(requests, settings.rate_limits)
    domain = Domain(db, cache, tail, redis, auth, tokens, metrics, settings.cors_origins, budget, charges)

    edge = Edge(
        metrics,
        closing=lambda request: board.draining or connection_expired(request),
        hsts=settings.hsts,
        address=lambda request: written_address(request, settings.trusted_proxies),
        trace=given_trace if spans is None else spans.trace_of,
        around=None if spans is None else spans.around,
    )
    middlewares = [
        cors(settings.cors_origins),  # first, so that preflights count for no one
        identify(tokens, auth),
        rate_limit(requests, settings.rate_limits, settings.trusted_proxies),
    ]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_BYTES)
    app[BODIES] = Bodies(
        ByteBudget(BODIES_BYTES, BODIES_PARTS),
        caller=partial(caller_of, trusted_proxies=settings.trusted_proxies),
    )
    api = Api(
        app.router,
        providers=(caller(), address_of(settings.trusted_proxies)),
        after_write=cache.settled,
        entitled=entitled(auth),
    )
    operators = None if settings.metrics_port is None else OperatorsServer(board, metrics)
    add_service_routes(api, board, metrics, scraped=operators is None)
    add_auth_routes(api, auth)
    domain.add_routes(api)
    add_document_route(api)
    add_docs_page(api)
    app.on_response_prepare.append(edge.on_prepare)

    async def resources(_: web.Application) -> AsyncIterator[None]:
        cache.start()
        tail.start()
        domain.start()
        for monitor in monitors:
            monitor.start()
        watching: list[asyncio.Task[None]] = []
        if counted_in is not None and counted_in is not redis:
            watching.append(asyncio.create_task(warn_if_evicting(counted_in), name="limits-policy"))
        yield
        for monitor in monitors:
            await monitor.stop()
        await end(watching)
        await domain.stop()
        passwords.close()
        await tail.stop()
        await cache.stop()
        for each in {redis, counted_in}:
            if each is not None:
                await each.close()
        await db.close()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)

    app.cleanup_ctx.append(resources)
    server = HttpServer(
        app,
        edge,
        max_age=settings.connection_max_age_seconds,
        readers=SlowReaders(metrics.slow_readers.inc),
        goodbye=domain.realtime.goodbye,
    )
    return Service(app, server, board, auth, api, domain, operators)


async def drain(service: Service, seconds: float) -> bool:
    """Go away without dropping a request; see http/server.py. True when every request could finish."""
    service.board.draining = True
    await asyncio.sleep(seconds)
    return await service.server.stop()
