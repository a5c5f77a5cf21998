"""A gateway with something to see on every page, and with texts that would do harm on a page that lets them.

A plan under way, a fixed share, a plan that nobody has started, one that is only compared, one that a guard has taken
back and one that a person has, each with its incident.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, Said, say, say_json, shop
from tests.e2e.users import await_comparing

HARM = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'
"""As a reason, a value, a name of a field, a comment in the file."""
OPERATOR = f"ada {HARM}"[:60]
HARM_IN_A_PATH = "/orders/<svg/onload=window.harmed=1>/{id}"
"""A path has no spaces."""
LONG = "x" * 400
"""A word that no line can break."""

CONFIGURATION = """\
version: 1  # {harm}
server: {{listen: 127.0.0.1:0, workers: 1, expose: true}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts:
  checkout:
    key: header:X-User-ID
    start: auto
    stages: [{{percent: 5, hold: 1h}}, {{percent: 50, hold: 4h, approval: manual}}, {{percent: 100, hold: 1h}}]
    gates: [error_rate < 2% for 1m, p95 < 5x baseline for 1h, mismatch_rate < 0.5% for 10m]
    guard:
      - {{when: error_rate > 90% for 1m, do: rollback}}
      - {{when: error_rate > 95% for 1m, do: step_back, per: path}}
  search: {{key: header:X-User-ID, percent: 40}}
  profile: {{key: header:X-User-ID, stages: [{{percent: 1, hold: 1h}}, {{percent: 10, hold: 1d}}, {{percent: 100}}]}}
  payments: {{key: header:X-User-ID, percent: 50, guard: [error_rate > 20% for 5s]}}
  returns: {{key: header:X-User-ID, percent: 10}}
  catalog: {{mode: shadow, key: header:X-User-ID, percent: 100}}
routes:
  - name: orders
    match: /orders/**
    baseline: legacy
    candidate: new
    rollout: checkout
    paths: ["/orders/{{id}}", "{path}"]
    shadow: {{percent: 100, direction: both, compare: {{noise: 50}}}}
  - {{name: carts, match: /carts/**, baseline: legacy, candidate: new, rollout: checkout}}
  - {{name: search, match: /search/**, baseline: legacy, candidate: new, rollout: search}}
  - {{name: profile, match: /profile/**, baseline: legacy, candidate: new, rollout: profile}}
  - {{name: payments, match: /payments/**, baseline: legacy, candidate: new, rollout: payments}}
  - {{name: returns, match: /returns/**, baseline: legacy, candidate: new, rollout: returns}}
  - name: catalog
    match: /catalog/**
    baseline: legacy
    candidate: new
    rollout: catalog
    shadow: {{percent: 100, compare: {{noise: 50}}}}
  - {{name: rest, match: /**, backend: legacy}}
"""

USERS = 40
ERRANDS = ("/orders/{}", "/orders/{}/items", "/carts/{}", "/search/{}", "/profile/{}", "/catalog/{}")
BUGGY = 4
"""Of so many answers of the candidate one differs."""


class Arm:
    """A shop: every answer says when it was made, the new one's are now and then wrong, and it takes no payments."""

    def __init__(self, *, is_new: bool) -> None:
        self._is_new = is_new
        self._times = itertools.count(1_700_000_000 + is_new)

    def __call__(self, asked: Asked) -> Said:
        _, about, number, *_ = [*asked.path.split("/"), "0"]
        if self._is_new and about == "payments":
            return say(b"no", status=500)
        is_wrong = self._is_new and number.isdigit() and int(number) % BUGGY == 0
        order = {"id": number, "served_at": next(self._times), "total": 12.5, "note": "thanks", HARM: 1}
        return say_json(order | ({"total": 12.51, "note": f"{HARM} {LONG}", HARM: 2} if is_wrong else {}))


class World:
    """The gateway, and those who use it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    @property
    def url(self) -> str:
        """Of the dashboard."""
        return f"{self.gateway.admin}/"

    def trade(self, errands: tuple[str, ...] = ERRANDS) -> None:
        """Every user goes on every errand."""
        send(self.gateway, [(f"user-{user}", errand.format(user)) for user in range(USERS) for errand in errands])

    def ask(self, path: str) -> Any:
        """What the API answers."""
        status, answer = self.gateway.ask(f"/api/v1/{path}")
        assert status == http.HTTPStatus.OK, answer
        return answer


def send(gateway: Gateway, errands: list[tuple[str, str]]) -> list[str | None]:
    """A user and a path, one after the other on one connection; which arm answered each."""
    arms = []
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    for user, path in errands:
        connection.request("GET", path, headers={"X-User-ID": user})
        response = connection.getresponse()
        response.read()
        arms.append(response.headers["X-Crossfade-Arm"])
    connection.close()
    return arms


def steer(gateway: Gateway, method: str, path: str, wish: Mapping[str, Any], operator: str = "ada") -> None:
    """What an operator does over the API."""
    headers = {"Content-Type": "application/json", "X-Crossfade-Operator": operator}
    status, answer = gateway.ask(f"/api/v1/rollouts/{path}", method, json.dumps(wish), headers)
    assert status == http.HTTPStatus.OK, answer


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """One that has had some traffic, a rollback, mismatches, and operators with evil reasons."""
    with shop(Arm(is_new=False)) as legacy, shop(Arm(is_new=True)) as new:
        text = CONFIGURATION.format(legacy=legacy.url, new=new.url, harm=HARM, path=HARM_IN_A_PATH)
        with Gateway(text, folder) as gateway:
            made = World(gateway)
            fill(made)
            yield made


def fill(made: World) -> None:
    """Let happen what there is to see."""
    steer(made.gateway, "POST", "checkout/promote", {"force": True, "reason": f"{HARM} {LONG}"}, operator=OPERATOR)
    steer(made.gateway, "POST", "returns/rollback", {"reason": f"{HARM} {LONG}"})
    await_comparing(made.gateway, "/orders/1", "orders")
    made.trade()

    def is_rolled_back() -> bool:
        made.trade(("/payments/{}",))
        return bool(made.ask("incidents?rollout=payments")["items"])

    made.gateway.wait_until(is_rolled_back)
