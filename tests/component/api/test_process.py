"""The program as it runs in a pod: start, drain, commands, exit codes."""

import asyncio
import json
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from dev.free_port import free_port
from tests.component.conftest import PATIENCE_SECONDS, Api, environment, program, run, until


async def wait_ready(http: aiohttp.ClientSession, status: int = 200) -> None:
    async def holds() -> bool:
        try:
            async with http.get("/health/ready") as reply:
                return reply.status == status
        except aiohttp.ClientConnectionError:
            return False  # not listening yet

    await until(holds)


async def accepts_no_more(port: int) -> bool:
    try:
        _, probe = await asyncio.open_connection("127.0.0.1", port)
    except (ConnectionRefusedError, ConnectionResetError):
        return True  # reset: it came in the very moment of closing
    probe.close()
    await probe.wait_closed()
    return False


async def test_sigterm_drops_no_request(database: str, loop_of_the_program: dict[str, str]) -> None:
    """Clients that follow the rules (go away once unready, reopen what is closed) see no failure."""
    # given
    port = free_port()
    variables = environment(database, PORT=str(port), DRAIN_SECONDS="6", **loop_of_the_program)
    served: list[int] = []
    failures: list[str] = []
    closed_politely = 0
    gone, enough = asyncio.Event(), asyncio.Condition()

    async def client(http: aiohttp.ClientSession) -> None:
        nonlocal closed_politely
        while not gone.is_set():
            try:
                async with http.get("/api/incidents") as reply:
                    served.append(reply.status)
                    closed_politely += reply.headers.get("Connection") == "close"
                async with enough:
                    enough.notify_all()
            except aiohttp.ClientError as error:
                failures.append(repr(error))

    async def served_more(requests: int) -> None:
        target = len(served) + requests
        async with asyncio.timeout(PATIENCE_SECONDS), enough:
            await enough.wait_for(lambda: len(served) >= target)

    async with (
        program("serve", variables) as api,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        await wait_ready(http)
        async with asyncio.TaskGroup() as clients:
            for _ in range(8):
                clients.create_task(client(http))
            await served_more(100)
            # when
            api.terminate()
            await wait_ready(http, 503)
            # then: unready but alive and serving
            async with http.get("/health/live") as live:
                assert live.status == 200
            await served_more(20)
            gone.set()
        assert failures == []
        assert set(served) == {401}
        assert closed_politely >= 20
        assert (await api.ended())[0] == 0


async def test_a_request_in_flight_is_finished_after_the_listener_is_gone(
    database: str, loop_of_the_program: dict[str, str]
) -> None:
    port = free_port()
    async with program("serve", environment(database, PORT=str(port), **loop_of_the_program)) as api:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            await wait_ready(http)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps({"email": "a@hogwarts.edu", "password": "12345678"}).encode()
        writer.write(
            b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")

        api.terminate()
        await until(lambda: accepts_no_more(port))
        writer.write(body)

        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"\r\nConnection: close\r\n" in answer
        writer.close()
        assert (await api.ended())[0] == 0


async def test_readers_that_take_nothing_do_not_keep_it(
    database: str, loop_of_the_program: dict[str, str]
) -> None:
    """They are in the middle of an answer when it has to go; a loop of its own kind may wait for what they do not take."""
    port = free_port()
    loop = asyncio.get_running_loop()
    base = f"http://127.0.0.1:{port}"
    async with (
        program("serve", environment(database, PORT=str(port), **loop_of_the_program)) as running,
        aiohttp.ClientSession(base) as http,
    ):
        await wait_ready(http)
        api = Api(cast("Any", None), http, database)
        await api.person("moody", "AUROR")
        await api.sql(
            """INSERT INTO incidents (title, description, location, reported_by)
               SELECT 'x', repeat('y', 10000), 'AZKABAN', u.id FROM generate_series(1, 500) n, users u"""
        )
        with ExitStack() as readers:
            for path in ("/api/incidents?limit=100", "/api/analytics/export.csv"):
                reader = readers.enter_context(socket.socket())
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                reader.setblocking(False)
                await loop.sock_connect(reader, ("127.0.0.1", port))
                head = (
                    f"GET {path} HTTP/1.1\r\nHost: map\r\nAuthorization: Bearer {api.tokens['moody']}\r\n\r\n"
                )
                await loop.sock_sendall(reader, head.encode())
                assert await loop.sock_recv(reader, 1), "the answer has begun, and is larger than any buffer"
            running.terminate()
            code, out, _ = await running.ended()
    assert code == 0
    assert f'"eventLoop":"{"asyncio" if loop_of_the_program else "uvloop"}"' in out


async def test_ready_soon_and_small(database: str) -> None:
    """Budgets in processor time, which a busy machine does not stretch; docs/performance.md has the figures."""
    port = free_port()
    async with program("serve", environment(database, PORT=str(port))) as api:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            await wait_ready(http)
            async with http.get("/metrics") as reply:
                text = await reply.text()
        api.terminate()
        await api.ended()
    figures = {
        name: float(value)
        for name, _, value in (line.partition(" ") for line in text.splitlines() if line[0] != "#")
    }
    assert figures["process_cpu_seconds_total"] < 1.5
    assert figures["process_resident_memory_bytes"] < 64 * 1024 * 1024


@pytest.mark.parametrize("command", ["serve", "serve --workers 2"])
@pytest.mark.parametrize("host", ["", "::"])
async def test_it_listens_on_ipv6_and_ipv4_alike(
    database: str, command: str, host: str, loop_of_the_program: dict[str, str]
) -> None:
    port = free_port()
    async with program(command, environment(database, PORT=str(port), HOST=host, **loop_of_the_program)):
        for address in ("127.0.0.1", "[::1]"):
            async with aiohttp.ClientSession(f"http://{address}:{port}") as http:
                await wait_ready(http)
                async with http.get("/api/nothing") as reply:
                    assert reply.status == 404


async def test_bad_configuration_exits_2_and_lists_everything() -> None:
    code, out, err = await run("serve", {"PORT": "x", "JWT_SECRET": "short"})

    assert (code, out) == (2, "")
    assert [line.split()[1] for line in err.splitlines()] == ["DATABASE_URL", "JWT_SECRET", "PORT"]


async def test_a_port_that_is_taken_exits_1(database: str) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out, _ = await run("serve", environment(database, PORT=str(taken.getsockname()[1])))

    assert code == 1
    assert "Cannot listen" in out


@pytest.mark.parametrize("command", ["--help", "version"])
async def test_help_and_version_need_no_configuration(command: str) -> None:
    code, out, err = await run(command, {})

    assert (code, err) == (0, "")
    assert "maraudersmap_api" in out or "marauders-map-api" in out


async def test_create_user_reads_the_password_from_standard_input(database: str) -> None:
    code, out, err = await run(
        "create-user --email Alastor.Moody@hogwarts.edu --role AUROR",
        {"DATABASE_URL": database},
        "CONSTANT VIGILANCE\n",
    )
    again = await run(
        "create-user --email alastor.moody@hogwarts.edu", {"DATABASE_URL": database}, "CONSTANT VIGILANCE\n"
    )
    weak = await run("create-user --email x@hogwarts.edu", {"DATABASE_URL": database}, "short\n")

    assert (code, err) == (0, "")
    assert "alastor.moody@hogwarts.edu (AUROR)" in out
    assert again[0] == 1
    assert "exists already" in again[2]
    assert weak[0] == 1
    assert "at least 8 characters" in weak[2]


async def test_logs_are_json_lines_of_the_contract(database: str) -> None:
    port = free_port()
    async with program("serve", environment(database, PORT=str(port))) as api:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            await wait_ready(http)
            headers = {"X-Request-ID": "the-one"}
            async with http.post("/api/auth/login", json={"email": "a"}, headers=headers) as reply:
                assert reply.status == 400
        api.terminate()
        _, out, err = await api.ended()

    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    ours = [line for line in lines if line["context"].get("requestId") == "the-one"]
    assert [(line["level"], line["message"]) for line in ours] == [
        ("info", "Request received"),
        ("warn", "Request completed"),
    ]
    for line in lines:
        assert list(line) == ["timestamp", "level", "message", "context", "service", "environment"]
    done = ours[1]["context"]
    assert {"userId", "requestId", "method", "path", "duration_ms", "status", "error"} == set(done)
    assert (done["path"], done["status"], done["error"]["name"]) == (
        "/api/auth/login",
        400,
        "ValidationError",
    )
    assert set(done["error"]) == {"name", "message", "stack"}


async def test_lines_of_incoming_requests_tell_where_from_and_files_have_them_too(
    database: str, tmp_path: Path
) -> None:
    port = free_port()
    variables = environment(
        database,
        PORT=str(port),
        TRUSTED_PROXIES="1",
        LOG_DIR=str(tmp_path / "logs"),
        HSTS_INCLUDE_SUBDOMAINS="true",
    )
    async with program("serve", variables) as running, aiohttp.ClientSession() as http:

        async def answers() -> bool:
            try:
                headers = {"User-Agent": "owl/1.0 " + "x" * 400, "X-Forwarded-For": "6.6.6.6, 2001:db8::7"}
                async with http.get(f"http://127.0.0.1:{port}/health/live", headers=headers) as reply:
                    assert reply.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
                    return reply.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(answers)
        running.terminate()
        _, out, _ = await running.ended()

    (received, *_) = [
        line for line in map(json.loads, out.splitlines()) if line["message"] == "Request received"
    ]
    assert received["context"]["ip"] == "2001:db8::7"
    assert received["context"]["userAgent"] == ("owl/1.0 " + "x" * 400)[:256]
    assert (tmp_path / "logs" / "combined.log").read_text() == out
    assert (tmp_path / "logs" / "error.log").read_text() == ""


async def test_a_log_folder_that_cannot_be_written_ends_the_start(database: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = await run("serve", environment(database, LOG_DIR=str(tmp_path / "file")))

    assert code == 2
    assert "LOG_DIR names a folder that cannot be written" in err


@pytest.mark.parametrize("command", ["create-user", "set-role --role AUROR", "deactivate"])
async def test_a_command_for_accounts_needs_the_schema_and_names_what_to_do(
    empty_database: str, command: str
) -> None:
    code, out, err = await run(
        f"{command} --email x@hogwarts.edu", {"DATABASE_URL": empty_database}, "constant vigilance\n"
    )

    assert (code, out) == (1, "")
    assert err.startswith(f"{command.split()[0]}: the database refuses it: ")
    assert err.endswith("run migrate first\n")
