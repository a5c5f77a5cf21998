"""Keys from verified tokens, with the real command: who signs them publishes other keys, and goes away."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx

from tests.core.signing import make_key, publish, sign
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.issuer import issuer
from tests.e2e.servers import Server

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0}}
jwt: {{jwks: "{keys}", refresh: 1s, audience: shop}}
backends: {{legacy: {url}, new: {url}}}
rollouts: {{shop: {{key: jwt:sub, cohorts: [{{name: staff, arm: candidate, when: {{jwt:role: staff}}}}]}}}}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
CLAIMS = {"sub": "ann", "role": "staff", "aud": ["shop"]}
FIRST, SECOND = make_key(kid="first"), make_key("RS256", "second")
OLD, NEW = sign(CLAIMS, key=FIRST), sign(CLAIMS, "RS256", SECOND, "second")


def ask(gateway: Gateway, token: bytes) -> tuple[int, str, str]:
    """Status, arm and reason."""
    headers = {"Authorization": f"Bearer {token.decode()}"}
    answer = httpx.get(f"{gateway.url}/bytes/1", headers=headers, trust_env=False)
    return answer.status_code, answer.headers["X-Crossfade-Arm"], answer.headers["X-Crossfade-Reason"]


STAFF, NOBODY = (200, "candidate", "cohort:staff"), (200, "baseline", "missing_key")


def test_a_signed_token_has_its_arm_whatever_becomes_of_the_keys(start_gateway: Start, aiohttp: Server) -> None:
    """A forged one is none; a rotation fails no request; a controller that dies while keys are away moves nobody."""
    with issuer(publish(FIRST)) as id_server:
        gateway = start_gateway(CONFIGURATION.format(keys=id_server.url, url=aiohttp.url))
        forged = [sign(CLAIMS, key=make_key(kid="mine")), sign({**CLAIMS, "aud": "desk"}), NEW, b"a.b.c"]

        assert ask(gateway, OLD) == STAFF
        assert [ask(gateway, token) for token in forged] == [NOBODY] * 4

        answers = rotate(gateway, lambda: setattr(id_server, "keys", publish(FIRST, SECOND)))
        assert answers == {STAFF}

        id_server.keys = b""
        gateway.wait_until(lambda: gateway.events("jwks_unavailable"))
        (former,) = gateway.pids("contr")
        os.kill(former, signal.SIGKILL)
        gateway.wait_until(lambda: gateway.pids("contr") not in ([], [former]) and gateway.is_ready())
        gateway.wait_until(lambda: len(gateway.events("jwks_unavailable")) == 2)

        assert [ask(gateway, token) for token in (OLD, NEW) * 4] == [STAFF] * 8
        assert gateway.ask("/api/v1/status")[1]["tokens"] == {
            "source": id_server.url,
            "keys": 2,
            "fault": "it answered 503",
        }


def rotate(gateway: Gateway, publish_others: Callable[[], None]) -> set[tuple[int, str, str]]:
    """What becomes of users with the old key's tokens, until the new key's are believed in every worker."""
    is_over, answers = Event(), set[tuple[int, str, str]]()

    def ask_on() -> None:
        while not is_over.is_set():
            answers.add(ask(gateway, OLD))

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_on)
        try:
            publish_others()
            gateway.wait_until(lambda: all(ask(gateway, NEW) == STAFF for _ in range(8)))
        finally:
            is_over.set()
        asking.result()
    return answers
