"""What an operator can do with a rollout, each from the button to what holds in the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.looking import find_grave_faults, find_overflow, take_picture
from tests.browser.watching import HEIGHT, REFUSED, Viewer
from tests.browser.world import send, steer
from tests.e2e.gateway import Gateway
from tests.e2e.shop import say_json, shop

pytestmark = pytest.mark.asyncio(loop_scope="session")
USERS = 40
REASON = "it is <b>time</b> & nobody minds"
PLAN = "stages: [{percent: 5, hold: 1h}, {percent: 50, hold: 1h}, {percent: 100, hold: 1h}]"


@dataclass(frozen=True)
class Deed:
    """What is done to a rollout of its own, and how that stands then. ``before`` are actions of the API."""

    button: str
    says: str
    moves: str
    state: str
    percent: float
    kind: str
    plan: str = f"start: auto, {PLAN}"
    before: tuple[str, ...] = ()
    forces: bool = False


STAYS = "The share stays at {}: nobody moves."
GO = f"The share goes from {{}} to {{}}. Of about {USERS} users seen in the last …, about {{}}"
DEEDS = {
    "start": Deed(
        "Start",
        "begins with its first stage",
        GO.format("0 %", "5 %", "2 move to the candidate"),
        "running",
        5,
        "start",
        plan=PLAN,
    ),
    "pause": Deed("Pause", "hold stands still", STAYS.format("5 %"), "paused", 5, "pause"),
    "resume": Deed(
        "Resume", "goes on where it was paused", STAYS.format("5 %"), "running", 5, "resume", before=("pause",)
    ),
    "promote": Deed(
        "Promote",
        "it takes force",
        GO.format("5 %", "50 %", "18 move to the candidate"),
        "running",
        50,
        "stage",
        forces=True,
    ),
    "step-back": Deed(
        "Step back",
        "back to the stage before",
        GO.format("50 %", "5 %", "18 move to the baseline"),
        "running",
        5,
        "step_back",
        before=("promote",),
    ),
    "rollback": Deed(
        "Roll back",
        "answers everybody",
        GO.format("50 %", "0 %", "20 move to the baseline"),
        "rolled_back",
        0,
        "rollback",
        plan="percent: 50",
    ),
    "resume-after": Deed(
        "Resume",
        "begins anew",
        GO.format("0 %", "50 %", "20 move to the candidate"),
        "running",
        50,
        "resume",
        plan="percent: 50",
        before=("rollback",),
        forces=True,
    ),
}
OTHERS = ("soft", "share", "refused", "keys", "elsewhere", "twice")
CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {url}, new: {url}}}
rollouts:
{rollouts}
routes:
{routes}
"""


def configure(url: str) -> str:
    """A rollout for each story."""
    plans = {name: deed.plan for name, deed in DEEDS.items()} | dict.fromkeys(OTHERS, f"start: auto, {PLAN}")
    rollouts = "\n".join(
        f"  {name}: {{key: header:X-User-ID, guard: [], gates: [], {it}}}" for name, it in plans.items()
    )
    routes = "\n".join(
        f"  - {{name: {name}, match: /{name}/**, baseline: legacy, candidate: new, rollout: {name}"
        f"{', shadow: {}' if name == 'soft' else ''}}}"
        for name in plans
    )
    return CONFIGURATION.format(url=url, rollouts=rollouts, routes=routes)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One with a rollout for each story, whose users have just been there."""
    with (
        shop(lambda _: say_json({})) as server,
        Gateway(configure(server.url), tmp_path_factory.mktemp("controls")) as running,
    ):
        names = [*DEEDS, *OTHERS]
        send(running, [(f"user-{user}", f"/{name}/1") for user in range(USERS) for name in names])
        running.wait_until(lambda: all(count_users(running, name) == USERS for name in names))
        yield running


def count_users(gateway: Gateway, name: str) -> int | None:
    """How many the gateway thinks there were."""
    users = gateway.ask(f"/api/v1/rollouts/{name}/impact?percent=1")[1]["users"]
    assert users is None or isinstance(users, int)
    return users


def shown(gateway: Gateway, name: str) -> Any:
    """What the API says of a rollout."""
    return gateway.ask(f"/api/v1/rollouts/{name}")[1]


def standing(gateway: Gateway, name: str) -> tuple[str, float]:
    """Its state and its percentage."""
    said = shown(gateway, name)
    return said["state"], said["percent"]


def last_event(gateway: Gateway, name: str) -> Any:
    """The newest of the audit log."""
    return gateway.ask(f"/api/v1/events?rollout={name}")[1]["items"][-1]


async def visit(viewer: Viewer, gateway: Gateway, name: str) -> Page:
    """A rollout's page."""
    page = await viewer.open(f"{gateway.admin}/#/rollouts/{name}")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    return page


