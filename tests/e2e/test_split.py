"""Two hundred users while the share changes under them: each keeps a side, and sees what the configuration says."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

import pytest
from websockets.sync.client import connect

from tests.e2e.configurations import split
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.load import Load
from tests.e2e.servers import Server

USERS = [f"user-{number}" for number in range(200)]

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true, timeouts: {{drain: 1s}}, {server}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts: {{shop: {{key: {key}, {rollout}}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""


class Seen(NamedTuple):
    """What a user sees of an answer."""

    server: str
    arm: str
    reason: str
    cookie: str | None = None


def ask(connection: http.client.HTTPConnection, **headers: str) -> Seen:
    """One request; in names ``_`` stands for ``-``."""
    connection.request("GET", "/bytes/1", headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    names = ("X-Server", "X-Crossfade-Arm", "X-Crossfade-Reason")
    server, arm, reason = (response.headers[name] for name in names)
    return Seen(server, arm, reason, response.headers["Set-Cookie"])


def ask_once(gateway: Gateway, **headers: str) -> Seen:
    """On a connection of its own, so that any worker may answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        return ask(connection, **headers)


def ask_as(gateway: Gateway, users: Iterable[str]) -> dict[str, Seen]:
    """One request of each."""
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        return {user: ask(connection, X_User_ID=user) for user in users}


def list_moved(gateway: Gateway) -> set[str]:
    """The users whom the candidate answers, asked twice on different connections."""
    once, again = ask_as(gateway, USERS), ask_as(gateway, USERS)
    assert once == again
    assert {(seen.server, seen.arm, seen.reason) for seen in once.values()} <= {
        ("nginx", "baseline", "split"),
        ("aiohttp", "candidate", "split"),
    }
    return {user for user, seen in once.items() if seen.arm == "candidate"}


def test_a_growing_share_only_adds_users_and_a_shrinking_one_only_takes_away(
    start_gateway: Start, nginx: Server, aiohttp: Server
) -> None:
    """Edited live, under load, up to everyone and back; the same share means the same users."""
    gateway = start_gateway(split(nginx, aiohttp, 0, drain="1s"))
    moved = {}
    with Load(gateway.port, "/bytes/1000", clients=2) as load:
        moved[0] = list_moved(gateway)
        for percent in (5, 20, 50, 100):
            gateway.edit(split(nginx, aiohttp, percent, drain="1s"))
            moved[percent] = list_moved(gateway)
        gateway.edit(split(nginx, aiohttp, 20, drain="1s"))
        again = list_moved(gateway)

    assert load.failures == []
    assert set() == moved[0] < moved[5] < moved[20] < moved[50] < moved[100] == set(USERS)
    assert again == moved[20]


def test_users_keep_their_side_when_the_gateway_is_started_anew(
    start_gateway: Start, nginx: Server, aiohttp: Server
) -> None:
    """The key alone decides: nothing is remembered, so nothing can be lost."""
    first = start_gateway(split(nginx, aiohttp, 30, drain="1s"))
    moved = list_moved(first)
    first.stop()

    assert list_moved(start_gateway(split(nginx, aiohttp, 30, drain="1s"))) == moved


def test_another_salt_draws_other_users(start_gateway: Start, nginx: Server, aiohttp: Server) -> None:
    """And the salt that it had brings the former ones back."""

    def configure(salt: str) -> str:
        rollout = f"percent: 50, salt: {salt}"
        return CONFIGURATION.format(
            server="", legacy=nginx.url, new=aiohttp.url, key="header:X-User-ID", rollout=rollout
        )

    gateway = start_gateway(configure("one"))
    one = list_moved(gateway)
    gateway.edit(configure("two"))
    two = list_moved(gateway)
    gateway.edit(configure("one"))

    assert one - two
    assert two - one
    assert list_moved(gateway) == one


def test_a_user_without_a_key_is_given_one_and_keeps_the_side_that_it_means(
    start_gateway: Start, nginx: Server, aiohttp: Server
) -> None:
    """`on_missing_key: cookie`: the first answer brings the cookie, and already comes from the side it leads to."""
    gateway = start_gateway(
        CONFIGURATION.format(
            server="",
            legacy=nginx.url,
            new=aiohttp.url,
            key="cookie:session",
            rollout="percent: 50, on_missing_key: cookie",
        )
    )
    strangers = [ask_once(gateway) for _ in range(30)]
    cookies = [(stranger.cookie or "").partition(";")[0] for stranger in strangers]
    returning = [ask_once(gateway, Cookie=f"theme=dark; {cookie}") for cookie in cookies]

    assert all(re.fullmatch("crossfade_key=[0-9a-f]{32}", cookie) for cookie in cookies)
    assert len(set(cookies)) == len(cookies)
    assert [seen.arm for seen in returning] == [seen.arm for seen in strangers]
    assert {seen.arm for seen in returning} == {"baseline", "candidate"}
    assert {seen.cookie for seen in returning} == {None}


