"""Debian's Chromium, one for all; a window of it for each test; and the world that it looks at.

Everything of Playwright's runs in the session's loop: tests here say so by ``pytestmark``.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.watching import PATIENCE_MS, Viewer, arrive
from tests.browser.world import World, world

expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window. Its sandbox wants rights that a container does not give."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def viewer(browser: Browser) -> AsyncIterator[Viewer]:
    """Someone at a desk. What the console complains of fails the test."""
    arrived = await arrive(browser)
    yield arrived
    await arrived.leave()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for all who only look."""
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def scene(filled: World) -> World:
    """The same, with traffic of the last minute."""
    filled.trade()
    return filled
