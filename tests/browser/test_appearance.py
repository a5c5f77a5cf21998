"""Every view at three widths, light and dark: pictures of it, nothing cut off, what axe-core says of it, and its keys.

The pictures are left in `build/screenshots`, for people to look at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.watching import HEIGHT, Viewer
from tests.browser.world import World
from tests.e2e.servers import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
PICTURES = ROOT / "build" / "screenshots"
WIDTHS = (360, 1024, 1920)
THEMES = ("light", "dark")
GRAVE = {"serious", "critical"}
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


async def find_grave_faults(page: Page) -> list[str]:
    """What axe-core takes for serious or critical: the rule, the element, and why."""
    await page.evaluate(AXE)
    found: list[dict[str, Any]] = await page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{each['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


async def find_overflow(page: Page) -> list[str]:
    """The elements that reach beyond the window's right edge, when the page scrolls sideways."""
    return await page.evaluate("""() => {
        const width = document.documentElement.clientWidth;
        if (document.scrollingElement.scrollWidth <= width) return [];
        const isBeyond = (each) => each.getBoundingClientRect().right > width + 1;
        return [...document.querySelectorAll("body *")].filter(isBeyond).map((each) => each.outerHTML.slice(0, 120));
    }""")


NUMBER_CONTROLS = """() => {
    const wanted = "a[href], button:enabled, input:enabled, select, textarea, summary, [tabindex='0']";
    const isSeen = (each) => each.checkVisibility({ visibilityProperty: true });
    const controls = [...document.querySelectorAll(wanted)].filter(isSeen);
    controls.forEach((each, index) => each.setAttribute("data-number", index));
    document.activeElement.blur();
    return controls.map((each) => each.outerHTML.slice(0, 120));
}"""
LOOK = """() => {
    const mark = ({ outlineStyle, boxShadow }) => outlineStyle !== "none" || boxShadow !== "none";
    const focused = document.activeElement;
    const around = [focused, focused.parentElement].filter(Boolean);
    return around.some((each) => mark(getComputedStyle(each))) ? Number(focused.dataset.number ?? -1) : -1;
}"""


async def list_missed(page: Page) -> list[str]:
    """The controls that the tab key does not come to in their turn, or on which nobody sees that it has."""
    controls: list[str] = await page.evaluate(NUMBER_CONTROLS)
    missed = []
    for number, control in enumerate(controls):
        await page.keyboard.press("Tab")
        if await page.evaluate(LOOK) != number:
            missed.append(control)
    return missed


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_is_whole_at_every_width_and_fit_for_all(viewer: Viewer, scene: World, view: str) -> None:
    """Nothing reaches beyond the window, nothing that axe-core takes for grave, in light and dark; the tab key comes to
    every control, in their order, and the focus is seen.
    """
    page = await visit(viewer, scene, view)
    PICTURES.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    for theme in THEMES:
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": HEIGHT})
            faults += [f"{theme}, {width}: {each}" for each in await find_overflow(page)]
            await page.screenshot(path=PICTURES / f"{view}-{width}-{theme}.png", full_page=True)
        faults += [f"{theme}: {each}" for each in await find_grave_faults(page)]

    assert not faults, "\n".join(faults)
    assert await list_missed(page) == []


async def test_the_theme_can_be_chosen_and_is_kept(viewer: Viewer, scene: World) -> None:
    """Whatever the machine prefers; also after a reload."""
    page = await viewer.open(scene.url)
    colour = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(colour)
    button = page.get_by_role("button", name="Theme:")
    await button.click()
    await button.click()
    await expect(button).to_contain_text("Dark")
    dark = await page.evaluate(colour)
    assert dark != light

    await page.reload()
    await expect(button).to_contain_text("Dark")
    assert await page.evaluate(colour) == dark
