"""A headless Chromium, driven over its DevTools protocol: just enough to look at a page and click in it."""

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=1280,1400",
)
PATIENCE_SECONDS = 60.0


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)
        self.complaints: list[str] = []

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its result; what the page complains about meanwhile is kept."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = json.loads(await self._socket.receive_str())
                if message.get("id") == number:
                    assert "error" not in message, message["error"]
                    result: dict[str, Any] = message["result"]
                    return result
                if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                    self.complaints.append(json.dumps(message["params"]))

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        result = await self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until it gives something true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (value := await self.value(expression)):  # noqa: ASYNC110 - the page cannot call us
                await asyncio.sleep(0.05)
        return value

    async def click(self, selector: str) -> None:
        """Click what a CSS selector finds, once it is there."""
        await self.until(f"!!document.querySelector({json.dumps(selector)})")
        await self.value(f"document.querySelector({json.dumps(selector)}).click()")

    async def screenshot(self, path: Path) -> bytes:
        """What a person would see, as PNG."""
        result = await self.send("Page.captureScreenshot", format="png")
        image = base64.b64decode(result["data"])
        await asyncio.to_thread(_write, path, image)
        return image


@asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    """A tab in a browser of its own, with a new profile; both are gone afterwards."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program is not None, "chromium is not installed: use `make test-browser`"
    with tempfile.TemporaryDirectory(prefix="marauders-chromium-", ignore_cleanup_errors=True) as profile:
        child = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (port := _port(Path(profile))) is None:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                async with session.get("/json/list") as response:
                    tabs = await response.json()
                tab = next(tab for tab in tabs if tab["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await page.send(f"{domain}.enable")
                    yield page
        finally:
            child.kill()
            await child.wait()


def _port(profile: Path) -> int | None:
    """Where the browser listens, once it has reported it."""
    file = profile / "DevToolsActivePort"
    lines = file.read_text().split() if file.exists() else []
    return int(lines[0]) if lines else None


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
