"""Notices, sent by apprise to a real HTTP server, and queues whose messengers are ours."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.control.notices import (
    ATTEMPTS,
    MOST_WAITING,
    Messenger,
    Notice,
    Notices,
    Target,
    compose,
    list_pauses,
    load_messenger,
)
from gateway.core.verdicts import Judgement, Verdict
from gateway.store.records import Actor, Event, Standing
from tests.control.outside import outside

# Of a module that apprise imports where there still is one.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

EVERYTHING = frozenset({"rollback", "stage", "config"})
ADMIN = "http://gateway:9900"
JUDGEMENT = Judgement(
    rule="error_rate > 5% for 1m",
    verdict=Verdict.BROKEN,
    reason="broken",
    route="orders",
    path="/orders/{id}",
    value=0.123,
    bound=0.05,
    candidate_requests=812,
    baseline_requests=15410,
)


def event(**changes: Any) -> Event:
    """A guard took everything back."""
    fields: dict[str, Any] = {
        "id": 7,
        "time": "2026-01-01T12:00:00.000Z",
        "rollout": "checkout",
        "kind": "rollback",
        "actor": Actor("rule", "error_rate > 5% for 1m"),
        "before": Standing("running", 50),
        "after": Standing("rolled_back", 0),
        "reason": "",
        "inputs": {},
        "revision": "r1",
    }
    return Event(**fields | changes)


class Clerk:
    """Keeps what arrives; refuses as often as it is told."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.arrived: list[Notice] = []

    def __call__(self, notice: Notice) -> bool:
        if self.refusals:
            self.refusals -= 1
            return False
        self.arrived.append(notice)
        return True


class Pauses:
    """Sleeps no time, and remembers how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def desk(clerks: Sequence[Messenger | None], sleep: Pauses | None = None) -> Notices:
    """Notices for so many targets, each with its messenger."""
    by_url = {f"test://{index}": clerk for index, clerk in enumerate(clerks)}
    notices = Notices(ADMIN, sleep or Pauses(), by_url.get)
    notices.adopt([Target(url, EVERYTHING) for url in by_url])
    return notices


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_notice_carries_rule_figures_percentages_and_a_link() -> None:
    """Whoever is woken knows what fired, how badly, and where to look."""
    async with outside() as server:
        notices = Notices(ADMIN)
        notices.adopt([Target(server.url.replace("http://", "json://") + "/hook", EVERYTHING)])
        notices.offer(event(inputs={"incident": "20260101-120000-checkout"}), JUDGEMENT)
        await until(lambda: server.questions)
        await notices.close()

    (question,) = server.questions
    sent = json.loads(question.body)
    assert sent["title"] == "Crossfade: checkout rolled back (50 % -> 0 %)"
    assert sent["type"] == "failure"
    assert sent["message"].splitlines() == [
        "50 % -> 0 %",
        "rule: error_rate > 5% for 1m",
        "figures: 12.3 % (bound 5 %; 812 and 15,410 requests), on orders /orders/{id}",
        "by: rule error_rate > 5% for 1m",
        "revision: r1",
        "time: 2026-01-01T12:00:00.000Z",
        f"see {ADMIN}/api/v1/incidents/20260101-120000-checkout",
    ]


@pytest.mark.parametrize(
    ("changes", "title", "link"),
    [
        (
            {"kind": "stage", "before": Standing("running", 5), "after": Standing("running", 25)},
            "Crossfade: checkout went on to its next stage (5 % -> 25 %)",
            "/api/v1/rollouts/checkout",
        ),
        (
            {"kind": "approval", "after": Standing("waiting", 50)},
            "Crossfade: checkout waits for approval",
            "/api/v1/rollouts/checkout",
        ),
        (
            {"kind": "config", "rollout": None, "before": None, "after": None},
            "Crossfade: a configuration was put in force",
            "/api/v1/config",
        ),
    ],
)
def test_every_kind_of_event_reads_as_a_sentence(changes: dict[str, Any], title: str, link: str) -> None:
    """Titles are for phones' lock screens; links lead to what the event is about."""
    notice = compose(event(**changes), None, ADMIN)

    assert notice.title == title
    assert notice.body.endswith(f"see {ADMIN}{link}")
    assert notice.urgency == "info"


