"""The fleet on a page: who is in it, and that a gateway hears nothing of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import Page, expect

from gateway.journal.records import Heading
from tests.browser.looking import find_grave_faults, find_overflow, take_picture
from tests.browser.watching import HEIGHT, Viewer
from tests.e2e.fleet import Fleet, backends, configure
from tests.journal.entries import entry, fill
from tests.store.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")
NARROW = 360


class Met(NamedTuple):
    """Two gateways, and where they meet."""

    fleet: Fleet
    store: RedisServer

    @property
    def url(self) -> str:
        """Of the dashboard of one of them."""
        return f"{self.fleet.gateways[0].admin}/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each gateway has one in it."""
    return tmp_path_factory.mktemp("fleet")


@pytest.fixture(scope="module")
def met(folder: Path) -> Iterator[Met]:
    """A fleet on a Redis of its own."""
    store = RedisServer(folder)
    store.start()
    with backends() as behind:
        fleet = Fleet(configure(behind, shop="percent: 5", search="percent: 0"), folder, [store.url] * 2)
        try:
            fleet.start()
            yield Met(fleet, store)
        finally:
            fleet.destroy()
            store.stop()


async def look_at(page: Page, name: str) -> None:
    """Nothing grave, and nothing cut off on a telephone."""
    assert await find_grave_faults(page) == []
    await page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    assert await find_overflow(page) == []
    await take_picture(page, name)


async def test_the_fleet_is_listed_with_who_leads(viewer: Viewer, met: Met) -> None:
    """From the overview one comes to a row for each gateway."""
    met.fleet.await_leader()
    page = await viewer.open(met.url)
    await page.get_by_role("link", name="2 gateways").click()
    table = page.get_by_role("table", name="Gateways of the fleet")
    for view in met.fleet.views():
        row = table.get_by_role("row").filter(has_text=view["replica"])
        await expect(row).to_contain_text(view["role"])
        await expect(row).to_contain_text("2 ready")
    await expect(page.get_by_role("navigation").get_by_role("link", name="Fleet")).to_have_attribute(
        "aria-current", "page"
    )
    await look_at(page, "fleet")


async def test_what_waits_in_a_journal_is_said_with_what_to_do(viewer: Viewer, met: Met, folder: Path) -> None:
    """Each gateway has its own, and any page says whose has something."""
    journal = folder / "gateway-1" / "crossfade.db.journal"
    for name in ("shop", "search"):
        fill(journal / name, entry(1), entry(2), heading=Heading(name, name))
    page = await viewer.open(f"{met.url}#/fleet")
    table = page.get_by_role("table", name="Gateways of the fleet")
    await expect(table.get_by_role("cell", name="4 writes")).to_be_visible(timeout=30_000)
    waits = page.locator("dl > div").filter(has_text="2 writes of search on")
    await expect(waits.locator("code")).to_have_text(
        f"crossfade reconcile search --admin {met.fleet.gateways[1].admin}"
    )
    await look_at(page, "fleet-journals")


async def test_a_page_says_that_its_gateway_is_degraded(viewer: Viewer, met: Met) -> None:
    """In a line above everything, until the store is back."""
    page = await viewer.open(met.url)
    banner = page.get_by_role("status").filter(has_text="Degraded: nothing is heard of the store")
    await expect(page.get_by_role("link", name="shop", exact=True)).to_be_visible()
    await expect(banner).to_have_count(0)

    met.store.stop()
    await expect(banner).to_be_visible()
    await look_at(page, "degraded")
    met.store.start()
    await expect(banner).to_have_count(0)
