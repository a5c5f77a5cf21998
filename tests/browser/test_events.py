"""The audit log: who changed what, when and why."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.watching import Viewer
from tests.browser.world import World, steer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def rows(page: Page) -> Locator:
    """The events, without the table's head."""
    return page.get_by_role("table", name="Events").get_by_role("row").filter(has=page.get_by_role("rowheader"))


async def test_events_are_told_newest_first_and_rest_on_values(viewer: Viewer, scene: World) -> None:
    """The guard's rollback leads to its incident, and shows the numbers that it went by."""
    page = await viewer.open(f"{scene.url}#/events?rollout=payments&kind=rollback")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text(re.compile(r"rolled back.*50 % → 0 %.*payments.*rule", re.DOTALL))

    await rows(page).get_by_role("button").click()
    await expect(page.get_by_role("link", name=re.compile("The incident"))).to_be_visible()
    await expect(page.get_by_text('"bound"')).to_be_visible()


async def test_the_log_is_searched(viewer: Viewer, scene: World) -> None:
    """By rollout, kind, who did it, and words; what is looked for stands in the address."""
    page = await viewer.open(f"{scene.url}#/events")
    await expect(rows(page)).not_to_have_count(0)
    await page.get_by_label("Rollout").select_option("checkout")
    await page.get_by_label("Who did it").select_option("operator")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text("checkout")
    assert "rollout=checkout" in page.url

    await page.get_by_label(re.compile("Find in reasons")).fill("no reason is like this")
    await expect(page.get_by_text("No event is like that")).to_be_visible()
    await page.get_by_role("button", name="Clear").click()
    await expect(rows(page)).not_to_have_count(0)


async def test_new_events_come_by_themselves(viewer: Viewer, scene: World) -> None:
    """With the reason, as soon as it happens."""
    page = await viewer.open(f"{scene.url}#/events")
    await expect(rows(page)).not_to_have_count(0)
    steer(scene.gateway, "PUT", "search/percent", {"percent": 42, "reason": "a round number"})
    await expect(rows(page).first).to_contain_text("a round number")
    await expect(rows(page).first).to_contain_text("ada")
    steer(scene.gateway, "DELETE", "search/percent", {"reason": "as before"})
    await expect(rows(page).first).to_contain_text("as before")
