"""A head is sent on as it came, but for what is hop-by-hop, rewritten or ours."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.core.decision import compile_route
from gateway.core.types import Arm, Rewrite
from gateway.proxy.sending import NOTHING, compose_head
from tests.proxy.mirror import Mirror
from tests.proxy.pair import ROUTE
from tests.proxy.wiring import endpoint

ASKED = (
    b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nx-One: 1\r\nConnection: x-hop\r\nX-Hop: 2\r\n"
    b"X-Crossfade-Anything: 3\r\nX-Request-ID: id-1\r\nX-One: 4\r\n\r\n"
)
TOLD = (
    b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: example.com\r\n"
    b"X-Crossfade-Route: all\r\nX-Crossfade-Arm: candidate\r\n"
)


def compose(request: bytes, rewrite: Rewrite | None = None, removed: frozenset[bytes] = NOTHING) -> bytes:
    """The head for the candidate."""
    mirror = Mirror()
    mirror.send(request)
    exchange = mirror.clients[-1].exchange
    assert exchange is not None
    assert exchange.decision is not None
    rewrites = () if rewrite is None else (rewrite,)
    (entry,) = compile_route(replace(ROUTE, rewrites=rewrites), {"shop": exchange.decision.entry.rollout})
    assert entry.candidate is not None
    return compose_head(exchange, entry.candidate, endpoint(9002), b"X-Ours: 1\r\n", removed)


async def test_fields_pass_in_their_order_and_case() -> None:
    """Then comes what the gateway says, and the request's ID last."""
    assert compose(ASKED) == (
        b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nx-One: 1\r\nX-One: 4\r\n"
        + TOLD
        + b"X-Ours: 1\r\nX-Request-ID: id-1\r\n\r\n"
    )


async def test_a_sides_rewrite_holds() -> None:
    """Its path keeps the query; fields are set and removed."""
    rewrite = Rewrite(Arm.CANDIDATE, path="/v2/**", set_headers=(("X-New", "5"),), remove_headers=("X-One",))

    assert compose(ASKED, rewrite).startswith(b"GET /v2/a/b?c=d HTTP/1.1\r\nHost: example.com\r\nX-New: 5\r\nX-F")


async def test_what_must_not_pass_does_not() -> None:
    """With a rewrite and without."""
    removed = frozenset({b"x-one"})
    rewrite = Rewrite(Arm.CANDIDATE, set_headers=(("X-New", "5"),))

    assert b"x-one" not in compose(ASKED, removed=removed).lower()
    assert b"x-one" not in compose(ASKED, rewrite, removed).lower()


async def test_who_names_no_host_gets_the_endpoints() -> None:
    """HTTP/1.0 may do without; what is sent on is HTTP/1.1, which may not."""
    head = compose(b"GET /a HTTP/1.0\r\nX-Request-ID: id-1\r\n\r\n")

    assert head.startswith(b"GET /a HTTP/1.1\r\n")
    assert b"\r\nHost: 127.0.0.1:9002\r\n" in head


async def test_who_names_no_host_gets_the_rewrites() -> None:
    """One Host is sent on, never two: a backend must refuse those (RFC 9112, section 3.2)."""
    rewrite = Rewrite(Arm.CANDIDATE, set_headers=(("host", "new.internal"),))

    head = compose(b"GET /a HTTP/1.0\r\nX-Request-ID: id-1\r\n\r\n", rewrite)

    assert head.lower().count(b"\r\nhost:") == 1
    assert b"\r\nhost: new.internal\r\n" in head


async def test_a_rewrite_may_say_otherwise_how_a_request_came() -> None:
    """What it sets goes out once, what it removes not at all; the rest of X-Forwarded-* is the gateway's."""
    rewrite = Rewrite(
        Arm.CANDIDATE, set_headers=(("X-Forwarded-Host", "shop.example"),), remove_headers=("x-forwarded-for",)
    )

    head = compose(b"GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", rewrite).lower()

    assert head.count(b"\r\nx-forwarded-host: shop.example\r\n") == head.count(b"x-forwarded-host") == 1
    assert b"x-forwarded-for" not in head
    assert head.count(b"\r\nx-forwarded-proto: http\r\n") == 1
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
