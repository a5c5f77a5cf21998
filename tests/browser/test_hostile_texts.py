"""Texts of users, backends and operators stay texts, wherever they are shown.

What would show otherwise: an element made of them, a script that has run, a complaint of the policy.
"""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.browser.watching import Viewer
from tests.browser.world import HARM, HARM_IN_A_PATH, OPERATOR, World

pytestmark = pytest.mark.asyncio(loop_scope="session")
MADE = "#app img, #app script, #app iframe, #app [onload], #app [onerror]"
PLACES = {
    "overview": ("#/", [HARM]),
    "rollout": ("#/rollouts/checkout", [HARM, OPERATOR, HARM_IN_A_PATH]),
    "differences": ("#/differences/orders", [HARM]),
    "incidents": ("#/incidents", [HARM]),
    "incident": ("#/incidents/{incident}", [HARM]),
    "events": ("#/events", [HARM, OPERATOR]),
    "configuration": ("#/configuration", [HARM]),
}
"""Reasons, names, paths, fields and comments, where they are shown."""
SCRIPT = "<script>window.harmed=1</script>"
"""What of it JSON writes as it is."""
DRAFT = f"""\
version: 1
backends: {{legacy: http://127.0.0.1:1}}
routes: [{{name: '{HARM}', match: /**, backend: legacy}}]
"""
ADDRESSES = ("rollouts", "differences", "incidents")


async def expect_text(page: Page, text: str) -> None:
    """It is there as it was written, and nothing was made of it."""
    await expect(page.get_by_text(text).first).to_be_attached()
    await expect(page.locator(MADE)).to_have_count(0)


@pytest.mark.parametrize("view", PLACES)
async def test_a_hostile_text_stays_text(viewer: Viewer, scene: World, view: str) -> None:
    """Wherever it comes from."""
    address, texts = PLACES[view]
    (incident,) = scene.ask("incidents?rollout=returns")["items"]
    page = await viewer.open(scene.url + address.format(incident=incident["id"]))
    for text in texts:
        await expect_text(page, text)


async def test_a_hostile_answer_stays_text(viewer: Viewer, scene: World) -> None:
    """As a sample of what differed."""
    page = await viewer.open(f"{scene.url}#/differences/orders")
    await page.get_by_role("row").filter(has_text="$.note").first.get_by_role("button").click()
    await expect(page.get_by_role("cell").filter(has_text=SCRIPT).first).to_be_visible()
    await expect_text(page, SCRIPT)


@pytest.mark.parametrize("view", ADDRESSES)
async def test_a_hostile_address_stays_text(viewer: Viewer, scene: World, view: str) -> None:
    """A link that somebody was sent names what does not exist."""
    viewer.expected = ("404", "422")
    page = await viewer.open(f"{scene.url}#/{view}/{quote(HARM, safe='')}")
    await expect_text(page, HARM)


async def test_a_hostile_draft_stays_text(viewer: Viewer, scene: World) -> None:
    """A route of such a name is refused, by that name."""
    page = await viewer.open(f"{scene.url}#/configuration")
    await page.get_by_label("Draft of the configuration").fill(DRAFT)
    await page.get_by_role("button", name="Validate").click()
    await expect(page.get_by_role("listitem").filter(has_text="onerror").first).to_be_visible()
    await expect_text(page, "onerror")
