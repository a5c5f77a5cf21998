"""The copies of a route to a backend are bounded, and spare a backend that fails them."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.core.types import Endpoint
from gateway.proxy.lane import Lane
from gateway.proxy.pool import Pool
from tests.proxy.mirror import TIMEOUT_SECONDS, Mirror, long_answer, shadow
from tests.proxy.pair import ERROR

FAILURES, REST_SECONDS = 10, 10.0


def fail(mirror: Mirror, times: int) -> None:
    """So many copies break off."""
    for _ in range(times):
        mirror.open_lanes()
        mirror.exchange()
        mirror.sent[-1].break_off()


async def test_so_many_copies_are_under_way_and_no_more() -> None:
    """The rest are skipped, never queued; when one is over, another may go."""
    mirror = Mirror(shadow=shadow(concurrency=2))
    for _ in range(5):
        mirror.exchange()
    assert len(mirror.sent) == mirror.lane().under_way == 2
    assert mirror.outcomes == {("skipped", "concurrency"): 3}

    mirror.sent[0].answer()
    mirror.exchange()
    assert len(mirror.sent) == 3
    assert mirror.outcomes == {}


async def test_after_ten_failures_in_a_row_copies_rest() -> None:
    """For ten seconds; then one at a time may show whether the candidate is well."""
    mirror = Mirror(shadow=shadow(concurrency=1))
    fail(mirror, FAILURES)
    mirror.open_lanes()
    mirror.exchange()
    assert mirror.outcomes == {("error", "reset"): FAILURES, ("skipped", "breaker"): 1}

    mirror.pass_time(REST_SECONDS + 0.1)
    mirror.exchange()
    mirror.sent[-1].answer()
    mirror.exchange()
    mirror.sent[-1].answer()
    assert len(mirror.sent) == FAILURES + 2
    assert len(mirror.shelf.pairs) == 2


async def test_a_probe_that_fails_lets_them_rest_again() -> None:
    """Ten more seconds."""
    mirror = Mirror(shadow=shadow(concurrency=1))
    fail(mirror, FAILURES)
    mirror.pass_time(REST_SECONDS + 0.1)
    fail(mirror, 1)
    mirror.take()
    mirror.exchange()

    assert mirror.outcomes == {("skipped", "breaker"): 1}


async def test_a_failure_now_and_then_is_none_in_a_row() -> None:
    """One answer in between is enough."""
    mirror = Mirror(shadow=shadow(concurrency=1))
    for _ in range(3):
        fail(mirror, FAILURES - 1)
        mirror.open_lanes()
        mirror.exchange()
        mirror.sent[-1].answer()

    assert mirror.outcomes == {("error", "reset"): 3 * (FAILURES - 1)}


async def test_only_what_breaks_or_hangs_lets_copies_rest() -> None:
    """A candidate that answers with errors, or at length, is one to be compared."""
    mirror = Mirror(shadow=shadow(concurrency=1))
    for answer in (ERROR, long_answer(2000)):
        for _ in range(FAILURES + 1):
            mirror.open_lanes()
            mirror.exchange()
            mirror.sent[-1].answer(answer)
            if mirror.sent[-1].transport.is_aborted:
                mirror.sent[-1].connection.connection_lost(None)

    assert len(mirror.sent) == 2 * (FAILURES + 1)
    assert mirror.outcomes == {("skipped", "body_size"): FAILURES + 1}


async def test_users_do_not_rest_with_the_copies() -> None:
    """Nor copies with the users: each has a breaker and connections of its own."""
    mirror = Mirror(shadow=shadow(concurrency=1))
    fail(mirror, FAILURES)

    assert not mirror.plane.generation.troubled
    assert mirror.pool_of("new").endpoints[0].failures == 0
    assert mirror.lane().pool is not mirror.pool_of("new")


async def test_a_lane_has_the_patience_of_its_copies() -> None:
    """Not that of users: a short time-out bounds connecting, too, and nobody checks the backend's health twice."""
    mirror = Mirror()
    hasty = Lane(shadow(timeout_seconds=0.5, concurrency=3), mirror.pool_of("new"))
    calm = Lane(shadow(), mirror.pool_of("new"))

    assert (hasty.pool.backend.timeouts.connect, hasty.pool.backend.timeouts.response) == (0.5, 0.5)
    assert (calm.pool.backend.timeouts.connect, calm.pool.backend.timeouts.response) == (1, TIMEOUT_SECONDS)
    assert (hasty.pool.backend.connections, hasty.pool.backend.health) == (3, None)


async def test_lanes_share_what_is_known_of_a_backends_certificates() -> None:
    """Reading them takes tens of milliseconds, and a table may have a thousand lanes to one backend."""
    mirror = Mirror()
    secure = replace(mirror.pool_of("new").backend, endpoints=(Endpoint("https://a", "a", 443, tls=True),))
    users = Pool(secure, mirror.plane.wheel)
    lanes = [Lane(shadow(), users), Lane(shadow(concurrency=1), users)]

    assert users.tls is not None
    assert all(lane.pool.tls is users.tls for lane in lanes)
    users.retire()