async def press(page: Page, button: str) -> Locator:
    """The question that a button asks."""
    await page.get_by_role("group", name="What you can do").get_by_role("button", name=button, exact=True).click()
    question = page.get_by_role("dialog")
    await expect(question).to_be_visible()
    return question


async def confirm(question: Locator, button: str) -> None:
    """Give a reason and a name, and do it."""
    await question.get_by_label("Reason").fill(REASON)
    await question.get_by_label("Your name").fill("ada")
    await question.get_by_role("button", name=button, exact=True).click()


def meant(text: str) -> re.Pattern[str]:
    """The text, however long users have been counted: that is the machine's affair."""
    return re.compile(re.escape(text).replace("…", ".+"))


@pytest.mark.parametrize("name", DEEDS)
async def test_a_control_says_what_it_will_do_and_does_it(viewer: Viewer, gateway: Gateway, name: str) -> None:
    """The question names how many recent users move; then page, API and audit log, with reason and name, agree."""
    deed = DEEDS[name]
    for action in deed.before:
        steer(gateway, "POST", f"{name}/{action}", {"force": True})
    page = await visit(viewer, gateway, name)

    question = await press(page, deed.button)
    await expect(question).to_contain_text(deed.says)
    await expect(question).to_contain_text(meant(deed.moves))
    if deed.forces:
        await question.get_by_label("Force").check()
    await confirm(question, deed.button)

    await expect(question).to_have_count(0)
    await expect(page.get_by_role("heading", level=1)).to_contain_text(deed.state.replace("_", " "))
    await expect(page.get_by_text(f"at {deed.percent} %, in force in every worker.")).to_be_visible()
    await expect(page.locator("ol.timeline").get_by_text(REASON)).to_be_visible()
    assert standing(gateway, name) == (deed.state, deed.percent)
    event = last_event(gateway, name)
    assert (event["kind"], event["reason"]) == (deed.kind, REASON)
    assert event["actor"] == {"type": "operator", "name": "ada"}


async def test_after_a_rollback_nobody_is_with_the_candidate(viewer: Viewer, gateway: Gateway) -> None:
    """When the page says 0 %, every worker is there: no user is sent to the candidate; copies may go on."""
    page = await visit(viewer, gateway, "soft")
    question = await press(page, "Roll back")
    await question.get_by_label("Keep copying").check()
    await confirm(question, "Roll back")

    await expect(page.get_by_text("soft is rolled back at 0 %, in force in every worker.")).to_be_visible()
    await expect(page.get_by_text("requests are still copied to it")).to_be_visible()
    assert standing(gateway, "soft") == ("rolled_back", 0)
    assert shown(gateway, "soft")["to_shadow"] is True
    arms = send(gateway, [(f"user-{user}", "/soft/1") for user in range(USERS)])
    assert set(arms) == {"baseline"}


async def test_a_percentage_is_set_and_unset(viewer: Viewer, gateway: Gateway) -> None:
    """The question is answered anew for every number; one that is none is not sent."""
    page = await visit(viewer, gateway, "share")
    question = await press(page, "Set percentage")
    share = question.get_by_label("Percentage of the users")
    await share.fill("140")
    await expect(question).to_contain_text("Write a percentage from 0 to 100.")
    await confirm(question, "Set percentage")
    assert standing(gateway, "share") == ("running", 5)
    await share.fill("30")
    await expect(question).to_contain_text(meant(GO.format("5 %", "30 %", "10 move to the candidate")))
    await confirm(question, "Set percentage")
    await expect(page.get_by_text("share is running at 30 %")).to_be_visible()
    assert (shown(gateway, "share")["percent"], shown(gateway, "share")["source"]) == (30, "operator")

    question = await press(page, "Unset percentage")
    await expect(question).to_contain_text("The share goes from 30 % to 5 %.")
    await confirm(question, "Unset percentage")
    await expect(page.get_by_text("share is running at 5 %")).to_be_visible()
    assert (shown(gateway, "share")["percent"], shown(gateway, "share")["source"]) == (5, "plan")
    assert (last_event(gateway, "share")["kind"], last_event(gateway, "share")["reason"]) == ("unset", REASON)


