"""Each gateway of a fleet has a journal of its own, and any of them tells whose has writes to reconcile."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Backends, Fleet, act, ask_arms, configure, running, view_fleet
from tests.e2e.gateway import Gateway
from tests.e2e.test_commands import crossfade
from tests.store.servers import RedisServer
from tests.store.servers import running as listening


@pytest.fixture
def fleet(tmp_path: Path, behind: Backends) -> Iterator[Fleet]:
    """Two gateways, whose candidate takes all writes."""
    store = RedisServer(tmp_path)
    text = configure(behind, shop="percent: 100, guard: []").replace(
        "breaker: off", "breaker: off, journal: {methods: [POST]}"
    )
    with listening(store), running(Fleet(text, tmp_path, [store.url] * 2)) as made:
        yield made


def write(gateway: Gateway, writes: int) -> None:
    """So many users write something through a gateway."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    for number in range(writes):
        connection.request("POST", "/shop/orders", body=b"order", headers={"X-User-ID": f"user-{number}"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"new")
    connection.close()


def await_waiting(fleet: Fleet, *waits: tuple[int, bool]) -> None:
    """Return when all see that so many writes wait in each one's journal, and whether there may be more."""
    names = [view_fleet(gateway)["replica"] for gateway in fleet.gateways]

    def is_seen(view: dict[str, object]) -> bool:
        seen = {each["replica"]: each["journal"] for each in view["replicas"]}  # type: ignore[attr-defined]
        found = [[(each["writes"], each["is_live"]) for each in seen[name]] for name in names]
        return found == [[each] if each[0] else [] for each in waits]

    fleet.wait_until(lambda: all(map(is_seen, fleet.views())))


def test_one_gateway_tells_whose_journal_has_writes_to_reconcile(fleet: Fleet) -> None:
    """While the candidate takes them, after a rollback, when one has been reconciled, and when the other is stopped."""
    first, second = fleet.gateways
    fleet.wait_until(lambda: all(set(ask_arms(each, "shop", ["ada"], 8)) == {"candidate"} for each in fleet.gateways))
    write(first, 3)
    write(second, 2)
    await_waiting(fleet, (3, True), (2, True))
    assert act(first, "shop", "rollback", reason="writes are lost")[0] == http.client.OK
    await_waiting(fleet, (3, False), (2, False))
    names = [view_fleet(gateway)["replica"] for gateway in fleet.gateways]
    wait = [
        f"{name} has {writes} writes of shop to reconcile: crossfade reconcile shop --admin {gateway.admin}"
        for name, writes, gateway in zip(names, (3, 2), fleet.gateways, strict=True)
    ]
    assert set(wait) <= set(crossfade(second, "fleet")[1].splitlines())

    status, out, _ = crossfade(first, "reconcile", "shop")
    assert (status, out.splitlines()) == (
        0,
        ["3 applied, 0 refused, 0 failed, 0 skipped: the baseline has had them", wait[1]],
    )
    await_waiting(fleet, (0, False), (2, False))
    fleet.stop()
    assert ["journal_left" in gateway.stderr.read_text() for gateway in fleet.gateways] == [False, True]
