"""A controller finds its configuration, hands it out, and answers for it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.runtime.controller import run_controller
from gateway.runtime.inheritance import Inheritance
from gateway.runtime.link import Applied, Counts, Frames, Hello, NewTable, pack
from tests.runtime.gateways import TEXT, child, inherited, status_of

PATIENCE_SECONDS = 30.0
BROKEN = "version: 1\nroutes: [\n"


def ask(inheritance: Inheritance, path: str, method: str = "GET") -> tuple[int, Any]:
    """Status and JSON of an admin call."""
    connection = http.client.HTTPConnection(*inheritance.admin.getsockname(), timeout=PATIENCE_SECONDS)
    connection.request(method, path)
    response = connection.getresponse()
    status, view = response.status, json.loads(response.read())
    connection.close()
    return status, view


def in_force(inheritance: Inheritance) -> dict[str, Any]:
    """The configuration view, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := ask(inheritance, "/api/v1/config"))[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    view: dict[str, Any] = answer[1]
    return view


def test_it_takes_the_file_and_answers(tmp_path: Path) -> None:
    """Health at once; readiness only with workers, and it says which is missing; SIGTERM ends it with 0."""
    with inherited(tmp_path) as inheritance, child("controller", partial(run_controller, inheritance)) as pid:
        view = in_force(inheritance)

        assert (view["yaml"], view["last_reload_ok"], view["problems"]) == (TEXT, True, [])
        assert ask(inheritance, "/healthz")[0] == 200
        assert ask(inheritance, "/readyz") == (
            503,
            {"ready": False, "reasons": ["worker 0 is not connected", "worker 1 is not connected"]},
        )
        os.kill(pid, signal.SIGTERM)
        assert status_of(pid) == 0


def test_a_file_that_was_broken_meanwhile_does_not_lose_the_configuration(tmp_path: Path) -> None:
    """The kept one is in force, and the file's problems are shown."""
    with inherited(tmp_path) as inheritance:
        inheritance.source.path.write_text(BROKEN)
        with child("controller", partial(run_controller, inheritance)):
            view = in_force(inheritance)

    assert (view["yaml"], view["last_reload_ok"]) == (TEXT, False)
    assert view["problems"][0]["line"] in {2, 3}


def test_a_file_that_is_gone_does_not_lose_the_configuration(tmp_path: Path) -> None:
    """Likewise."""
    with inherited(tmp_path) as inheritance:
        inheritance.source.path.unlink()
        with child("controller", partial(run_controller, inheritance)):
            view = in_force(inheritance)

    assert (view["yaml"], view["last_reload_ok"]) == (TEXT, False)


def test_what_it_accepts_is_kept_for_its_successor(tmp_path: Path) -> None:
    """Killed at any time after a reload: the next one has that configuration."""
    newer = TEXT.replace("drain: 1s", "drain: 7s")
    with inherited(tmp_path) as inheritance:
        with child("controller", partial(run_controller, inheritance)) as pid:
            in_force(inheritance)
            inheritance.source.path.write_text(newer)
            while in_force(inheritance)["yaml"] != newer:
                time.sleep(0.01)
            os.kill(pid, signal.SIGKILL)
        kept = inheritance.keepsake.newest()

    assert kept is not None
    assert (kept.text, kept.drain_seconds) == (newer, 7.0)


def test_serials_grow_from_one_controller_to_the_next(tmp_path: Path) -> None:
    """A worker can tell the newest table whoever sent it."""
    with inherited(tmp_path) as inheritance:
        serials = []
        for _ in range(2):
            with child("controller", partial(run_controller, inheritance)) as pid:
                serials.append(first_serial(inheritance))
                os.kill(pid, signal.SIGKILL)

    assert 0 < serials[0] < serials[1]


def test_a_clock_that_is_set_back_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted while the time of day was an hour ahead, or after that was mended: it is in the last minute."""
    real = time.time
    with inherited(tmp_path) as inheritance:
        for sequence, seconds_ahead in ((1, 3600), (2, 0)):
            monkeypatch.setattr(time, "time", partial(lambda ahead: real() + ahead, seconds_ahead))
            with child("controller", partial(run_controller, inheritance)) as pid:
                report(inheritance, sequence)
                window = ask(inheritance, "/api/v1/paths?window=1m")[1]
                os.kill(pid, signal.SIGKILL)

            assert [row["baseline"]["requests"] for row in window["items"]] == [sequence]


def report(inheritance: Inheritance, sequence: int) -> None:
    """Count one request, and wait until it is recorded."""
    figures = PathFigures(answers={Answer("legacy", "GET", 200, "split"): 1})
    counted = (Counted(Subject("shop", "/a", "baseline", is_forced=False), figures),)
    in_force(inheritance)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(PATIENCE_SECONDS)
        caller.connect(inheritance.link.getsockname())
        caller.sendall(pack(Hello(0, os.getpid(), "", 7)) + pack(Counts(sequence, counted)))
        frames = Frames()
        payloads: list[bytes] = []
        while len(payloads) < 3:  # what was recorded, the table, and that this is recorded
            payloads += frames.feed(caller.recv(65536))


def first_serial(inheritance: Inheritance) -> int:
    """Of the table that a worker gets on saying Hello."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(PATIENCE_SECONDS)
        caller.connect(inheritance.link.getsockname())
        caller.sendall(pack(Hello(0, os.getpid(), "", 7)))
        frames = Frames()
        payloads: list[bytes] = []
        while len(payloads) < 2:  # first it says what it has recorded, then comes the table
            payloads += frames.feed(caller.recv(65536))
        table = msgspec.msgpack.decode(payloads[1], type=NewTable)
        caller.sendall(pack(Applied(table.serial)))
        return table.serial
