"""A reload changes what it changes, and leaves the rest as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core.jwks import read_own
from gateway.core.tokens import TokenPolicy, Verifier
from tests.core.signing import make_key, publish, sign
from tests.proxy.wiring import GET, OK, backend, endpoint, table

if TYPE_CHECKING:
    from tests.proxy.wiring import Wires


def reload(wires: Wires, *backends: object, revision: str) -> None:
    """Adopt another table."""
    wires.plane.adopt(wires.plane.prepare(table(*backends, revision=revision)))  # type: ignore[arg-type]


async def test_a_backend_that_did_not_change_keeps_its_connections(wires: Wires) -> None:
    """A reload must not cost a reconnect."""
    pool = wires.pool
    connection, _ = wires.backend()

    reload(wires, revision="2")

    assert wires.pool is pool
    assert pool.endpoints[0].idle == [connection]


async def test_a_backend_that_changed_gets_a_new_pool_that_knows_what_the_old_one_knew(wires: Wires) -> None:
    """Health of the endpoints that both have is carried over; idle connections of the old one are closed."""
    former = wires.pool
    _, transport = wires.backend()
    former.endpoints[0].is_healthy = False
    former.endpoints[0].ejected_until = 1e9

    reload(wires, backend(endpoints=(endpoint(), endpoint(9002))), revision="2")

    assert wires.pool is not former
    assert [state.is_healthy for state in wires.pool.endpoints] == [False, True]
    assert [state.ejected_until for state in wires.pool.endpoints] == [1e9, 0]
    assert transport.is_aborted


async def test_a_request_under_way_ends_under_the_generation_that_it_began_with(wires: Wires) -> None:
    """Also when its backend is gone from the new one; nobody else gets its connection."""
    connection, upstream = wires.backend()
    client, transport = wires.client()
    client.data_received(GET)
    former = wires.plane.generation

    reload(wires, backend("other"), revision="2")
    assert wires.plane.figures()["in_flight"] == 1
    connection.data_received(OK)

    assert transport.written.endswith(b"ok")
    assert upstream.is_aborted
    assert former.in_flight == wires.plane.figures()["in_flight"] == 0


async def test_a_backend_is_down_when_none_of_its_endpoints_is_healthy(wires: Wires) -> None:
    """Its name is what the decision looks at."""
    generation = wires.plane.generation

    wires.pool.endpoints[0].is_healthy = False
    generation._note_health(wires.pool)
    assert generation.down == {"legacy"}
    wires.pool.endpoints[0].is_healthy = True
    generation._note_health(wires.pool)

    assert generation.down == set()


async def test_tokens_that_are_known_stay_known_under_the_same_keys(wires: Wires) -> None:
    """A reload costs no second look at them; other keys begin with nothing."""

    def verifier(kid: str, revision: str) -> Verifier | None:
        keys = read_own(publish(make_key(kid=kid)), ["ES256"])
        tokens = TokenPolicy("https://id", ("ES256",), keys)
        wires.plane.adopt(wires.plane.prepare(msgspec.structs.replace(table(revision=revision), tokens=tokens)))
        return wires.plane.generation.verifier

    first, same, other = verifier("a", "2"), verifier("a", "3"), verifier("b", "4")

    assert first is not None
    assert first.is_good(sign({}, key=make_key(kid="a"), kid="a"))
    assert same is first
    assert other is not first


async def test_without_keys_of_tokens_there_is_no_verifier(wires: Wires) -> None:
    """Nothing of it is made, nor loaded."""
    assert wires.plane.generation.verifier is None
