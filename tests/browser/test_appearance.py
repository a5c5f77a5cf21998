"""Every view at three widths, light and dark: pictures of it, nothing cut off, what axe-core says, and its keys."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.looking import find_grave_faults, find_overflow, list_missed, take_picture
from tests.browser.watching import HEIGHT, Viewer
from tests.browser.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")
WIDTHS = (360, 1024, 1920)
THEMES = ("light", "dark")
VIEWS = {
    "overview": "#/",
    "rollout": "#/rollouts/checkout",
    "differences": "#/differences/orders",
    "incidents": "#/incidents",
    "incident": "#/incidents/{incident}",
    "events": "#/events",
    "configuration": "#/configuration",
}


async def visit(viewer: Viewer, world: World, view: str) -> Page:
    """A view, with all that it shows."""
    incident = world.ask("incidents")["items"][0]["id"]
    page = await viewer.open(world.url + VIEWS[view].format(incident=incident))
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await expect(page.locator(".loading")).to_have_count(0)
    return page


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_is_whole_at_every_width_and_fit_for_all(viewer: Viewer, scene: World, view: str) -> None:
    """Nothing reaches beyond the window, nothing that axe-core takes for grave, in light and dark; the tab key comes to
    every control, in their order, and the focus is seen.
    """
    page = await visit(viewer, scene, view)
    faults: list[str] = []
    for theme in THEMES:
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": HEIGHT})
            faults += [f"{theme}, {width}: {each}" for each in await find_overflow(page)]
            await take_picture(page, f"{view}-{width}-{theme}")
        faults += [f"{theme}: {each}" for each in await find_grave_faults(page)]

    assert not faults, "\n".join(faults)
    assert await list_missed(page) == []


async def test_the_theme_can_be_chosen_and_is_kept(viewer: Viewer, scene: World) -> None:
    """Whatever the machine prefers; also after a reload."""
    page = await viewer.open(scene.url)
    body = page.locator("body")
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    button = page.get_by_role("button", name="Theme:")
    await button.click()
    await button.click()
    await expect(button).to_contain_text("Dark")
    await expect(body).not_to_have_css("background-color", light)
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")

    await page.reload()
    await expect(button).to_contain_text("Dark")
    await expect(body).to_have_css("background-color", dark)