async def test_a_refused_action_explains_itself(viewer: Viewer, gateway: Gateway) -> None:
    """In the question, which stays; nothing has changed."""
    viewer.expected = (REFUSED,)
    page = await visit(viewer, gateway, "refused")
    question = await press(page, "Promote")
    await confirm(question, "Promote")

    await expect(question.get_by_role("alert")).to_contain_text(re.compile("hold|force"))
    await expect(question.get_by_label("Reason")).to_have_value(REASON)
    assert standing(gateway, "refused") == ("running", 5)
    await question.get_by_role("button", name="Cancel").click()
    await expect(question).to_have_count(0)


async def test_what_others_do_meanwhile_is_seen(viewer: Viewer, gateway: Gateway) -> None:
    """The state, and what can be done in it, without a reload."""
    page = await visit(viewer, gateway, "elsewhere")
    actions = page.get_by_role("group", name="What you can do")
    await expect(actions.get_by_role("button", name="Pause")).to_be_visible()
    steer(gateway, "POST", "elsewhere/pause", {"reason": "lunch"})

    await expect(page.get_by_role("heading", level=1)).to_contain_text("paused")
    await expect(actions.get_by_role("button", name="Pause")).to_have_count(0)
    await expect(actions.get_by_role("button", name="Resume")).to_be_visible()
    await expect(page.locator("ol.timeline").get_by_text("lunch")).to_be_visible()


async def test_of_two_who_act_at_once_the_second_is_told(viewer: Viewer, gateway: Gateway) -> None:
    """Nothing moves but what the page showed; who wants it all the same asks again. Without shadow no copies go on."""
    viewer.expected = (REFUSED,)
    page = await visit(viewer, gateway, "twice")
    question = await press(page, "Step back")
    steer(gateway, "POST", "twice/promote", {"force": True})
    await expect(question.get_by_role("alert").first).to_contain_text("It has moved since you were asked")
    await confirm(question, "Step back")
    await expect(question).to_contain_text("`twice` has moved on meanwhile: it is at version")
    assert standing(gateway, "twice") == ("running", 50)

    await question.get_by_role("button", name="Ask again").click()
    await confirm(question, "Step back")
    await expect(page.get_by_text("twice is running at 5 %, in force in every worker.")).to_be_visible()
    question = await press(page, "Roll back")
    await expect(question.get_by_label("Reason")).to_be_visible()
    await expect(question.get_by_label("Keep copying")).to_have_count(0)


async def test_a_question_is_asked_and_left_by_keys_alone(viewer: Viewer, gateway: Gateway) -> None:
    """Its button opens it, the focus stays in it, Escape closes it and gives the focus back."""
    page = await visit(viewer, gateway, "keys")
    button = page.get_by_role("button", name="Pause", exact=True)
    await button.focus()
    await page.keyboard.press("Enter")
    question = page.get_by_role("dialog")
    await expect(question).to_be_visible()

    inside = "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
    places = []
    for _ in range(12):
        places.append(await page.evaluate(inside))
        await page.keyboard.press("Tab")
    assert all(places)

    await page.keyboard.press("Escape")
    await expect(question).to_have_count(0)
    await expect(button).to_be_focused()
    assert standing(gateway, "keys") == ("running", 5)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_question_is_whole_on_a_telephone_and_fit_for_all(viewer: Viewer, gateway: Gateway, theme: str) -> None:
    """Nothing cut off at 360 px, nothing that axe-core takes for grave."""
    page = await visit(viewer, gateway, "keys")
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await page.set_viewport_size({"width": 360, "height": HEIGHT})
    question = await press(page, "Set percentage")
    await expect(question).to_contain_text("nobody moves")
    await take_picture(page, f"question-360-{theme}")

    assert await find_overflow(page) == []
    assert await question.evaluate("(box) => box.scrollWidth - box.clientWidth") == 0
    assert await find_grave_faults(page) == []
