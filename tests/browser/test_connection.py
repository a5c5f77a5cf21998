"""Signing in, and a gateway that goes away and comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.looking import find_grave_faults
from tests.browser.watching import REFUSED, Viewer
from tests.e2e.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")
TOKEN = "a-token-for-operators-only"
CONFIGURATION = f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1}}
admin: {{listen: 127.0.0.1:0, token: {TOKEN}}}
backends: {{legacy: http://127.0.0.1:1, new: http://127.0.0.1:2}}
rollouts: {{shop: {{key: client_ip, percent: 5}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose API wants a token."""
    with Gateway(CONFIGURATION, tmp_path_factory.mktemp("locked")) as gateway:
        yield gateway


@pytest.fixture
def stranger(viewer: Viewer) -> Viewer:
    """Someone who is refused at first, which Chromium notes in the console."""
    viewer.expected = (REFUSED,)
    return viewer


async def sign_in(page: Page, token: str) -> None:
    """Write a token, and send it."""
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_wrong_token_is_told_and_the_right_one_opens(stranger: Viewer, locked: Gateway) -> None:
    """The page shows nothing before it; whoever erred may try again at once."""
    page = await stranger.open(locked.admin)
    await expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    await expect(page.get_by_label("Token")).to_be_focused()
    assert await find_grave_faults(page) == []
    await expect(page.get_by_text("shop")).to_have_count(0)

    await sign_in(page, "guessed")
    await expect(page.get_by_role("alert").filter(has_text="This is not the token")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_be_visible()

    await sign_in(page, TOKEN)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("link", name="shop", exact=True)).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()


async def test_the_token_is_kept_in_memory_only(stranger: Viewer, locked: Gateway) -> None:
    """Not in any storage, not in the address; the other views have it, and a reload forgets it."""
    page = await stranger.open(locked.admin)
    await sign_in(page, TOKEN)
    await expect(page.get_by_role("link", name="shop", exact=True)).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Events").click()
    await expect(page.get_by_role("heading", name="Events", level=1)).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)

    kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, location.href, history.state])")
    assert TOKEN not in kept
    assert await page.evaluate("indexedDB.databases()") == []
    assert await stranger.context.cookies() == []
    assert TOKEN not in str(await stranger.context.storage_state(indexed_db=True))

    await page.reload()
    await expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()


async def test_who_has_nothing_to_see_is_told_why(stranger: Viewer, locked: Gateway) -> None:
    """No incident, nothing compared: each says how it would come to that."""
    page = await stranger.open(f"{locked.admin}/#/incidents")
    await sign_in(page, TOKEN)
    await expect(page.get_by_text("No incidents")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Differences").click()
    await page.get_by_role("link", name="all", exact=True).click()
    await expect(page.get_by_text("Nothing has been compared yet")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Overview").click()
    await page.get_by_role("link", name="shop", exact=True).click()
    await expect(page.get_by_text("Nothing has happened yet")).to_be_visible()


async def test_a_page_whose_gateway_dies_says_so_and_recovers_by_itself(stranger: Viewer, locked: Gateway) -> None:
    """What is seen stays, marked as old; when the controller is back the page is live, and nobody signs in again."""
    page = await stranger.open(locked.admin)
    await sign_in(page, TOKEN)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()

    (controller,) = locked.pids("contr")
    os.kill(controller, signal.SIGKILL)
    await page.get_by_text("Disconnected", exact=True).wait_for()
    await expect(page.get_by_role("link", name="shop", exact=True)).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert locked.pids("contr") != [controller]
