"""Runs inside the cluster, in a pod with the API's image: a user at home, who knows the service by its address only.

`get` sends one request and prints what came back; `listen` follows a WebSocket until the service ends it, and comes back.
"""

import argparse
import asyncio
import json
import os
import ssl
from typing import Any

import aiohttp

ACCOUNT = {"email": "peeves@hogwarts.edu", "password": "wee potty loopy lupin"}
NAMES = {"firstName": "Peeves", "lastName": "Poltergeist"}
SECONDS = 300.0


async def get(http: aiohttp.ClientSession, url: str, forwarded: str) -> None:
    """One request; redirects are shown, not followed."""
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    async with http.get(url, headers=headers, allow_redirects=False) as answer:
        await answer.read()
        print(json.dumps({"status": answer.status, "headers": dict(answer.headers)}))


async def listen(http: aiohttp.ClientSession, url: str) -> None:
    """Report and hear of it through a socket; when the service has closed that, the same through another one."""
    async with http.post(f"{url}/api/auth/register", json=ACCOUNT | NAMES) as answer:
        await answer.read()
    async with http.post(f"{url}/api/auth/login", json=ACCOUNT) as answer:
        token = (await answer.json())["accessToken"]
    code = None
    for turn in ("first", "second"):
        async with http.ws_connect(f"{url}/ws") as socket:
            await socket.send_json({"type": "auth", "token": token})
            await heard(socket, "connection:acknowledged")
            made = await report(http, url, token)
            while (await heard(socket, "incident:created"))["data"]["id"] != made:
                """An earlier one."""
            print(json.dumps({"turn": turn, "heard": made}), flush=True)
            if turn == "first":
                while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    """Still open."""
                code = socket.close_code
    print(json.dumps({"closed": code}), flush=True)


async def report(http: aiohttp.ClientSession, url: str, token: str) -> int:
    """A new incident's number."""
    body = {"title": "Water balloons in the corridor", "location": "HOGWARTS", "severity": "MISCHIEF"}
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{url}/api/incidents", json=body, headers=headers) as answer:
        answer.raise_for_status()
        return int((await answer.json())["id"])


async def heard(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next frame of that type."""
    while (frame := await socket.receive_json())["type"] != kind:
        """Something else."""
    found: dict[str, Any] = frame
    return found


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("get", "listen"))
    parser.add_argument("url")
    parser.add_argument("--forwarded", default="")
    arguments = parser.parse_args()
    context = ssl.create_default_context(cadata=os.environ["CA"])
    async with (
        asyncio.timeout(SECONDS),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http,
    ):
        if arguments.what == "get":
            await get(http, arguments.url, arguments.forwarded)
        else:
            await listen(http, arguments.url)


if __name__ == "__main__":
    asyncio.run(main())
