"""The rollbacks that were recorded: all of them, and one as a page that can be printed and passed on."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.watching import Viewer, read
from tests.browser.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def visit(viewer: Viewer, scene: World) -> Page:
    """The page of the rollback by a guard."""
    (incident,) = scene.ask("incidents?rollout=payments")["items"]
    page = await viewer.open(f"{scene.url}#/incidents/{incident['id']}")
    await expect(page.get_by_role("heading", level=1, name="payments was rolled back")).to_be_visible()
    return page


async def test_all_are_listed_with_their_cause(viewer: Viewer, scene: World) -> None:
    """The guard's by its rule and its worst path, a person's by the reason; each leads to its page."""
    page = await viewer.open(f"{scene.url}#/incidents")
    rows = page.get_by_role("table").get_by_role("row")
    by_rule = rows.filter(has_text="payments")
    await expect(by_rule).to_contain_text(re.compile(r"guard.*error_rate > 20% for 5s.*50 %.*/payments/", re.DOTALL))
    await expect(rows.filter(has_text="returns")).to_contain_text("by hand")

    await by_rule.get_by_role("rowheader").get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1, name="payments was rolled back")).to_be_focused()


async def test_one_tells_all_that_is_known(viewer: Viewer, scene: World) -> None:
    """What fired and on which numbers, the worst paths, failed requests with their IDs, and what is next."""
    page = await visit(viewer, scene)
    await expect(page.get_by_text("payments went from 50 % to 0 %. A guard was broken.")).to_be_visible()
    numbers = page.get_by_role("table", name="The numbers it rests on")
    await expect(numbers.get_by_role("row", name=re.compile("value"))).to_contain_text("20 %")
    await expect(page.get_by_role("table", name="Paths").get_by_role("row").nth(1)).to_contain_text("/payments/")
    failed = page.get_by_role("table", name="Samples of failed requests").get_by_role("row")
    await expect(failed.nth(1)).to_contain_text(
        re.compile(r"GET /payments/.*5xx; answered by the baseline with 200", re.DOTALL)
    )
    await expect(page.get_by_role("link", name="resume payments")).to_have_attribute("href", "#/rollouts/payments")


async def test_one_can_be_passed_on(viewer: Viewer, scene: World) -> None:
    """As a link, as Markdown in the clipboard, and as a file: the same that the API gives."""
    page = await visit(viewer, scene)
    clipboard = "navigator.clipboard.readText()"
    await page.get_by_role("button", name="Copy link").click()
    await expect(page.get_by_text("The link is copied.")).to_be_visible()
    assert await page.evaluate(clipboard) == page.url

    await page.get_by_role("button", name="Copy as Markdown").click()
    await expect(page.get_by_text("Copied as Markdown.")).to_be_visible()
    markdown = await page.evaluate(clipboard)
    assert "error_rate > 20% for 5s" in markdown

    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Download").click()
    download = await coming.value
    assert download.suggested_filename.endswith(".md")
    assert await read(download) == markdown


async def test_on_paper_there_is_only_the_record(viewer: Viewer, scene: World) -> None:
    """No navigation, no buttons; dark on light, whatever the theme."""
    page = await visit(viewer, scene)
    await page.emulate_media(media="print", color_scheme="dark")

    await expect(page.get_by_role("navigation")).to_be_hidden()
    await expect(page.get_by_role("button", name="Copy link")).to_be_hidden()
    await expect(page.get_by_role("heading", level=1, name="payments was rolled back")).to_be_visible()
    style = "(({ backgroundColor, color }) => [backgroundColor, color])(getComputedStyle(document.body))"
    paper, ink = await page.evaluate(style)
    assert paper in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"}
    assert all(int(part) < 64 for part in re.findall(r"\d+", ink)[:3])


async def test_one_that_is_not_kept_is_said_so(viewer: Viewer, scene: World) -> None:
    """Not an empty page."""
    viewer.expected = ("404",)
    page = await viewer.open(f"{scene.url}#/incidents/20200101-000000-nobody")
    await expect(page.get_by_text("There is no such incident")).to_be_visible()
