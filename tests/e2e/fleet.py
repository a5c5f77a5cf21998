"""Several real gateways on one store, each with a folder, ports and workers of its own, and what is done to them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.e2e.gateway import IN_FORCE_SECONDS, Gateway
from tests.e2e.load import Load
from tests.e2e.shop import Asked, Shop, say, shop

REPLICAS: Final = 3
POLL_SECONDS: Final = 0.03
LOAD_PAUSE_SECONDS: Final = 0.02

CONFIGURATION: Final = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0}}
store: ${{STORE}}
{extra}
backends: {{legacy: {legacy}, new: {new}}}
rollouts:
{rollouts}
routes:
{routes}
"""
ROUTE: Final = "  - {{name: {0}, match: /{0}/**, baseline: legacy, candidate: new, rollout: {0}, {1}}}"
AS_IT_COMES: Final = "failover: off, breaker: off"
"""Who is the candidate's gets the candidate's answer."""


class Backends:
    """A baseline that is well, and a candidate that fails the rollouts that it is told to.

    ``asked`` says when the candidate was asked for what, by the system's clock.
    """

    def __init__(self, legacy: Shop, new: Shop) -> None:
        self.legacy, self.new = legacy, new
        self.failing: set[str] = set()
        self.asked: list[tuple[float, str]] = []
        legacy.answer, new.answer = lambda _: say(b"legacy"), self._answer

    def times(self, rollout: str) -> list[float]:
        """When the candidate was asked for what belongs to a rollout."""
        return [at for at, name in self.asked if name == rollout]

    def _answer(self, asked: Asked) -> bytes:
        name = asked.path.split("/")[1]
        self.asked.append((time.time(), name))
        return say(b"new", status=500 if name in self.failing else 200)


@contextmanager
def backends() -> Iterator[Backends]:
    """Both, as long as they are wanted."""
    with shop(lambda _: b"") as legacy, shop(lambda _: b"") as new:
        yield Backends(legacy, new)


def configure(behind: Backends, extra: str = "", **rollouts: str) -> str:
    """The file of a fleet, with a route ``/NAME/**`` for each of the rollouts, whose text is given."""
    return CONFIGURATION.format(
        legacy=behind.legacy.url,
        new=behind.new.url,
        extra=extra,
        rollouts="\n".join(f"  {name}: {{key: header:X-User-ID, {text}}}" for name, text in rollouts.items()),
        routes="\n".join(ROUTE.format(name, AS_IT_COMES) for name in rollouts),
    )


