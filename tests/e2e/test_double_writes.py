"""Where methods that write are copied, both backends take every write, and those of one user in the same order."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway import STOP_SECONDS, Gateway
from tests.e2e.shop import Asked, Said, Shop, say, shop
from tests.e2e.users import await_copies
from tests.e2e.writers import key_of, list_writes, write

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, timeouts: {{drain: 20s}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts: {{shop: {{key: header:X-User-ID, percent: 0}}}}
routes:
  - name: orders
    match: /**
    baseline: legacy
    candidate: new
    rollout: shop
    shadow: {{percent: 0, methods: [GET, POST], concurrency: 1000}}
"""
USERS, WRITES = 8, 25
SLOWEST_SECONDS = 0.02


class Slow:
    """Takes now longer and now less: whoever does not wait overtakes."""

    def __init__(self) -> None:
        self._dice = random.Random(1)

    def __call__(self, _asked: Asked) -> Said:
        return self._say(self._dice.uniform(0, SLOWEST_SECONDS))

    async def _say(self, seconds: float) -> AsyncIterator[bytes]:
        await asyncio.sleep(seconds)
        yield say(b"taken", status=201)


@pytest.fixture
def baseline() -> Iterator[Shop]:
    """It takes every write at once."""
    with shop(lambda _asked: say(b"taken", status=201)) as server:
        yield server


@pytest.fixture
def candidate() -> Iterator[Shop]:
    """It is slow."""
    with shop(Slow()) as server:
        yield server


@pytest.fixture
def gateway(start_gateway: Start, baseline: Shop, candidate: Shop) -> Gateway:
    """Of two workers; reads are not copied, writes all are."""
    return start_gateway(CONFIGURATION.format(legacy=baseline.url, new=candidate.url))


def test_both_backends_take_every_write_in_the_order_of_its_user(
    gateway: Gateway, baseline: Shop, candidate: Shop
) -> None:
    """Though each user writes over connections to both workers, and the candidate is slow; each with its key."""
    writers = write(gateway, USERS, WRITES)
    totals = await_copies(gateway, "orders", USERS * WRITES)

    assert {status for writer in writers for status in writer.statuses} == {201}
    assert list_writes(baseline) == list_writes(candidate) == {writer.user: writer.written for writer in writers}
    assert totals["skipped"].keys() <= {"comparer_busy"}
    for copy in candidate.asked:
        is_named = int(copy.text("X-User-ID").removeprefix("user-")) % 2 == 0
        own = key_of(copy.content.decode()) if is_named else copy.text("X-Request-ID")
        assert (copy.text("Idempotency-Key"), copy.text("X-Crossfade-Shadow")) == (own, "1")
    assert not any(asked.all(b"x-crossfade-shadow") for asked in baseline.asked)


def test_a_gateway_that_is_told_to_end_ends_its_copies_first(gateway: Gateway, baseline: Shop, candidate: Shop) -> None:
    """Whatever the baseline took is with the candidate when the gateway is gone, in order."""

    def stop() -> None:
        gateway.wait_until(lambda: len(baseline.asked) > USERS * WRITES / 2)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.wait(STOP_SECONDS)

    writers = write(gateway, USERS, WRITES, stop, are_named=False)
    gateway.stop()

    taken = list_writes(baseline)
    assert taken == list_writes(candidate)
    assert {writer.user: writer.written for writer in writers} == taken
