# ruff: noqa: INP001, S311 - run as a module; the load's dice need no cryptography
"""Take the pictures of the documents: a real gateway, real traffic of some minutes, a real browser.

Run as ``python -m scripts.screenshots`` (needs Chromium). The shops are made up; what the pictures show was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
from playwright.async_api import Browser, async_playwright

from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, say, say_json, shop

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
SECONDS: Final = 240.0
"""Of traffic, before the pictures are taken: charts show five minutes."""
REQUESTS_PER_SECOND: Final = 40.0
USERS: Final = 900
WIDTH: Final = 1280
SETTLED_MS: Final = 3000

CONFIGURATION: Final = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts:
  checkout:
    key: header:X-User-ID
    start: auto
    stages:
      - {{percent: 10, hold: {short}s}}
      - {{percent: 25, hold: 2h}}
      - {{percent: 50, hold: 8h, approval: manual}}
      - {{percent: 100}}
    gates: [error_rate < 5% for 1m, p95 < 1.2x baseline for 1m, mismatch_rate < 2% for 1m]
    guard: [{{when: p99 > 3x baseline for 2m, do: rollback}}]
  search:
    key: header:X-User-ID
    start: auto
    stages: [{{percent: 10, hold: 5s, approval: manual}}, {{percent: 50, hold: 4h}}, {{percent: 100}}]
    gates: []
  payments: {{key: header:X-User-ID, percent: 50, guard: [error_rate > 10% for 30s]}}
  profile: {{key: header:X-User-ID, percent: 40}}
  catalog: {{mode: shadow, key: header:X-User-ID, percent: 100}}
routes:
  - name: orders
    match: /api/orders/**
    baseline: legacy
    candidate: new
    rollout: checkout
    paths: ["/api/orders/{{id}}", "/api/orders/{{id}}/items"]
    shadow: {{percent: 20, compare: {{noise: 20}}}}
  - {{name: carts, match: /api/carts/**, baseline: legacy, candidate: new, rollout: checkout, shadow: {{percent: 20}}}}
  - {{name: search, match: /api/search/**, baseline: legacy, candidate: new, rollout: search}}
  - {{name: payments, match: /api/payments/**, baseline: legacy, candidate: new, rollout: payments}}
  - {{name: profile, match: /api/profile/**, baseline: legacy, candidate: new, rollout: profile}}
  - name: catalog
    match: /api/catalog/**
    baseline: legacy
    candidate: new
    rollout: catalog
    shadow: {{percent: 50}}
"""
ERRANDS: Final = {
    "/api/orders/{}": 6,
    "/api/orders/{}/items": 3,
    "/api/carts/{}": 4,
    "/api/search/shoes": 3,
    "/api/payments/{}": 2,
    "/api/profile/{}": 2,
    "/api/catalog/{}": 3,
}
"""What people ask for, and how often in relation to each other."""


class Arm:
    """One of the two shops: the new one is quicker, rounds a total now and then, and can't take payments."""

    def __init__(self, *, is_new: bool) -> None:
        self._is_new = is_new
        self._dice = random.Random(int(is_new))

    async def __call__(self, asked: Asked) -> AsyncIterator[bytes]:
        """Answer as slowly as a shop does."""
        await asyncio.sleep(self._dice.lognormvariate(-4.5 if self._is_new else -4.2, 0.45))
        yield self._answer(asked.path)

    def _answer(self, path: str) -> bytes:
        failures = 0.3 if self._is_new and "payments" in path else 0.002
        if self._dice.random() < failures:
            return say(b"", status=500)
        is_wrong = self._is_new and self._dice.random() < (0.05 if "catalog" in path else 0.004)
        return say_json({"path": path, "total": 12.51 if is_wrong else 12.5, "currency": "EUR"})


async def shop_around(url: str, seconds: float) -> None:
    """People come one after the other, and nobody waits for anybody."""
    dice = random.Random(1)
    end = time.monotonic() + seconds
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as people:
        while time.monotonic() < end:
            errand = dice.choices([*ERRANDS], [*ERRANDS.values()])[0].format(dice.randrange(1, 100))
            people.create_task(ask(session, url + errand, f"user-{dice.randrange(USERS)}"))
            await asyncio.sleep(dice.expovariate(REQUESTS_PER_SECOND))


async def ask(session: aiohttp.ClientSession, url: str, user: str) -> None:
    """One request. What comes of it the gateway knows."""
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(url, headers={"X-User-ID": user}) as response:
            await response.read()


async def take_pictures(gateway: Gateway, seconds: float) -> None:
    """While people still come."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("chromium is not installed")
    coming = asyncio.create_task(shop_around(gateway.url, seconds + 30))
    await asyncio.sleep(seconds)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        await take(browser, f"{gateway.admin}/", "overview", height=640)
        await take(browser, f"{gateway.admin}/#/rollouts/checkout", "rollout", height=1430)
        await browser.close()
    coming.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await coming


async def take(browser: Browser, url: str, name: str, height: int) -> None:
    """One picture of a page's upper part, ``height`` px of it."""
    page = await browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light")
    await page.goto(url)
    await page.get_by_text("Live", exact=True).wait_for()
    await page.get_by_role("table").first.wait_for()
    await page.wait_for_timeout(SETTLED_MS)
    IMAGES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=IMAGES / f"{name}.png")
    await page.close()


def main() -> None:
    """Set the scene, and take them."""
    parser = argparse.ArgumentParser(description="Take the pictures of the documents.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of traffic before (%(default)s)")
    seconds = parser.parse_args().seconds
    with (
        tempfile.TemporaryDirectory() as folder,
        shop(Arm(is_new=False)) as legacy,
        shop(Arm(is_new=True)) as new,
    ):
        text = CONFIGURATION.format(legacy=legacy.url, new=new.url, short=int(seconds / 3))
        with Gateway(text, Path(folder)) as gateway:
            wish = json.dumps({"percent": 60, "reason": "half of the support team is on call"})
            gateway.ask("/api/v1/rollouts/profile/percent", "PUT", wish, {"Content-Type": "application/json"})
            asyncio.run(take_pictures(gateway, seconds))


if __name__ == "__main__":
    main()
