"""The demo's load, against a real shop that names its arm as the gateway does."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from gateway.core.types import Arm
from gateway.demo.load import RESTING, Load, Visits
from gateway.demo.shop import Orders, Shop
from gateway.demo.tally import Chapter, Tally


@pytest.fixture
async def shop(tmp_path):
    """The old shop, with the header that ``server.expose: true`` adds."""
    shop = Shop(Arm.BASELINE, Orders(tmp_path / "orders.db"))
    server = TestServer(_expose(shop, Arm.BASELINE))
    await server.start_server()
    yield shop, str(server.make_url(""))
    await server.close()


def _expose(shop, arm, reason="split"):
    async def name_arm(_request, response):
        response.headers["X-Crossfade-Arm"] = arm
        response.headers["X-Crossfade-Reason"] = reason

    app = shop.build()
    app.on_response_prepare.append(name_arm)
    return app


async def _visit_often(url, times=60):
    tally = Tally()
    tally.begin_chapter(Chapter("", 0), now=0.0)
    load = Load(url, tally, Random(7))
    async with aiohttp.ClientSession(url) as session:
        return await asyncio.gather(*(load.visit(session, f"user-{number % 5}") for number in range(times)))


async def test_every_kind_of_visit_gets_the_answer_it_expects(shop):
    """With a shop that works, no answer is wrong."""
    answers = await _visit_often(shop[1])

    assert [answer for answer in answers if not answer.is_right] == []
    assert {answer.arm for answer in answers} == {Arm.BASELINE}
    assert len({answer.path for answer in answers}) >= 5


async def test_a_staged_fault_is_told_from_a_real_one(shop):
    """What the demo broke itself is not held against the gateway."""
    shop[0].is_failing = True
    wrong = [answer for answer in await _visit_often(shop[1]) if not answer.is_right]

    assert wrong
    assert all(answer.is_staged for answer in wrong)
    assert {answer.path for answer in wrong} == {"GET /api/products/{id}"}


async def test_an_answer_from_the_other_side_is_wrong(tmp_path):
    """The arm that the gateway names must be the service that answered."""
    server = TestServer(_expose(Shop(Arm.BASELINE, Orders(tmp_path / "orders.db")), Arm.CANDIDATE))
    async with server:
        answers = await _visit_often(str(server.make_url("")), times=5)

    assert not any(answer.is_right for answer in answers)


@pytest.mark.parametrize(("reason", "epoch"), [("split", 0), ("breaker", None), ("unhealthy", None)])
async def test_who_is_kept_away_from_a_side_proves_nothing_about_it(tmp_path, reason, epoch):
    """Such an answer is right, but does not say which side the user is on."""
    server = TestServer(_expose(Shop(Arm.BASELINE, Orders(tmp_path / "orders.db")), Arm.BASELINE, reason))
    async with server:
        answers = await _visit_often(str(server.make_url("")), times=5)

    assert {(answer.is_right, answer.epoch) for answer in answers} == {(True, epoch)}


async def test_nobody_there_is_an_answer_too():
    """A refused connection is counted, not raised."""
    answers = await _visit_often("http://127.0.0.1:1", times=2)

    assert [(answer.arm, answer.is_right, answer.is_staged) for answer in answers] == [(None, False, False)] * 2


async def test_the_load_reports_to_the_tally_and_ends(shop):
    """Requests under way at the end are finished and counted."""
    tally = Tally()
    tally.begin_chapter(Chapter("", 0), now=0.0)
    async with Load(shop[1], tally, Random(7)).run():
        while tally.requests < 20:
            await asyncio.sleep(0.01)

    assert tally.requests >= 20
    assert tally.failed == []


def test_nobody_comes_again_at_once():
    """So no copy reads what its user has changed meanwhile."""
    load = Load("", Tally(), Random(7))
    users = [load._choose_user() for _ in range(5000)]

    assert all(len({*users[at : at + RESTING]}) == RESTING for at in range(0, len(users) - RESTING, 100))
    assert len({*users}) > 2000


def test_people_mostly_look():
    """The mix is a shop's: looking before buying, and little that is heavy."""
    visits = Visits(Random(7))
    made = Counter(visits.choose(f"user-{number}").template for number in range(2000))

    assert made.most_common(1)[0][0] == "GET /api/products/{id}"
    assert made["POST /api/orders"] > made["GET /api/reports/daily"] > 0


def test_an_order_is_read_only_after_it_was_placed():
    """Who has none yet, orders."""
    visits = Visits(Random(7))
    before = {visits.choose("ann").template for _ in range(200)}
    visits.latest["ann"] = "/api/orders/1"
    after = {visits.choose("ann").path for _ in range(200)}

    assert "GET /api/orders/{id}" not in before
    assert "/api/orders/1" in after
