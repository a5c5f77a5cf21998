"""The comparer's process: it compares what workers send, and tells the controller, which may come and go."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest

from gateway.core.figures import Counted
from gateway.core.shadowing import Compare, Pair, Reply, Shadow
from gateway.core.tallies import PathTally
from gateway.core.types import Match, Route, Table
from gateway.runtime import comparer
from gateway.runtime.comparer import run_comparer
from gateway.runtime.inheritance import Inheritance
from gateway.runtime.intake import GREETING
from gateway.runtime.link import COMPARER_SLOT, Applied, Counts, Hello, Known, NewTable, Recorded, Tallied, frame
from tests.runtime.gateways import child, inherited, status_of
from tests.runtime.pairs import HEAD, pair
from tests.runtime.test_hub import table
from tests.runtime.test_worker import Controller

COMPARED = Compare(status=True, headers=("Content-Type",))
COPIED = Shadow(
    100.0, frozenset({"GET"}), both=False, body_bytes=1 << 18, concurrency=8, timeout_seconds=1, compare=COMPARED
)
OTHER = Reply(200, HEAD, b'{"total": 2}')


def comparing(revision: str) -> Table:
    """A table with one route that is copied."""
    route = Route("shop", Match(), "legacy", candidate="next", shadow=COPIED)
    return msgspec.structs.replace(table(revision), routes=(route,))


def differing(number: int) -> Pair:
    """Two answers that differ in one field."""
    return msgspec.structs.replace(pair(number, b'{"total": 1}'), other=OTHER)


def send(worker: socket.socket, *pairs: Pair) -> None:
    """As a worker does."""
    worker.sendall(b"".join(frame(msgspec.msgpack.encode(each), "Pair") for each in pairs))


def connect(inheritance: Inheritance) -> socket.socket:
    """A worker's connection, once it is accepted."""
    worker = socket.socket(socket.AF_UNIX)
    worker.settimeout(30)
    worker.connect(inheritance.pairs.getsockname())
    assert worker.recv(10) == GREETING
    return worker


@contextmanager
def living(folder: Path) -> Iterator[tuple[int, Inheritance, Controller]]:
    """A comparer, and its controller, who has not said anything yet."""
    with inherited(folder) as inheritance, child("comparer", partial(run_comparer, inheritance)) as pid:
        controller = Controller(inheritance)
        yield pid, inheritance, controller
        controller.close()


def copies_in(counts: object) -> dict[tuple[str, str], int]:
    """What a batch of counts says, if it is about our route's candidate."""
    assert isinstance(counts, Counts)
    (counted,) = counts.counted
    assert isinstance(counted, Counted)
    assert counted.subject == ("shop", "/a", "candidate", False)
    return counted.figures.copies


def greet(controller: Controller) -> Hello:
    """Say what a controller says first."""
    hello = controller.hear(Hello)
    assert isinstance(hello, Hello)
    controller.tell(Known(()))
    controller.tell(Recorded(0))
    return hello


def begin(controller: Controller) -> Hello:
    """Greet a comparer, and give it its table."""
    hello = greet(controller)
    controller.tell(NewTable(7, comparing("one")))
    assert controller.hear(Applied) == Applied(7)
    return hello


def test_it_compares_and_tells_what_it_counted_and_found(tmp_path: Path) -> None:
    """From its first table to SIGTERM, which ends it with 0."""
    with living(tmp_path) as (pid, inheritance, controller):
        assert begin(controller).slot == COMPARER_SLOT
        worker = connect(inheritance)
        send(worker, differing(1))

        tallied = controller.hear(Tallied)
        assert isinstance(tallied, Tallied)
        (path,) = tallied.paths
        assert isinstance(path, PathTally)
        assert (path.route, path.path, path.compared, list(path.fields)) == ("shop", "/a", 1, [("$.total", "value")])
        counts = controller.hear(Counts)
        assert isinstance(counts, Counts)
        assert (counts.serial, copies_in(counts)) == (7, {("mismatch", ""): 1})
        controller.tell(Recorded(1))
        worker.close()
        os.kill(pid, signal.SIGTERM)
        assert status_of(pid) == 0


def test_what_it_has_when_it_is_told_to_end_is_compared_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers end before it does, and what they sent last counts; where all others go first, it has time for that."""
    monkeypatch.setattr(comparer, "FINISH_SECONDS", 30.0)
    monkeypatch.setattr(comparer, "FLUSH_SECONDS", 30.0)
    with living(tmp_path) as (pid, inheritance, controller):
        begin(controller)
        worker = connect(inheritance)
        send(worker, *map(pair, range(300)))
        worker.close()
        os.kill(pid, signal.SIGTERM)
        total = 0
        while total < 300:
            counts = controller.hear(Counts)
            total += copies_in(counts)["match", ""]
            assert isinstance(counts, Counts)
            controller.tell(Recorded(counts.sequence))

        assert status_of(pid) == 0


def test_a_controller_that_dies_misses_nothing_and_hears_nothing_twice(tmp_path: Path) -> None:
    """Counts that nobody acknowledged come again, as the same batch of the same run; comparing goes on meanwhile."""
    with living(tmp_path) as (_, inheritance, controller):
        hello = begin(controller)
        worker = connect(inheritance)
        send(worker, pair(1))
        first = controller.hear(Counts)
        controller.close()
        send(worker, pair(2))
        successor = Controller(inheritance)

        assert greet(successor).run == hello.run
        assert successor.hear(Counts) == first
        successor.tell(Recorded(1))
        second = successor.hear(Counts)
        assert isinstance(second, Counts)
        assert (second.sequence, copies_in(second)) == (2, {("match", ""): 1})
        worker.close()
        successor.close()


def test_it_can_end_before_it_began(tmp_path: Path) -> None:
    """Without a table it accepts nobody, and has nothing to finish."""
    with living(tmp_path) as (pid, inheritance, controller):
        controller.hear(Hello)
        controller.tell(Recorded(0))
        with socket.socket(socket.AF_UNIX) as worker:
            worker.connect(inheritance.pairs.getsockname())
            os.kill(pid, signal.SIGTERM)

            assert status_of(pid) == 0
