"""Rate limits and CORS, with a real Redis between two instances."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from dev.local_services import local_redis
from multidict import CIMultiDict
from tests.component.conftest import readiness, running_api

ORIGIN = "https://map.hogwarts.edu"


@pytest.mark.usefixtures("unhurried")  # else hits are counted locally on a busy machine, as they should be
async def test_limits_are_exact_across_pods_and_under_concurrency(database: str) -> None:
    with local_redis() as redis:
        async with AsyncExitStack() as stack:
            pods = [
                await stack.enter_async_context(
                    running_api(database, REDIS_URL=redis.url, RATE_LIMIT_ANONYMOUS="40", DB_POOL_SIZE="2")
                )
                for _ in range(10)
            ]
            for each in pods:
                await readiness(each, 200, cache="healthy")

            replies = await asyncio.gather(
                *(each.call("GET", f"/api/nothing/{n}") for n in range(10) for each in pods)
            )

            statuses = [reply.status for reply in replies]
            assert (statuses.count(404), statuses.count(429)) == (40, 60)
            refused = next(reply for reply in replies if reply.status == 429)
            assert refused.body["error"]["code"] == "RATE_LIMITED"
            assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Remaining"]) == (
                "40",
                "0",
            )
            left = int(refused.headers["X-RateLimit-Reset"]) - time.time()
            assert 0 < left <= 901
            assert abs(int(refused.headers["Retry-After"]) - left) <= 2
            assert sorted(
                int(r.headers["X-RateLimit-Remaining"]) for r in replies if r.status == 404
            ) == list(range(40))


async def test_users_have_an_allowance_of_their_own_and_forgers_none(database: str) -> None:
    async with running_api(database, RATE_LIMIT_ANONYMOUS="5", RATE_LIMIT_AUTHENTICATED="8") as api:
        await readiness(api, 200)
        await api.person("harry")  # two anonymous requests
        mine = await api.call("GET", "/api/auth/me", user="harry")
        forged = [
            await api.call("GET", "/api/auth/me", headers={"Authorization": "Bearer x.y.z"}) for _ in range(4)
        ]

        assert (mine.headers["X-RateLimit-Limit"], mine.headers["X-RateLimit-Remaining"]) == ("8", "7")
        assert [reply.status for reply in forged] == [401, 401, 401, 429]
        assert (await api.call("GET", "/api/auth/me", user="harry")).status == 200
        for path in ("/health", "/health/live", "/health/ready", "/metrics"):
            reply = await api.call("GET", path)
            assert reply.status == 200
            assert "X-RateLimit-Limit" not in reply.headers


@pytest.mark.usefixtures("unhurried")
async def test_when_redis_dies_a_local_window_takes_over(database: str) -> None:
    with local_redis() as redis:
        async with running_api(database, REDIS_URL=redis.url, RATE_LIMIT_ANONYMOUS="3") as api:
            await readiness(api, 200, cache="healthy")
            assert (await api.call("GET", "/api/nothing")).status == 404
            await asyncio.to_thread(redis.stop)

            statuses = [(await api.call("GET", "/api/nothing")).status for _ in range(5)]

            assert statuses == [404, 404, 404, 429, 429]


async def test_cors_is_for_configured_origins_only_and_errors_carry_it(database: str) -> None:
    async with running_api(database, CORS_ORIGINS=ORIGIN, RATE_LIMIT_ANONYMOUS="1") as api:
        ask = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
        preflights = [
            await api.call("OPTIONS", "/api/incidents/1", headers={"Origin": ORIGIN, **ask}) for _ in range(3)
        ]
        stranger = await api.call(
            "OPTIONS", "/api/incidents/1", headers={"Origin": "https://evil.example", **ask}
        )
        refused = await api.call("GET", "/api/incidents", headers={"Origin": ORIGIN})
        limited = await api.call("GET", "/api/incidents", headers={"Origin": ORIGIN})

        for reply in preflights:
            assert reply.status == 204
            assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert "PATCH" in reply.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in reply.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Origin" not in stranger.headers
        assert "Access-Control-Allow-Methods" not in stranger.headers
        assert (refused.status, limited.status) == (401, 429)
        for reply in (refused, limited):
            assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert "Retry-After" in reply.headers["Access-Control-Expose-Headers"]
            assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize(
    ("method", "path", "twice"),
    [
        ("GET", "/ws", None),  # which speaks WebSocket only
        ("GET", "/ws", "Authorization"),
        ("GET", "/api/incidents", "Idempotency-Key"),
        ("POST", "/api/auth/refresh", "Idempotency-Key"),
        ("OPTIONS", "/api/incidents", "Authorization"),
    ],
)
async def test_what_cannot_be_understood_counts_too_and_pages_may_read_why(
    database: str, method: str, path: str, twice: str | None
) -> None:
    sent = [("Origin", ORIGIN), *([(twice, "a"), (twice, "b")] if twice else [])]
    if method == "OPTIONS":
        sent.append(("Access-Control-Request-Method", "GET"))
    async with running_api(database, CORS_ORIGINS=ORIGIN, RATE_LIMIT_ANONYMOUS="5") as api:
        statuses = []
        for _ in range(10):
            async with api.http.request(method, path, headers=CIMultiDict(sent)) as answer:
                statuses.append(answer.status)
                assert answer.headers["X-RateLimit-Limit"] == "5"
                assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
                # Where the next request begins is not known of what can be read in two ways.
                assert (answer.headers.get("Connection") == "close") == (twice is not None)

    assert statuses == [400] * 5 + [429] * 5


SAFE = {"cache-control", "content-length", "content-type"}  # browsers show these to every page
NOT_FOR_PAGES = {
    *(
        "date",
        "server",
        "vary",
        "connection",
        "transfer-encoding",
        "content-encoding",
        "strict-transport-security",
    ),
    *("content-security-policy", "x-content-type-options", "x-frame-options", "x-xss-protection"),
}


async def test_a_page_may_read_every_header_that_tells_it_something(database: str) -> None:
    async with running_api(database, CORS_ORIGINS=ORIGIN) as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        asked = {"Origin": ORIGIN, "Idempotency-Key": "k"}
        body = {"title": "x", "location": "HOGWARTS"}
        replies = [
            await api.call("POST", "/api/incidents", user="moody", json=body, headers=asked) for _ in range(2)
        ]
        for method, path, user in (
            ("GET", "/api/incidents/1", "moody"),
            ("GET", "/api/analytics/export.csv", "moody"),
            ("GET", "/api/incidents", None),
            ("PUT", "/api/incidents", "moody"),
            ("GET", "/api/docs/swagger-ui.css", None),
        ):
            replies.append(await api.call(method, path, user=user, headers=asked))

        assert [reply.status for reply in replies] == [201, 201, 200, 200, 401, 405, 200]
        sent = {name.lower() for reply in replies for name in reply.headers}
        for reply in replies:
            exposed = {
                name.strip().lower() for name in reply.headers["Access-Control-Expose-Headers"].split(",")
            }
            assert {name for name in sent if not name.startswith("access-control-")} <= (
                exposed | SAFE | NOT_FOR_PAGES
            )
            assert {"age", "warning", "retry-after"} <= exposed, "of answers that are rarer"
            assert "Origin" in reply.headers["Vary"], "or a cache would give one page what another may have"