class Fleet:
    """See the module. ``stores`` has a URL for each gateway: of one store, perhaps by different ways."""

    def __init__(self, text: str, folder: Path, stores: Sequence[str]) -> None:
        self.gateways: list[Gateway] = []
        self.silent: set[Gateway] = set()
        """Those that are not asked: killed, or stopped."""
        self._text = text
        self._folder = folder
        for store in stores:
            self.add(store)

    def add(self, store: str, text: str = "") -> Gateway:
        """One more, which is not started yet."""
        folder = self._folder / f"gateway-{len(self.gateways)}"
        folder.mkdir(parents=True)
        gateway = Gateway(text or self._text, folder, {"STORE": store})
        self.gateways.append(gateway)
        return gateway

    def start(self) -> None:
        """All at once; returns when each is ready."""
        with ThreadPoolExecutor(len(self.gateways)) as threads:
            list(threads.map(Gateway.start, self.gateways))

    def stop(self) -> None:
        """All at once; each must end well."""
        with ThreadPoolExecutor(len(self.gateways)) as threads:
            list(threads.map(Gateway.stop, self.awake))

    def destroy(self) -> None:
        """Leave nothing of it behind."""
        for gateway in self.gateways:
            if gateway.port:
                gateway.destroy()

    # What it says.

    @property
    def awake(self) -> list[Gateway]:
        """Those that answer."""
        return [gateway for gateway in self.gateways if gateway not in self.silent]

    def views(self) -> list[dict[str, Any]]:
        """How each sees the fleet."""
        return [view_fleet(gateway) for gateway in self.awake]

    def leader(self) -> Gateway | None:
        """Who says that it leads."""
        return next((gateway for gateway in self.awake if view_fleet(gateway)["role"] == "leader"), None)

    def followers(self) -> list[Gateway]:
        """All others that answer; there is a leader."""
        leader = self.await_leader()
        return [gateway for gateway in self.awake if gateway is not leader]

    def rollouts(self, name: str) -> list[dict[str, Any]]:
        """The rollout on each."""
        return [view_rollout(gateway, name) for gateway in self.awake]

    def events(self, rollout: str, kind: str = "") -> list[dict[str, Any]]:
        """The audit log of a rollout."""
        found = self.awake[0].ask(f"/api/v1/events?rollout={rollout}&limit=1000")[1]["items"]
        return [event for event in found if kind in {"", event["kind"]}]

    def incidents(self, rollout: str) -> list[dict[str, Any]]:
        """All that there are of a rollout."""
        return [each for each in self.awake[0].ask("/api/v1/incidents")[1]["items"] if each["rollout"] == rollout]

    # What is awaited.

    def wait_until(self, condition: Callable[[], object], seconds: float = IN_FORCE_SECONDS) -> None:
        """Return when it holds; fail with what the gateways say when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self._describe()
            time.sleep(POLL_SECONDS)

    def await_leader(self) -> Gateway:
        """Who leads, when somebody does and all know it."""
        self.wait_until(self._is_led)
        leader = self.leader()
        assert leader is not None
        return leader

    def await_standing(self, rollout: str, state: str, percent: float | None = None) -> None:
        """Return when it stands so on each of them, and every worker goes by it."""

        def stands() -> bool:
            views = self.rollouts(rollout)
            is_so = all(view["state"] == state and percent in {None, view["percent"]} for view in views)
            return is_so and all(gateway.is_ready() for gateway in self.awake)

        self.wait_until(stands)

    def _is_led(self) -> bool:
        views = self.views()
        leaders = {view["leader"] for view in views}
        return len(leaders) == 1 and [view["replica"] for view in views if view["role"] == "leader"] == [*leaders]

    def _describe(self) -> str:
        logs = [f"{gateway.stderr.parent.name}: {gateway.stderr.read_text()[-3000:]}" for gateway in self.gateways]
        return "\n".join(["the fleet did not get there", *map(json.dumps, self.views()), *logs])

    # What is done to it.

    def kill(self, gateway: Gateway) -> None:
        """All its processes at once."""
        self.silent.add(gateway)
        gateway.destroy()

    def revive(self, gateway: Gateway) -> None:
        """Start what was killed."""
        gateway.start()
        self.silent.discard(gateway)

    def freeze(self, gateway: Gateway) -> None:
        """As when its machine hangs: no process of it does anything."""
        self.silent.add(gateway)
        os.killpg(gateway.process.pid, signal.SIGSTOP)

    def thaw(self, gateway: Gateway) -> None:
        """It goes on as if nothing had been."""
        os.killpg(gateway.process.pid, signal.SIGCONT)
        self.silent.discard(gateway)


def view_fleet(gateway: Gateway) -> dict[str, Any]:
    """How one gateway sees its fleet."""
    status, view = gateway.ask("/api/v1/fleet")
    assert status == http.client.OK, view
    assert isinstance(view, dict)
    return view


def view_rollout(gateway: Gateway, name: str) -> dict[str, Any]:
    """How a rollout stands on a gateway."""
    status, view = gateway.ask(f"/api/v1/rollouts/{name}")
    assert status == http.client.OK, view
    assert isinstance(view, dict)
    return view


def act(gateway: Gateway, rollout: str, action: str, **wish: Any) -> tuple[int, Any]:
    """An operator's action through one gateway; ``percent`` sets it."""
    method = "PUT" if action == "percent" else "POST"
    headers = {"Content-Type": "application/json"}
    return gateway.ask(f"/api/v1/rollouts/{rollout}/{action}", method, json.dumps(wish), headers)


def ask_arms(gateway: Gateway, rollout: str, users: Sequence[str], connections: int = 1) -> list[str]:
    """The arms that answer these users, who ask on each of so many connections: workers share those out."""
    arms = []
    for _ in range(connections):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        for user in users:
            connection.request("GET", f"/{rollout}/1", headers={"X-User-ID": user})
            response = connection.getresponse()
            response.read()
            arms.append(response.headers["X-Crossfade-Arm"])
        connection.close()
    return arms


@contextmanager
def loads(
    gateways: Sequence[Gateway], rollout: str, clients: int = 2, pause_seconds: float = LOAD_PAUSE_SECONDS
) -> Iterator[list[Load]]:
    """Users who never stop asking each of these."""
    made = [Load(gateway.port, f"/{rollout}/1", clients, pause_seconds) for gateway in gateways]
    with ExitStack() as stack:
        yield [stack.enter_context(load) for load in made]


@contextmanager
def running(fleet: Fleet) -> Iterator[Fleet]:
    """While it runs; whatever is left of it at the end must end well."""
    try:
        fleet.start()
        yield fleet
        fleet.stop()
    finally:
        fleet.destroy()