async def test_a_target_hears_of_the_kinds_that_it_asked_for() -> None:
    """Nobody is paged for a stage who asked for rollbacks only."""
    clerk = Clerk()
    notices = Notices(ADMIN, Pauses(), lambda _url: clerk)
    notices.adopt([Target("test://", frozenset({"rollback"}))])
    notices.offer(event(kind="stage"))
    notices.offer(event())
    await until(lambda: clerk.arrived)
    await notices.close()

    assert [notice.title for notice in clerk.arrived] == ["Crossfade: checkout rolled back (50 % -> 0 %)"]


async def test_a_target_that_fails_is_tried_again_after_growing_pauses() -> None:
    """A deploy of the chat server loses nothing."""
    clerk, pauses = Clerk(refusals=3), Pauses()
    notices = desk([clerk], pauses)
    notices.offer(event())
    await until(lambda: clerk.arrived)
    await notices.close()

    assert pauses.seconds == [1.0, 2.0, 4.0]
    assert notices.lost == 0


def test_pauses_grow_to_a_minute_and_end() -> None:
    """About a quarter of an hour in all."""
    pauses = list_pauses()

    assert len(pauses) == ATTEMPTS
    assert pauses[-2:] == [60.0, None]
    assert 600 < sum(pause or 0 for pause in pauses) < 1200


async def test_a_notice_that_never_arrives_is_counted_as_lost() -> None:
    """And the next one gets its own attempts."""
    clerk = Clerk(refusals=ATTEMPTS)
    notices = desk([clerk])
    notices.offer(event())
    notices.offer(event(kind="stage"))
    await until(lambda: clerk.arrived)
    await notices.close()

    assert notices.lost == 1
    assert len(clerk.arrived) == 1


async def test_a_target_that_hangs_holds_up_nobody_else() -> None:
    """Each has a thread of its own; offering never waits."""
    gate = threading.Event()

    def hang(_notice: Notice) -> bool:
        return gate.wait()

    clerk = Clerk()
    notices = desk([hang, clerk])
    notices.offer(event())
    await until(lambda: clerk.arrived)
    gate.set()
    await notices.close()

    assert len(clerk.arrived) == 1


async def test_too_many_notices_push_out_the_oldest() -> None:
    """Memory is bounded, and what is newest matters most."""
    gate, clerk = threading.Event(), Clerk()

    def slow(notice: Notice) -> bool:
        gate.wait()
        return clerk(notice)

    notices = desk([slow])
    for number in range(MOST_WAITING + 5):
        notices.offer(event(revision=f"r{number}"))
    gate.set()
    await until(lambda: len(clerk.arrived) >= MOST_WAITING)
    await notices.close()

    assert notices.lost == 5
    assert f"revision: r{MOST_WAITING + 4}" in clerk.arrived[-1].body


async def test_a_messenger_that_raises_has_failed() -> None:
    """Whatever a plugin does wrong, the notice is tried again."""
    clerk, faults = Clerk(), [RuntimeError("no"), OSError("never")]

    def raising(notice: Notice) -> bool:
        if faults:
            raise faults.pop()
        return clerk(notice)

    notices = desk([raising])
    notices.offer(event())
    await until(lambda: clerk.arrived)
    await notices.close()

    assert len(clerk.arrived) == 1


async def test_a_url_that_apprise_does_not_know_is_said_once_and_loses_its_notices() -> None:
    """The log names the target by its place, never by its secrets."""
    notices = Notices(ADMIN, Pauses())
    with capture_logs() as logs:
        notices.adopt([Target("nonsense://s3cret@host", EVERYTHING)])
        notices.offer(event())
        await until(lambda: notices.lost)
        await notices.close()

    assert [(each["event"], each["target"]) for each in logs] == [
        ("notice_target_refused", "notify.0 nonsense"),
        ("notice_lost", "notify.0 nonsense"),
    ]
    assert "s3cret" not in str(logs)


async def test_failures_are_logged_without_the_urls_secrets() -> None:
    """A token in a URL stays out of the logs, apprise's own included."""
    notices = Notices(ADMIN, Pauses())
    with capture_logs() as logs:
        notices.adopt([Target("json://ada:s3cret@127.0.0.1:9/t0ken", EVERYTHING)])
        notices.offer(event())
        await until(lambda: notices.lost)
        await notices.close()

    assert {each["event"] for each in logs} == {"notice_failed", "notice_lost"}
    assert "s3cret" not in str(logs)
    assert "t0ken" not in str(logs)


