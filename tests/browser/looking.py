"""What can be said of a page's look without eyes: what axe-core finds, what is cut off, where the focus goes.

Pictures are left in `build/screenshots`, for those who have eyes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.e2e.servers import ROOT

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
PICTURES = ROOT / "build" / "screenshots"
GRAVE = {"serious", "critical"}


async def take_picture(page: Page, name: str) -> None:
    """All of the page, also what is below the window's edge."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


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
    """The elements that reach beyond the window's right edge, when the page scrolls sideways.

    What is drawn to the width is drawn anew when that has changed: it has so many frames for it.
    """
    return await page.evaluate("""async () => {
        const isWider = () => document.scrollingElement.scrollWidth > document.documentElement.clientWidth;
        for (let frame = 0; frame < 120 && isWider(); frame += 1) await new Promise(requestAnimationFrame);
        if (!isWider()) return [];
        const width = document.documentElement.clientWidth;
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
