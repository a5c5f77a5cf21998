"""The places of users that a worker sees."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.core.addresses import TrustedNetworks
from gateway.core.decision import compile_rollout
from gateway.core.types import Hash
from gateway.proxy.crowding import ANEW_SECONDS, Crowding
from tests.proxy.pair import ALWAYS, Pair
from tests.proxy.wiring import OK

ROLLOUT = compile_rollout(ALWAYS, TrustedNetworks(()))


def test_each_place_is_told_once_and_again_after_a_while() -> None:
    """So that the controller knows who is still there."""
    now = 0.0
    crowding = Crowding(lambda: now)
    for _ in range(2):
        crowd = crowding.find(ROLLOUT)
        assert crowd is not None
        crowd.add(5.0)
    assert crowding.take() == {"shop": (5.0,)}
    assert crowding.take() == {}
    now = ANEW_SECONDS
    crowding.take()
    crowd = crowding.find(ROLLOUT)
    assert crowd is not None
    crowd.add(5.0)
    assert crowding.take() == {"shop": (5.0,)}


def test_a_reload_forgets_only_whose_places_have_changed() -> None:
    """Places of two scales among each other would say that there are fewer users than there are."""
    crowding = Crowding()
    crowding.adopt([ALWAYS])
    crowd = crowding.find(ROLLOUT)
    assert crowd is not None
    crowding.adopt([replace(ALWAYS, percent=50.0)])
    assert crowding.find(ROLLOUT) is crowd
    crowding.adopt([replace(ALWAYS, salt="other")])
    assert crowding.find(ROLLOUT) is not crowd


def test_another_controller_hears_of_everybody() -> None:
    """It does not know whom the one before it was told of."""
    crowding = Crowding()
    for _ in range(2):
        crowd = crowding.find(ROLLOUT)
        assert crowd is not None
        crowd.add(5.0)
        assert crowding.take() == {"shop": (5.0,)}
        crowding.begin_anew()


@pytest.mark.parametrize("scheme", [Hash.MD5_MOD100, Hash.UNLEASH])
def test_where_hashes_have_few_positions_nobody_is_counted(scheme: Hash) -> None:
    """A hundred places can't tell a thousand users apart."""
    assert Crowding().find(compile_rollout(replace(ALWAYS, hash=scheme), TrustedNetworks(()))) is None
    assert Crowding().find(None) is None


async def test_every_request_with_a_key_is_seen() -> None:
    """Two clients at two addresses are two users, however often they ask."""
    pair = Pair()
    for peer in ("10.0.0.1", "10.0.0.2", "10.0.0.1"):
        client, _ = pair.client(peer)
        client.data_received(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        pair.candidate.data_received(OK)
    (places,) = pair.plane.counters.crowding.take().values()
    assert len(places) == 2


async def test_users_are_seen_though_copies_were_counted_first() -> None:
    """Of a path's requests and copies whichever comes first begins the count."""
    pair = Pair()
    pair.plane.counters.count_copy("all", "/**", "match", "")
    pair.plane.counters.count_copy("all", "{other}", "match", "")
    client, _ = pair.client("10.0.0.1")
    client.data_received(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    pair.candidate.data_received(OK)
    assert len(pair.plane.counters.crowding.take()["shop"]) == 1