def test_a_websocket_handshake_brings_the_key_too(start_gateway: Start, aiohttp: Server) -> None:
    """A stranger whose first request is an upgrade keeps its side as any other does."""
    gateway = start_gateway(
        CONFIGURATION.format(
            server="",
            legacy=aiohttp.url,
            new=aiohttp.url,
            key="cookie:session",
            rollout="percent: 50, on_missing_key: cookie",
        )
    )
    with connect(f"ws://127.0.0.1:{gateway.port}/ws", proxy=None) as client:
        assert client.response is not None
        arm, cookie = (client.response.headers[name] for name in ("X-Crossfade-Arm", "Set-Cookie"))

    assert ask_once(gateway, Cookie=cookie.partition(";")[0])[1] == arm


def test_cohorts_go_before_the_share(start_gateway: Start, nginx: Server, aiohttp: Server) -> None:
    """Whoever is named is sent where the cohort says, at any percentage."""
    cohorts = (
        "{name: internal, arm: candidate, when: {header:X-Tenant-ID: [acme, initech]}}, "
        '{name: fragile, arm: baseline, when: {header:X-Tenant-ID: "bank-*"}}'
    )

    def configure(percent: int) -> str:
        rollout = f"percent: {percent}, cohorts: [{cohorts}]"
        return CONFIGURATION.format(
            server="", legacy=nginx.url, new=aiohttp.url, key="header:X-User-ID", rollout=rollout
        )

    gateway = start_gateway(configure(0))
    at_none = [ask_once(gateway, X_User_ID="u", X_Tenant_ID=tenant)[:3] for tenant in ("acme", "bank-1", "other")]
    gateway.edit(configure(100))
    at_all = [ask_once(gateway, X_User_ID="u", X_Tenant_ID=tenant)[:3] for tenant in ("acme", "bank-1", "other")]

    internal, fragile = ("aiohttp", "candidate", "cohort:internal"), ("nginx", "baseline", "cohort:fragile")
    assert at_none == [internal, fragile, ("nginx", "baseline", "split")]
    assert at_all == [internal, fragile, ("aiohttp", "candidate", "split")]


@pytest.mark.parametrize(
    ("token", "expected"), [("secret", ("candidate", "override")), ("guess", ("baseline", "split"))]
)
def test_only_who_may_choose_an_arm_chooses_one(
    start_gateway: Start, nginx: Server, aiohttp: Server, token: str, expected: tuple[str, str]
) -> None:
    """By token; the wish of all others is not heard."""
    gateway = start_gateway(
        CONFIGURATION.format(
            server="override: {token: secret}",
            legacy=nginx.url,
            new=aiohttp.url,
            key="header:X-User-ID",
            rollout="percent: 0",
        )
    )

    seen = ask_once(gateway, X_User_ID="u", X_Crossfade_Arm="candidate", X_Crossfade_Token=token)

    assert (seen.arm, seen.reason) == expected


def test_an_emergency_switch_sends_everyone_to_the_baseline(
    start_gateway: Start, nginx: Server, aiohttp: Server
) -> None:
    """Whatever the file says, and through an edit."""
    gateway = start_gateway(split(nginx, aiohttp, 100, drain="1s"), {"CROSSFADE_ROLLBACK": "all"})
    before = set(ask_as(gateway, USERS[:20]).values())
    gateway.edit(split(nginx, aiohttp, 50, drain="1s"))

    assert before == set(ask_as(gateway, USERS[:20]).values()) == {Seen("nginx", "baseline", "kill_switch")}


def test_an_emergency_cap_leaves_the_users_who_came_first(start_gateway: Start, nginx: Server, aiohttp: Server) -> None:
    """`CROSSFADE_PERCENT_SHOP=20` is what `percent: 20` would be."""
    capped = list_moved(start_gateway(split(nginx, aiohttp, 100, drain="1s"), {"CROSSFADE_PERCENT_SHOP": "20"}))

    assert capped == list_moved(start_gateway(split(nginx, aiohttp, 20, drain="1s")))
