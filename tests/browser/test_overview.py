"""The first view: every rollout at a glance, as it is at this moment."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.watching import Viewer
from tests.browser.world import USERS, World, steer

pytestmark = pytest.mark.asyncio(loop_scope="session")
FIRST_VIEW_BYTES = 150 << 10


def row(page: Page, name: str) -> Locator:
    """A rollout's row."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


async def test_every_rollout_has_a_row_with_its_state_in_words(viewer: Viewer, scene: World) -> None:
    """And its share, its stage with what it waits for, its mode, and the last event."""
    page = await viewer.open(scene.url)

    await expect(row(page, "checkout")).to_contain_text(re.compile(r"running.*50 %.*2 of 3.*waits for hold", re.DOTALL))
    await expect(row(page, "profile")).to_contain_text(re.compile("pending.*3 stages planned", re.DOTALL))
    await expect(row(page, "search")).to_contain_text("fixed share")
    await expect(row(page, "payments")).to_contain_text(re.compile(r"rolled back.*0 %.*rolled back", re.DOTALL))
    await expect(row(page, "catalog")).to_contain_text("mode shadow")
    await expect(page.get_by_role("row")).to_have_count(7)
    await expect(page.get_by_text("1 worker ready")).to_be_visible()


async def test_both_arms_figures_are_those_of_the_api(viewer: Viewer, scene: World) -> None:
    """Error rate and p99 with their units, and how much differs of what was compared."""
    page = await viewer.open(scene.url)

    await expect(row(page, "search")).to_contain_text(re.compile(r"candidate 0 %\s*baseline 0 %"))
    await expect(row(page, "search")).to_contain_text(re.compile(r"candidate [\d.]+ (ms|s)"))
    await expect(row(page, "catalog").get_by_role("link", name=re.compile(" %$"))).to_be_visible()
    shown = {each["name"]: each for each in scene.ask("overview")["rows"]}
    assert shown["search"]["candidate"]["requests"] + shown["search"]["baseline"]["requests"] >= USERS


async def test_a_change_is_shown_without_a_reload(viewer: Viewer, scene: World) -> None:
    """What somebody does elsewhere comes by the stream."""
    page = await viewer.open(scene.url)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await expect(row(page, "search")).to_contain_text("40 %")

    steer(scene.gateway, "PUT", "search/percent", {"percent": 41, "reason": "a little more"})
    await expect(row(page, "search")).to_contain_text("41 %")
    await expect(row(page, "search")).to_contain_text("set by an operator")
    await expect(row(page, "search")).to_contain_text("a little more")

    steer(scene.gateway, "DELETE", "search/percent", {"reason": "as before"})
    await expect(row(page, "search")).to_contain_text("40 %")


async def test_rollouts_can_be_chosen_by_their_state_and_sorted(viewer: Viewer, scene: World) -> None:
    """A chip with its count for each state that there is; a column's head sorts, and says so."""
    page = await viewer.open(scene.url)
    await page.get_by_role("button", name="rolled back 2").click()
    await expect(page.get_by_role("row")).to_have_count(3)
    await expect(row(page, "payments")).to_be_visible()
    await page.get_by_role("button", name="All 6").click()

    await page.get_by_role("button", name="Rollout").click()
    head = page.get_by_role("columnheader", name="Rollout")
    await expect(head).to_have_attribute("aria-sort", "ascending")
    await expect(page.get_by_role("row").nth(1)).to_contain_text("catalog")
    await page.get_by_role("button", name="Rollout").click()
    await expect(head).to_have_attribute("aria-sort", "descending")
    await expect(page.get_by_role("row").nth(1)).to_contain_text("search")


async def test_the_first_view_is_small_and_all_from_here(viewer: Viewer, scene: World) -> None:
    """Less than 150 KiB, and nothing from another host."""
    asked: list[str] = []
    viewer.context.on("request", lambda request: asked.append(request.url))
    page = await viewer.open(scene.url)
    await expect(row(page, "checkout")).to_be_visible()

    entries = '[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]'
    sizes = await page.evaluate(f"{entries}.map((entry) => entry.transferSize)")
    assert len(sizes) > 5
    assert 0 < sum(sizes) < FIRST_VIEW_BYTES
    assert [url for url in asked if not url.startswith((scene.url, "data:"))] == []


async def test_an_unknown_address_leads_back(viewer: Viewer, scene: World) -> None:
    """There is no such view, and it says so."""
    page = await viewer.open(f"{scene.url}#/nowhere/at/all")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await page.get_by_role("link", name="To the overview").click()
    await expect(row(page, "checkout")).to_be_visible()
