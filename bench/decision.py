"""How long one decision takes, without any I/O: reading a head, finding the route, choosing the arm.

``python -m bench.decision``
"""

from __future__ import annotations

import json
import time
import timeit
from base64 import urlsafe_b64encode
from collections.abc import Callable

import msgspec
from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry
from rich.console import Console
from rich.table import Table as Grid

from gateway.core import types
from gateway.core.decision import Decider
from gateway.core.heads import parse_request
from gateway.core.jwks import ASYMMETRIC, read_own
from gateway.core.tokens import TokenPolicy, Verifier
from gateway.core.types import KeyKind, KeySource

CALLS, ROUNDS = 50_000, 5
PEER = "127.0.0.1"
FIELDS = (
    b"Host: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://shop.example.com/orders?page=2\r\n"
    b"Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1\r\nCache-Control: no-cache\r\n"
    b"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nX-User-ID: user-4711\r\n\r\n"
)


def best_us(call: Callable[[], object], calls: int = CALLS) -> float:
    """Microseconds per call in the best of a few rounds: whatever else ran can only have added to it."""
    return min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls * 1e6


def decide_on(routes: int, source: KeySource) -> Callable[[], object]:
    """One decision among so many routes, the key read from ``source``; the request takes the last route."""
    decider = Decider(build_table(routes, source), chance=lambda: 0.5, new_key=lambda: b"0" * 32)
    request = parse_request(head_of(routes - 1))
    return lambda: decider.decide(request, PEER)


def sign_token() -> tuple[bytes, TokenPolicy]:
    """A token by RS256, and what verifies it."""
    key = JWKRegistry.generate_key("RSA", 2048, {"kid": "bench"})
    parts = ({"alg": "RS256", "kid": "bench"}, {"sub": "user-4711", "exp": time.time() + 3600})
    text = b".".join(_encode(json.dumps(part).encode()) for part in parts)
    policy = TokenPolicy(
        "bench", ASYMMETRIC, read_own(json.dumps({"keys": [key.as_dict(private=False)]}).encode(), ASYMMETRIC)
    )
    return text + b"." + _encode(JWSRegistry.algorithms["RS256"].sign(text, key)), policy


def _encode(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def decide_by(token: bytes, policy: TokenPolicy | None) -> Callable[[], object]:
    """One decision by a token's claim; with a policy of one that is known by then."""
    table = msgspec.structs.replace(build_table(10, KeySource(KeyKind.JWT, "sub")), tokens=policy)
    believe = None if policy is None else Verifier(policy, time.time).is_good
    decider = Decider(table, lambda: 0.5, lambda: b"0" * 32, believe)
    request = parse_request(head_of(7)[:-2] + b"Authorization: Bearer " + token + b"\r\n\r\n")
    return lambda: decider.decide(request, PEER)


def head_of(route: int) -> bytes:
    """A browser's request for that route: twelve fields."""
    return b"GET /api/service-%d/orders/7 HTTP/1.1\r\n" % route + FIELDS


def build_table(routes: int, source: KeySource) -> types.Table:
    """So many routes by prefix, one rollout for all."""
    backends = tuple(_backend(name, port) for name, port in (("legacy", 9001), ("new", 9002)))
    return types.Table(
        revision="bench",
        server=_server_policy(),
        backends=backends,
        rollouts=(_rollout(source),),
        routes=tuple(_route(number) for number in range(routes)),
    )


def _route(number: int) -> types.Route:
    match = types.Match(paths=(f"/api/service-{number}/**",))
    return types.Route(f"route-{number}", match, "legacy", "new", "shop")


def _rollout(source: KeySource) -> types.Rollout:
    return types.Rollout(
        name="shop",
        mode=types.Mode.LIVE,
        key=((source,),),
        on_missing_key=types.MissingKey.BASELINE,
        salt="shop",
        hash=types.Hash.MURMUR3,
        cohorts=(),
        percent=50,
    )


def _backend(name: str, port: int) -> types.Backend:
    timeouts = types.BackendTimeouts(connect=1, response=30, idle=60, tunnel=3600)
    endpoint = types.Endpoint(f"http://127.0.0.1:{port}", "127.0.0.1", port)
    return types.Backend(name, (endpoint,), timeouts, connections=1024, eject=None)


def _server_policy() -> types.ServerPolicy:
    return types.ServerPolicy(
        trusted_proxies=("127.0.0.0/8",),
        override=types.Override((), ""),
        expose=False,
        access_log=types.AccessLog.OFF,
        limits=types.Limits(header_bytes=32 << 10, header_count=100, body=0, connections=10_000),
        timeouts=types.ClientTimeouts(header=10, idle=75, drain=30),
    )


def main() -> None:
    """Print the table."""
    by_header, by_cookie = KeySource(KeyKind.HEADER, "X-User-ID"), KeySource(KeyKind.COOKIE, "session")
    grid = Grid("what", "µs")
    head = head_of(7)
    grid.add_row("read a head of 12 fields", f"{best_us(lambda: parse_request(head)):.2f}")
    for routes in (1, 10, 10_000):
        grid.add_row(
            f"decide among {routes:,} routes, key from a header", f"{best_us(decide_on(routes, by_header)):.2f}"
        )
    grid.add_row("decide among 10 routes, key from a cookie", f"{best_us(decide_on(10, by_cookie)):.2f}")
    token, policy = sign_token()
    grid.add_row("likewise, from a token that is not verified", f"{best_us(decide_by(token, None)):.2f}")
    grid.add_row("likewise, from a token that is known", f"{best_us(decide_by(token, policy)):.2f}")
    verifier = Verifier(policy, time.time)
    grid.add_row("verify a token (RS256)", f"{best_us(lambda: verifier.find_fault(token), calls=2000):.2f}")
    Console().print(grid)


if __name__ == "__main__":
    main()
