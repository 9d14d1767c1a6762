"""The docs page as a person meets it: it loads under its own policy, and a request can be executed in it."""

from pathlib import Path

from tests.browser.chromium import browser_page
from tests.component.conftest import readiness, running_api

SCREENSHOT = Path(__file__).resolve().parent.parent.parent / ".state" / "screenshots" / "api-docs.png"
LIVENESS = "#operations-service-service_live"


async def test_a_request_is_executed_on_the_page(database: str) -> None:
    async with running_api(database) as api, browser_page() as page:
        await readiness(api, 200)
        await page.send("Page.navigate", url=str(api.http._build_url("/api/docs")))

        title = await page.until("document.querySelector('.info .title')?.textContent")
        assert "The Marauder's Map" in title
        operations = await page.until("document.querySelectorAll('.opblock').length")
        assert operations == len(api.service.api.operations)
        # when
        await page.click(f"{LIVENESS} .opblock-summary-control")
        # Swagger UI resolves an operation when it is opened; executed within that moment, it waits for ever.
        await page.until("!!window.ui.specSelectors.specResolvedSubtree(['paths', '/health/live', 'get'])")
        await page.click(f"{LIVENESS} .execute")
        # then
        answer = f"{LIVENESS} .live-responses-table"
        status = await page.until(
            f"document.querySelector('{answer} tr.response .response-col_status')?.textContent.trim()"
        )
        assert status.startswith("200")
        body = await page.until(f"document.querySelector('{answer} .highlight-code')?.textContent")
        assert '"status": "alive"' in body
        image = await page.screenshot(SCREENSHOT)
        assert len(image) > 20_000  # an empty page has some 5 kB
        assert page.complaints == []  # no policy violation, no missing file, no script error
