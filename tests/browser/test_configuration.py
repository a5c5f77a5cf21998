"""The configuration in force, a text that was refused, and a box that tries a draft."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.watching import REFUSED, Viewer
from tests.browser.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_text_in_force_is_shown_with_its_revision(viewer: Viewer, scene: World) -> None:
    """Line by line, as the file has it."""
    page = await viewer.open(f"{scene.url}#/configuration")
    config = scene.ask("config")
    await expect(page.get_by_text(config["revision"]).first).to_be_visible()
    lines = page.get_by_role("region", name="The text in force").locator("code")
    await expect(lines).to_have_count(len(config["yaml"].rstrip("\n").split("\n")))
    await expect(lines.first).to_have_text(config["yaml"].split("\n")[0])


async def test_a_text_that_is_refused_is_shown_at_its_lines(viewer: Viewer, scene: World) -> None:
    """What was in force stays; when the file is mended it says so."""
    viewer.expected = (REFUSED,)
    page = await viewer.open(f"{scene.url}#/configuration")
    text = scene.gateway.path.read_text()
    again = page.get_by_role("button", name="Read the file again")
    try:
        scene.gateway.path.write_text(text.replace("percent: 40", "percent: 140"))
        await again.click()
        await expect(page.get_by_role("heading", name="The newest text was refused")).to_be_visible()
        problem = page.get_by_role("button", name=re.compile(r"line \d+, column \d+")).first
        await problem.click()
        refused = page.get_by_role("region", name="The text that was refused")
        await expect(refused.locator(".is-marked")).to_contain_text("percent: 140")
        assert scene.ask("config")["last_reload_ok"] is False
    finally:
        scene.gateway.path.write_text(text)
    await again.click()
    await expect(page.get_by_role("heading", name="The newest text was refused")).to_have_count(0)
    await expect(page.get_by_text("accepted")).to_be_visible()


async def test_a_draft_says_what_it_would_move(viewer: Viewer, scene: World) -> None:
    """In shares of the users; nothing is put in force."""
    page = await viewer.open(f"{scene.url}#/configuration")
    await page.get_by_role("button", name="Begin with the text in force").click()
    box = page.get_by_label("Draft of the configuration")
    text = await box.input_value()
    assert text == scene.ask("config")["yaml"]
    await box.fill(text.replace("percent: 40", "percent: 60"))
    await page.get_by_role("button", name="Validate").click()

    await expect(page.get_by_text("valid", exact=True)).to_be_visible()
    await expect(page.get_by_text(re.compile(r"The share goes from 40 % to 60 %\. Of all users move"))).to_be_visible()
    assert scene.ask("rollouts/search")["percent"] == 40


async def test_a_faulty_draft_says_where(viewer: Viewer, scene: World) -> None:
    """A problem leads to its place in the box."""
    page = await viewer.open(f"{scene.url}#/configuration")
    box = page.get_by_label("Draft of the configuration")
    await box.fill(
        "version: 1\nbackends: {legacy: http://127.0.0.1:1}\nroutes: [{name: a, match: /**, backend: new}]\n"
    )
    await page.get_by_role("button", name="Validate").click()
    await page.get_by_role("button", name=re.compile("line 3, column")).click()
    await expect(box).to_be_focused()
    selected = "(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd))"
    assert "new" in await page.evaluate(f"{selected}(document.activeElement)")
