"""A worker serves by the table that it gets, and ends well or with a reason."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest

from gateway.proxy.listener import TlsFiles
from gateway.runtime.inheritance import Door, Inheritance
from gateway.runtime.link import Applied, Counts, Frames, Hello, Message, NewTable, Recorded, Up, pack
from gateway.runtime.process import FAILED
from gateway.runtime.worker import run_worker
from tests.runtime.gateways import child, inherited, status_of
from tests.runtime.test_hub import table


class Controller:
    """The other end of the link, spoken by hand."""

    def __init__(self, inheritance: Inheritance) -> None:
        inheritance.link.setblocking(True)
        inheritance.link.settimeout(30)
        self._connection, _ = inheritance.link.accept()
        self._connection.settimeout(30)
        self._frames = Frames()
        self._heard: list[Up] = []

    def tell(self, message: Message) -> None:
        """Send a table, or what else there is to say."""
        self._connection.sendall(pack(message))

    def hear(self, kind: type[Up]) -> Up:
        """The next message of a kind; others are passed over."""
        while True:
            while not self._heard:
                payloads = self._frames.feed(self._connection.recv(65536))
                self._heard += [msgspec.msgpack.decode(payload, type=Up) for payload in payloads]
            if isinstance(message := self._heard.pop(0), kind):
                return message

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@contextmanager
def working(folder: Path) -> Iterator[tuple[int, Inheritance, Controller]]:
    """Worker 0, and its controller."""
    with inherited(folder) as inheritance, child("w0", partial(run_worker, inheritance, 0)) as pid:
        controller = Controller(inheritance)
        yield pid, inheritance, controller
        controller.close()


def ask(inheritance: Inheritance) -> int:
    """The status that the gateway answers with. The other slot's socket is closed: only worker 0 is there."""
    for member in inheritance.doors[0].sockets[1:]:
        member.close()
    connection = http.client.HTTPConnection(*inheritance.doors[0].sockets[0].getsockname(), timeout=30)
    connection.request("GET", "/nowhere")
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_serves_when_it_has_a_table_and_says_so(tmp_path: Path) -> None:
    """Hello, the table, Applied; then requests are answered, and SIGTERM ends it with 0."""
    with working(tmp_path) as (pid, inheritance, controller):
        hello = controller.hear(Hello)
        assert (hello.slot, hello.pid, hello.revision) == (0, pid, "")
        controller.tell(NewTable(7, table("one")))
        assert controller.hear(Applied) == Applied(7)
        assert ask(inheritance) == 404
        os.kill(pid, signal.SIGTERM)

        assert status_of(pid) == 0


def test_what_was_counted_before_a_new_table_is_told_apart(tmp_path: Path) -> None:
    """Its report bears the serial of the table by which it was served."""
    with working(tmp_path) as (_, inheritance, controller):
        controller.tell(Recorded(0))
        for sequence, serial in enumerate((7, 9), 1):
            controller.tell(NewTable(serial, table(f"r{serial}")))
            while controller.hear(Applied) != Applied(serial):
                pass
            assert ask(inheritance) == 404
            controller.tell(NewTable(serial + 1, table(f"r{serial + 1}")))
            counts = controller.hear(Counts)
            assert isinstance(counts, Counts)
            assert (counts.sequence, counts.serial) == (sequence, serial)
            controller.tell(Recorded(sequence))


def test_it_serves_on_when_the_link_breaks(tmp_path: Path) -> None:
    """A controller that died is met again by a worker that has missed nothing."""
    with working(tmp_path) as (_, inheritance, controller):
        controller.tell(NewTable(7, table("one")))
        controller.hear(Applied)
        controller.close()
        assert ask(inheritance) == 404
        successor = Controller(inheritance)

        hello = successor.hear(Hello)
        assert isinstance(hello, Hello)
        assert hello.revision == "one"
        successor.tell(NewTable(8, table("one")))
        assert successor.hear(Applied) == Applied(8)
        successor.close()


def test_of_several_tables_the_last_is_in_force(tmp_path: Path) -> None:
    """Tables that come faster than they can be built are skipped, never queued."""
    with working(tmp_path) as (_, _, controller):
        for serial in range(1, 30):
            controller.tell(NewTable(serial, table(f"r{serial}", routes=1)))
        applied = [controller.hear(Applied)]
        while applied[-1] != Applied(29):
            applied.append(controller.hear(Applied))

        assert applied == sorted(applied, key=lambda message: getattr(message, "serial", 0))


def test_told_to_end_before_it_began_it_ends(tmp_path: Path) -> None:
    """SIGTERM without a table: nothing to drain."""
    with working(tmp_path) as (pid, _, controller):
        controller.hear(Hello)
        os.kill(pid, signal.SIGTERM)

        assert status_of(pid) == 0


def test_a_worker_that_cannot_begin_says_why_and_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A certificate that is gone by now: the log names it, and the master tries again later."""
    with inherited(tmp_path) as inheritance:
        sockets = inheritance.doors[0].sockets
        inheritance.doors[0] = Door(sockets, TlsFiles(str(tmp_path / "gone.pem"), str(tmp_path / "gone.key")))
        with child("w0", partial(run_worker, inheritance, 0)) as pid:
            assert status_of(pid) == FAILED

    captured = capfd.readouterr()
    assert "gone.pem" in (captured.out + captured.err).replace("\n", "")  # where lines end depends on the folder


def test_the_port_outlives_the_worker(tmp_path: Path) -> None:
    """The master's socket takes connections while nobody accepts."""
    with working(tmp_path) as (pid, inheritance, controller):
        controller.hear(Hello)
        os.kill(pid, signal.SIGKILL)
        status_of(pid)
        with socket.create_connection(inheritance.doors[0].sockets[0].getsockname(), timeout=5) as waiting:
            assert waiting.fileno() >= 0
