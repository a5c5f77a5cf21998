"""Processes die, are told to end, or can't begin: what users notice of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.configurations import split
from tests.e2e.conftest import Start
from tests.e2e.gateway import STOP_SECONDS, Gateway
from tests.e2e.load import Load
from tests.e2e.scripted import Scripted, scripted
from tests.e2e.servers import ROOT, Server
from tests.e2e.wire import connected, get

CLIENTS = 4


@pytest.fixture
def shop() -> Iterator[Scripted]:
    """A backend that says when it was asked, and answers when it is told to."""
    with scripted() as server:
        yield server


def kill(pid: int) -> None:
    """As the kernel's out-of-memory killer does."""
    os.kill(pid, signal.SIGKILL)


def run_once(config: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The command, where it is expected to end by itself."""
    command = [sys.executable, "-m", "gateway", "run", "-c", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_killed_worker_costs_only_what_it_had_under_way(start_gateway: Start, nginx: Server) -> None:
    """Each client loses at most the request that was in the dead worker; a successor serves within moments."""
    gateway = start_gateway(split(nginx, nginx))
    (victim,) = gateway.pids("w0")
    with Load(gateway.port, "/bytes/1000", CLIENTS) as load:
        load.wait_for_answers(50)
        kill(victim)
        gateway.wait_until(lambda: gateway.pids("w0") not in ([], [victim]) and gateway.is_ready())
        load.wait_for_answers(100)

    assert len(load.failures) <= CLIENTS, load.failures


def test_what_waits_in_a_dead_workers_queue_is_served_by_its_successor(start_gateway: Start, nginx: Server) -> None:
    """The master holds the socket, so a connection that nobody accepted yet is not lost."""
    gateway = start_gateway(split(nginx, nginx, workers=1))
    (worker,) = gateway.pids("w0")
    os.kill(worker, signal.SIGSTOP)
    waiting = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
    waiting.sendall(b"GET /bytes/1 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    kill(worker)

    assert waiting.makefile("rb").read().startswith(b"HTTP/1.1 200 OK")
    waiting.close()


def test_a_killed_controller_costs_no_request_and_reload_works_again(start_gateway: Start, nginx: Server) -> None:
    """The data plane does not need the control plane to serve."""
    gateway = start_gateway(split(nginx, nginx))
    (controller,) = gateway.pids("contr")
    with Load(gateway.port, "/bytes/1000", CLIENTS) as load:
        load.wait_for_answers(50)
        kill(controller)
        load.wait_for_answers(50)
        gateway.wait_until(lambda: gateway.pids("contr") not in ([], [controller]) and gateway.is_ready())
        gateway.edit(split(nginx, nginx, percent=30))
        load.wait_for_answers(50)

    assert load.failures == []


def test_the_configuration_survives_the_controller_even_when_the_file_is_broken(
    start_gateway: Start, nginx: Server
) -> None:
    """The last good one is what a new controller, and a new worker, get."""
    gateway = start_gateway(split(nginx, nginx))
    good = split(nginx, nginx, percent=25)
    gateway.edit(good)
    (controller,), (worker,) = gateway.pids("contr"), gateway.pids("w1")
    os.kill(controller, signal.SIGSTOP)  # it must not see the broken file before it dies
    gateway.path.write_text("version: 1\nroutes: [\n")
    kill(controller)
    kill(worker)
    gateway.wait_until(
        lambda: (
            gateway.pids("contr") not in ([], [controller])
            and gateway.pids("w1") not in ([], [worker])
            and gateway.is_ready()
        )
    )

    status, view = gateway.ask("/api/v1/config")
    assert (status, view["yaml"], view["last_reload_ok"]) == (200, good, False)
    assert view["problems"]
    assert gateway.get("/bytes/1000")[0] == 200
    gateway.edit(split(nginx, nginx, percent=75))
    assert gateway.ask("/api/v1/config")[1]["last_reload_ok"] is True


def test_nobody_is_left_when_the_master_is_killed(start_gateway: Start, nginx: Server) -> None:
    """Orphans would hold the port and serve an old configuration for ever."""
    gateway = start_gateway(split(nginx, nginx))
    gateway.wait_until(lambda: len(gateway.pids()) == 4)
    children = gateway.pids()
    kill(gateway.process.pid)
    gateway.process.wait()
    while any(is_alive(pid) for pid in children):
        threading.Event().wait(0.02)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only its remains."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_finishes_what_is_under_way(start_gateway: Start, shop: Scripted, number: int) -> None:
    """The slow answer arrives, then the gateway ends with 0."""
    gateway = start_gateway(split(shop, shop, drain="60s"))
    with connected(gateway) as client:
        client.send(get("/held"))
        gateway.wait_until(lambda: shop.asked)
        os.killpg(gateway.process.pid, number)  # Ctrl-C reaches the whole group
        gateway.wait_until(lambda: len(gateway.events("worker_draining")) == 2)
        shop.let_go.set()
        answer = client.read()

    assert gateway.process.wait(STOP_SECONDS) == 0
    assert answer.first == b"200"
    assert "Traceback" not in gateway.stderr.read_text()


def test_told_twice_it_does_not_wait(start_gateway: Start, shop: Scripted) -> None:
    """A second signal is for those who can't wait for the drain time."""
    gateway = start_gateway(split(shop, shop, drain="10m"))
    with connected(gateway) as client:
        client.send(get("/silence"))
        gateway.wait_until(lambda: shop.asked)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_until(lambda: gateway.events("worker_draining"))
        gateway.process.send_signal(signal.SIGTERM)

        assert gateway.process.wait(STOP_SECONDS) == 0
        with contextlib.suppress(ConnectionResetError):
            client.read_rest()


def test_a_drain_that_takes_too_long_is_cut(start_gateway: Start, shop: Scripted) -> None:
    """A request that never ends does not keep the gateway."""
    gateway = start_gateway(split(shop, shop, drain="300ms"))
    with connected(gateway) as client:
        client.send(get("/silence"))
        gateway.wait_until(lambda: shop.asked)
        gateway.process.send_signal(signal.SIGTERM)

        assert gateway.process.wait(STOP_SECONDS) == 0


def test_sighup_reads_the_configuration_again(start_gateway: Start, nginx: Server) -> None:
    """As operators of other proxies are used to: the master passes it on."""
    gateway = start_gateway(split(nginx, nginx))
    gateway.path.write_text("version: 2\n")
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_until(lambda: gateway.events("configuration_refused"))

    assert gateway.get("/bytes/1")[0] == 200


def test_a_worker_that_dies_at_once_is_not_restarted_in_a_frenzy(start_gateway: Start, nginx: Server) -> None:
    """Each death in a row is followed by a longer wait."""
    gateway = start_gateway(split(nginx, nginx))
    for deaths in range(1, 4):
        gateway.wait_until(lambda: gateway.pids("w0"))
        kill(gateway.pids("w0")[0])
        gateway.wait_until(lambda wanted=deaths: len(gateway.events("child_died")) == wanted)
    waits = [died["restart_seconds"] for died in gateway.events("child_died")]

    assert waits == [0, 0.25, 0.5]


@pytest.mark.parametrize("section", ["server", "admin"])
def test_a_port_in_use_is_explained(tmp_path: Path, nginx: Server, section: str) -> None:
    """One line, status 1, no process left, whichever of the ports it is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = split(nginx, nginx)
        wanted = text.replace(f"{section}: {{listen: 127.0.0.1:0", f"{section}: {{listen: 127.0.0.1:{port}")
        (tmp_path / "gateway.yaml").write_text(wanted)
        outcome = run_once(tmp_path / "gateway.yaml")

    assert wanted != text
    assert (outcome.returncode, outcome.stderr) == (
        1,
        f"crossfade: cannot listen on 127.0.0.1:{port}: Address already in use\n",
    )


def test_a_configuration_that_is_not_valid_is_explained(tmp_path: Path) -> None:
    """Every problem with its place, status 1."""
    path = tmp_path / "gateway.yaml"
    path.write_text("version: 1\nbackends: {legacy: http://127.0.0.1:1}\nroutes: [{name: a, match: nowhere}]\n")
    outcome = run_once(path)

    assert outcome.returncode == 1
    assert all(line.startswith(f"{path}:3:") for line in outcome.stderr.splitlines())


def test_an_emergency_switch_that_is_no_number_is_explained(tmp_path: Path, nginx: Server) -> None:
    """In an emergency a mistyped switch must not be passed over."""
    path = tmp_path / "gateway.yaml"
    path.write_text(split(nginx, nginx))
    outcome = run_once(path, CROSSFADE_PERCENT_SHOP="lots")

    assert outcome.returncode == 1
    assert "CROSSFADE_PERCENT_SHOP" in outcome.stderr


def test_a_kill_switch_holds_across_reloads(tmp_path: Path, nginx: Server, gunicorn: Server) -> None:
    """CROSSFADE_ROLLBACK sends everyone to the baseline, whatever the file says then or later."""
    with Gateway(split(nginx, gunicorn, percent=100), tmp_path, {"CROSSFADE_ROLLBACK": "shop"}) as gateway:
        before = gateway.get("/status/418", {"X-User-ID": "u"})
        gateway.edit(split(nginx, gunicorn, percent=99))

        assert before == gateway.get("/status/418", {"X-User-ID": "u"}) == (418, b"418")
