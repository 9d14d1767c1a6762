"""A visit to the service's page: a tab with a new profile, and its trace when something in it goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, Response

ROOT = Path(__file__).resolve().parents[2]
TRACES = ROOT / "dist" / "e2e"
PATIENCE_MILLISECONDS = 60_000
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The system's browser. Raises RuntimeError when it has none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise RuntimeError("chromium is not installed: use `make e2e`")
    return found


@dataclass(frozen=True)
class Visits:
    """Tabs on the service at `address`; `insecure`: with any certificate."""

    browser: Browser
    address: str
    insecure: bool

    @contextmanager
    def open(self, name: str) -> Iterator[Page]:
        """A tab. What fails while it is open leaves dist/e2e/<name>.zip: every step with pictures, page and network."""
        context = self.browser.new_context(base_url=self.address, ignore_https_errors=self.insecure)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.tracing.start(screenshots=True, snapshots=True, sources=True)
        kept = TRACES / f"{name}.zip"
        kept.unlink(missing_ok=True)  # of the last run
        try:
            yield context.new_page()
        except BaseException:
            context.tracing.stop(path=kept)
            print(f"trace: {kept.relative_to(ROOT)}")
            raise
        else:
            context.tracing.stop()
        finally:
            context.close()


@dataclass(frozen=True)
class DocsPage:
    """/api/docs as a person uses it."""

    page: Page

    def execute(self, operation: str, path: str, body: str) -> Response:
        """Open the operation, put `body` in, press Execute: the answer, which the page shows as well."""
        block = self.page.locator(f"#operations-{operation}")
        block.locator(".opblock-summary-control").click()
        block.locator("textarea.body-param__text").fill(body)
        with self.page.expect_response(lambda answer: answer.url.endswith(path)) as asked:
            block.locator("button.execute").click()
        shown = block.locator(".live-responses-table tr.response .response-col_status").inner_text()
        assert shown.split()[0] == str(asked.value.status)
        return asked.value

    def authorize(self, token: str) -> None:
        """What the page sends from now on with every request."""
        self.page.locator(".scheme-container button.authorize").click()
        self.page.locator(".modal-ux input").first.fill(token)
        self.page.locator(".modal-ux button.modal-btn.authorize").click()
        self.page.locator(".modal-ux button.btn-done").click()

    def listen(self, token: str) -> None:
        """Open a WebSocket in the page and sign in there."""
        self.page.evaluate(LISTEN, token)

    def arrived(self, kind: str, number: int | None = None) -> None:
        """Wait for a frame of this type, and about the object with this id. Raises TimeoutError of Playwright."""
        self.page.wait_for_function(ARRIVED, arg=[kind, number])


LISTEN = """token => {
  window.frames_received = [];
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket.onmessage = message => window.frames_received.push(JSON.parse(message.data));
  socket.onopen = () => socket.send(JSON.stringify({type: "auth", token}));
}"""
ARRIVED = """([kind, number]) => window.frames_received.some(
  frame => frame.type === kind && (number === null || frame.data.id === number))"""