async def test_a_reload_keeps_what_waits_for_targets_that_stay() -> None:
    """Only targets that are gone lose what they had not got yet."""
    gate, stays, leaves = threading.Event(), Clerk(), Clerk()

    def slow(notice: Notice) -> bool:
        gate.wait()
        return stays(notice)

    messengers: dict[str, Messenger] = {"a://": slow, "b://": leaves}
    notices = Notices(ADMIN, Pauses(), messengers.get)
    targets = [Target(url, EVERYTHING) for url in messengers]
    notices.adopt(targets)
    notices.offer(event())
    await until(lambda: leaves.arrived)
    notices.adopt(targets[:1])
    notices.offer(event())
    gate.set()
    await until(lambda: len(stays.arrived) == 2)
    await notices.close()

    assert len(leaves.arrived) == 1


async def test_closing_lets_what_waits_leave() -> None:
    """The last notice of a gateway that stops is not the one that nobody gets."""
    clerk = Clerk()
    notices = desk([clerk])
    notices.offer(event())
    await notices.close()

    assert len(clerk.arrived) == 1


async def test_without_targets_nothing_happens() -> None:
    """Most gateways have none."""
    notices = Notices(ADMIN)
    notices.offer(event())
    await notices.close()

    assert notices.lost == 0


def test_apprise_has_a_messenger_for_the_usual_services() -> None:
    """Chat, pagers, mail and plain webhooks."""
    urls = [
        "slack://TokenA12345/TokenBZ45678/TokenC1234567890ABCDEFGHIJ/#ops",
        "pagerduty://abcdefghijklmnopqrstuvwxyz012345@0123456789abcdef0123456789abcdef",
        "mailto://user:pass@example.com",
        "json://127.0.0.1/hook",
    ]

    assert all(load_messenger(url) is not None for url in urls)


def test_only_what_a_rule_did_is_a_failure() -> None:
    """A person who pauses knows of it; nobody else must get up."""
    ada = Actor("operator", "ada")

    assert compose(event(), JUDGEMENT, ADMIN).urgency == "failure"
    assert compose(event(kind="pause", actor=ada), None, ADMIN).urgency == "warning"
    assert compose(event(kind="resume", actor=ada), None, ADMIN).urgency == "info"


def test_a_rule_that_only_notifies_says_what_is_broken() -> None:
    """With its numbers, and no percentage that does not change."""
    same = Standing("running", 20)
    reason = "error_rate > 5% for 1m was broken: 12.3 %"
    notice = compose(event(kind="notify", before=same, after=same, reason=reason), JUDGEMENT, ADMIN)

    assert notice.title == "Crossfade: checkout: error_rate > 5% for 1m is broken"
    assert notice.body.splitlines()[:2] == [
        "rule: error_rate > 5% for 1m",
        "figures: 12.3 % (bound 5 %; 812 and 15,410 requests), on orders /orders/{id}",
    ]
    assert "reason" not in notice.body


async def test_a_step_back_that_stops_the_plan_is_told_as_a_pause_too() -> None:
    """It waits for a person: whoever wants to hear of pauses is that person."""
    clerk = Clerk()
    notices = Notices(ADMIN, Pauses(), lambda _url: clerk)
    notices.adopt([Target("test://", frozenset({"pause"}))])
    notices.offer(event(kind="step_back", after=Standing("running", 5)))
    notices.offer(event(kind="step_back", after=Standing("paused", 5)))
    await until(lambda: clerk.arrived)
    await notices.close()

    title = "Crossfade: checkout stepped back, is paused and waits for a person (50 % -> 5 %)"
    assert [notice.title for notice in clerk.arrived] == [title]


async def test_a_target_that_is_written_twice_is_told_once() -> None:
    """And leaves nothing behind when it is gone: each has a task and a thread of its own."""
    clerk, before = Clerk(), asyncio.all_tasks()
    notices = Notices(ADMIN, Pauses(), lambda _url: clerk)
    for _ in range(3):
        notices.adopt([Target("test://", EVERYTHING)] * 2)
    notices.offer(event())
    await until(lambda: clerk.arrived)
    assert len(asyncio.all_tasks() - before) == 1
    await notices.close()

    assert len(clerk.arrived) == 1
