"""The API as processes of their own, as in a cluster: to be killed, and cut off one by one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from dev.free_port import free_port
from tests.component.conftest import Api, Program, environment, program, readiness, until


@dataclass
class Pod:
    """A process and a client of it."""

    api: Api
    program: Program

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        self.program.child.kill()


@asynccontextmanager
async def pod(database_url: str, **variables: str) -> AsyncIterator[Pod]:
    """A ready process, with its cache if it has one."""
    port = free_port()
    environ = environment(database_url, PORT=str(port), LOG_LEVEL="warn", **variables)
    base = f"http://127.0.0.1:{port}"
    async with program("serve", environ) as running, aiohttp.ClientSession(base) as http:
        # There is no Service object: it lives in the other process.
        api = Api(cast("Any", None), http, database_url)

        async def answers() -> bool:
            try:
                return (await api.call("GET", "/health/live")).status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(answers)
        await readiness(api, 200, cache="healthy" if "REDIS_URL" in variables else "disabled")
        yield Pod(api, running)
