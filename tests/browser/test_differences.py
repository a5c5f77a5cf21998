"""What comparing has found: fields by path, noise apart, both answers side by side."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.watching import Viewer, read
from tests.browser.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")
FIELDS = "Fields that differ, the worst first"


def field(page: Page, name: str, caption: str = FIELDS) -> Locator:
    """The row of the first path on which this field differs."""
    return page.get_by_role("table", name=caption).get_by_role("row").filter(has_text=name).first


async def test_a_route_is_chosen_by_how_much_differs(viewer: Viewer, scene: World) -> None:
    """All that have a candidate, with what was compared; the worst first."""
    page = await viewer.open(f"{scene.url}#/differences")
    routes = page.get_by_role("table", name=re.compile("Routes")).get_by_role("row")
    await expect(routes).to_have_count(8)
    await expect(routes.nth(1)).to_contain_text(re.compile(r"(orders|catalog).*\d %", re.DOTALL))
    await page.get_by_role("link", name="orders", exact=True).click()
    await expect(page.get_by_role("heading", level=1, name="orders")).to_be_focused()


async def test_fields_are_told_with_counts_and_noise_apart(viewer: Viewer, scene: World) -> None:
    """A bug is not hidden among what differs between two answers of the baseline."""
    page = await viewer.open(f"{scene.url}#/differences/orders")
    await expect(page.get_by_text("mismatched")).to_be_visible()
    await expect(field(page, "$.total")).to_contain_text(re.compile(r"another value.*\d+.*\d %", re.DOTALL))
    await expect(field(page, "$.served_at", "Noise, which is not counted")).to_be_visible()
    await expect(field(page, "$.served_at")).to_have_count(0)


async def test_a_sample_shows_both_answers_with_the_difference_marked(viewer: Viewer, scene: World) -> None:
    """Side by side, what differs as a mark, and the request by which both logs find it."""
    page = await viewer.open(f"{scene.url}#/differences/orders")
    row = field(page, "$.total")
    await row.get_by_role("button").click()

    contrast = page.get_by_role("table", name="Both values, what differs marked")
    await expect(contrast.get_by_role("cell").first).to_contain_text("12.5")
    await expect(contrast.get_by_role("cell").last).to_contain_text("12.51")
    await expect(contrast.locator("mark")).not_to_have_count(0)
    await expect(page.get_by_text(re.compile("^Request "))).to_be_visible()
    await row.get_by_role("button").click()
    await expect(contrast).to_have_count(0)


async def test_the_record_can_be_taken_along(viewer: Viewer, scene: World) -> None:
    """As NDJSON, a sample a line."""
    page = await viewer.open(f"{scene.url}#/differences/orders")
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Export as NDJSON").click()
    download = await coming.value
    lines = (await read(download)).splitlines()

    assert download.suggested_filename == "orders-differences.ndjson"
    assert "$.total" in {json.loads(line)["field"] for line in lines}


async def test_the_record_can_be_begun_anew(viewer: Viewer, scene: World) -> None:
    """After a question, with a reason that the audit log keeps."""
    scene.trade(("/catalog/{}",))
    page = await viewer.open(f"{scene.url}#/differences/catalog")
    await expect(field(page, "$.total")).to_be_visible()
    await page.get_by_role("button", name="Begin anew").click()
    question = page.get_by_role("dialog")
    await expect(question).to_contain_text("is forgotten")
    await question.get_by_label("Reason").fill("the total is mended")
    await question.get_by_role("button", name="Begin anew").click()

    await expect(question).to_have_count(0)
    await expect(field(page, "$.total")).to_have_count(0)
    items = scene.ask("events?limit=1000")["items"]
    assert "the total is mended" in items[-1]["reason"]


async def test_a_route_that_is_not_there_is_said_so(viewer: Viewer, scene: World) -> None:
    """Not an empty table."""
    viewer.expected = ("404",)
    page = await viewer.open(f"{scene.url}#/differences/nowhere")
    await expect(page.get_by_text("There is no such route")).to_be_visible()
