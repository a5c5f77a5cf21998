"""Every view at three widths, light and dark: pictures of it, nothing cut off, and what axe-core says of it.

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
        const all = [...document.querySelectorAll("body *")];
        return all.filter((each) => each.getBoundingClientRect().right > width + 1).map((each) => each.outerHTML.slice(0, 120));
    }""")


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_is_whole_at_every_width_and_fit_for_all(viewer: Viewer, scene: World, view: str) -> None:
    """Nothing reaches beyond the window, nothing that axe-core takes for grave, in light and dark."""
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


@pytest.mark.parametrize("view", VIEWS)
async def test_every_control_is_reached_by_the_tab_key(viewer: Viewer, scene: World, view: str) -> None:
    """Each, and in the order in which they stand; and where the focus is can be seen."""
    page = await visit(viewer, scene, view)
    count, reached = await walk(page)

    assert count > 5
    assert reached == list(range(count))


NUMBER_CONTROLS = """() => {
    const wanted = "a[href], button:not(:disabled), input:not(:disabled), select, textarea, summary, [tabindex='0']";
    const seen = [...document.querySelectorAll(wanted)].filter((each) => each.checkVisibility({ visibilityProperty: true }));
    seen.forEach((each, index) => each.setAttribute("data-number", index));
    return seen.length;
}"""
LOOK = """() => {
    const style = getComputedStyle(document.activeElement);
    const isSeen = style.outlineStyle !== "none" || style.boxShadow !== "none";
    return isSeen ? Number(document.activeElement.dataset.number ?? -1) : -2;
}"""


async def walk(page: Page) -> tuple[int, list[int]]:
    """How many controls there are, and the numbers of those that the tab key comes to; -2 for an unseen focus."""
    count: int = await page.evaluate(NUMBER_CONTROLS)
    reached = []
    for _ in range(count):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate(LOOK))
    return count, reached
