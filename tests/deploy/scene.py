"""A gateway to which everything happens that dashboards show: errors, failovers, drift, a journal, a rollback."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.e2e.gateway import Gateway
from tests.e2e.prometheus import Prometheus, prometheus
from tests.e2e.shop import Asked, Said, say_json, shop

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {legacy}, new: {new}}}
rollouts:
  moving: {{key: header:X-User-ID, percent: 50, guard: [{{when: p50 > 9s for 1m, do: notify}}], min_requests: 1}}
  failing: {{key: header:X-User-ID, percent: 50, guard: [{{when: errors > 3 for 1m, do: rollback}}]}}
routes:
  - name: orders
    match: {{path: /orders/**, methods: GET}}
    baseline: legacy
    candidate: new
    rollout: moving
    paths: ["/orders/{{id}}"]
    shadow: {{percent: 100, direction: both, body: 1KiB}}
  - {{name: payments, match: /payments/**, baseline: legacy, candidate: new, rollout: moving, journal: {{}}}}
  - {{name: search, match: /search/**, baseline: legacy, candidate: new, rollout: failing, failover: {{budget: 100%}}}}
"""
USERS = 20
WRONG, FAILED, FAILED_BY_NEW, LARGE = 3, 4, 5, 6
"""Of each user's orders: where the arms differ, where both fail, where the candidate does, what is not compared."""


class Arm(NamedTuple):
    """What a backend answers."""

    is_new: bool

    def __call__(self, asked: Asked) -> Said:
        _, route, number = asked.path.split("/")
        order = int(number)
        if order == FAILED or (self.is_new and (order == FAILED_BY_NEW or route == "search")):
            return say_json({"error": "as told"}, status=500)
        if order == LARGE:
            return say_json("x" * 2000)
        return say_json({"order": order, "total": order + (self.is_new and order == WRONG)})


@dataclass(frozen=True)
class Scene:
    """A gateway with traffic, and a Prometheus that scrapes it."""

    gateway: Gateway
    prometheus: Prometheus

    def send(self) -> None:
        """Each user asks for everything once."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        for user in range(USERS):
            asked = [("GET", f"/orders/{order}") for order in range(1, LARGE + 1)]
            for method, path in [*asked, ("POST", "/payments/1"), ("GET", "/search/1")]:
                connection.request(method, path, headers={"X-User-ID": f"user-{user}"})
                connection.getresponse().read()
        connection.close()


@contextlib.contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Everything started, and seen by Prometheus before the first request: rollbacks and errors grow from 0."""
    with contextlib.ExitStack() as stack:
        legacy, new = (stack.enter_context(shop(Arm(is_new))) for is_new in (False, True))
        gateway = stack.enter_context(Gateway(CONFIGURATION.format(legacy=legacy.url, new=new.url), folder))
        target = {"targets": [f"127.0.0.1:{gateway.admin_port}"]}
        job = {"job_name": "crossfade", "static_configs": [target]}
        found = stack.enter_context(prometheus(folder / "prometheus", [job]))
        found.wait_until(lambda: found.value('up{job="crossfade"}') == 1, lambda: found.query("up"))
        yield Scene(gateway, found)
