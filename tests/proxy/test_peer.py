"""What is told of a peer is worked out once for as long as nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.heads import parse_request, repeat_request
from gateway.proxy.peer import Peer
from tests.proxy.wiring import table

if TYPE_CHECKING:
    from tests.proxy.wiring import Wires

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-User: 1\r\n\r\n"


async def test_a_reload_that_trusts_the_peer_counts_at_once(wires: Wires) -> None:
    """The same fields, another generation: another answer."""
    peer = Peer("127.0.0.1", is_tls=True)
    fields = parse_request(HEAD).fields
    trusting = wires.plane.prepare(table(revision="2", trusted_proxies=("127.0.0.0/8",)))

    before = peer.added_fields(wires.plane.generation, fields)
    after = peer.added_fields(trusting, fields)

    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https" in before
    assert b"X-Forwarded-For: 1.1.1.1, 127.0.0.1\r\n" in after


async def test_derived_fields_share_the_answer_and_others_do_not(wires: Wires) -> None:
    """Whatever the answer depends on is the same in fields that were derived."""
    peer = Peer("127.0.0.1", is_tls=False)
    first = parse_request(HEAD).fields
    derived = repeat_request(HEAD.replace(b"User: 1", b"User: 2"), first)
    other = parse_request(HEAD.replace(b"Host: a", b"Host: b")).fields
    assert derived is not None
    generation = wires.plane.generation

    answer = peer.added_fields(generation, first)

    assert peer.added_fields(generation, derived.fields) is answer
    assert b"X-Forwarded-Host: b\r\n" in peer.added_fields(generation, other)
