"""The view of one rollout: how it stands, what it waits for, what its rules say, and how both arms do."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.watching import Viewer
from tests.browser.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


def card(page: Page, title: str) -> Locator:
    """The box under a heading."""
    return page.locator("section").filter(has=page.get_by_role("heading", name=title))


async def test_it_says_how_far_it_is_and_what_it_waits_for(viewer: Viewer, scene: World) -> None:
    """The share, the stages with the one it is in, and in words what keeps it there."""
    page = await viewer.open(f"{scene.url}#/rollouts/checkout")

    await expect(page.get_by_role("heading", level=1)).to_contain_text("checkout")
    await expect(
        page.get_by_text(re.compile(r"For the next stage it waits for .*(h|min).* of its hold"))
    ).to_be_visible()
    stages = page.get_by_role("list", name="Stages").get_by_role("listitem")
    await expect(stages).to_have_count(3)
    await expect(stages.nth(1)).to_have_attribute("aria-current", "step")
    await expect(stages.nth(1)).to_contain_text("then approval")


async def test_every_rule_says_its_verdict_in_words(viewer: Viewer, scene: World) -> None:
    """With its value, its bound, and the evidence; one that lacks some says how much."""
    page = await viewer.open(f"{scene.url}#/rollouts/checkout")
    rules = page.get_by_role("table", name="Gates and guards").get_by_role("row")

    fast = rules.filter(has_text="error_rate < 2% for 1m")
    await expect(fast).to_contain_text(
        re.compile(r"gate.*(ok.*met|unknown.*(needs [\d,]+ more requests?|younger))", re.DOTALL)
    )
    await expect(fast).to_contain_text("2 %")
    drift = rules.filter(has_text="mismatch_rate < 0.5% for 10m")
    await expect(drift).to_contain_text(re.compile(r"[\d,]+ compared"))
    guard = rules.filter(has_text="error_rate > 90% for 1m")
    await expect(guard).to_contain_text(re.compile("guard, rolls back"))


async def test_both_arms_are_drawn_over_time_and_told_in_tables(viewer: Viewer, scene: World) -> None:
    """Latencies and errors; who sees no picture gets the figures, who wants another window chooses it."""
    page = await viewer.open(f"{scene.url}#/rollouts/checkout")
    charts = card(page, "Both arms over time")
    for title in ("p50", "p95", "p99"):
        await expect(charts.get_by_role("img", name=re.compile(title)).first).to_be_visible()
    await expect(charts.locator("canvas").first).to_be_visible()
    await charts.get_by_text("As a table").first.click()
    await expect(charts.get_by_role("columnheader", name="candidate")).to_be_visible()
    await expect(charts.get_by_role("cell", name=re.compile(r"\d %")).first).to_be_visible()

    await charts.get_by_role("button", name="1 h").click()
    await expect(charts.get_by_role("button", name="1 h")).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_role("heading", name=re.compile(r"Paths, the worst first \(last 1 h\)"))).to_be_visible()
    await charts.get_by_label("Route").select_option("carts")
    await expect(page.get_by_role("table", name="Paths").get_by_role("row")).to_have_count(2)


async def test_paths_are_listed_worst_first_and_can_be_sorted(viewer: Viewer, scene: World) -> None:
    """Both arms' figures, how much was compared, and a way to what differs."""
    page = await viewer.open(f"{scene.url}#/rollouts/checkout")
    paths = page.get_by_role("table", name="Paths")
    await expect(paths.get_by_role("row").filter(has_text="/orders/{id}").first).to_contain_text(" ms")
    differing = paths.get_by_role("row").nth(1).get_by_role("link")
    await expect(differing).to_contain_text("%")
    await expect(differing).to_have_attribute("href", re.compile("#/differences/orders"))

    await paths.get_by_role("button", name="Path").click()
    await expect(paths.get_by_role("row").nth(1)).to_contain_text("/carts/")


async def test_what_happened_is_told_newest_first(viewer: Viewer, scene: World) -> None:
    """With who did it and why; the guard's rollback names its rule."""
    page = await viewer.open(f"{scene.url}#/rollouts/payments")
    first = page.get_by_role("list", name="Events").get_by_role("listitem").first
    await expect(first).to_contain_text("rolled back")
    await expect(first).to_contain_text("50 % → 0 %")
    await expect(first).to_contain_text("error_rate > 20% for 5s")


async def test_a_rollout_that_is_not_there_is_said_so(viewer: Viewer, scene: World) -> None:
    """Not an empty page."""
    viewer.expected = ("404",)
    page = await viewer.open(f"{scene.url}#/rollouts/nobody")
    await expect(page.get_by_text("There is no such rollout")).to_be_visible()
