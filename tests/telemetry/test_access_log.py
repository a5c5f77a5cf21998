"""The access log's writer never holds up who writes, and never tears a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO

import pytest

from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.turns import Turns

CLOSED = 1 << 20
"""A descriptor that no process has open."""

Pipe = tuple[FileIO, FileIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe's reading and writing end, as files: who closes one twice doesn't close another's descriptor."""
    ends = os.pipe()
    with FileIO(ends[0], "r") as reader, FileIO(ends[1], "w") as writer:
        yield reader, writer


def test_lines_arrive_whole_and_in_order(pipe: Pipe) -> None:
    """What was written comes out, one line each."""
    reader, writer = pipe
    log = AccessLog(writer.fileno())
    for number in range(1000):
        log.write(b"line %d" % number)
    log.close()
    writer.close()

    assert reader.readall().splitlines() == [b"line %d" % number for number in range(1000)]
    assert log.dropped == 0


def test_a_full_queue_drops_and_counts(pipe: Pipe) -> None:
    """A reader that has stopped costs lines, not requests."""
    reader, writer = pipe
    os.set_blocking(writer.fileno(), True)
    log = AccessLog(writer.fileno(), capacity=10)
    for _ in range(100):
        log.write(b"x" * 200_000)  # the pipe takes five of them, the queue ten more
    log.close(seconds=0.2)
    reader.close()
    log.close(seconds=30)  # the write that hung has failed: nothing goes on to write to a descriptor that is let go

    assert log.dropped >= 70


def test_a_reader_that_left_costs_lines_only(pipe: Pipe) -> None:
    """A broken pipe is counted and survived."""
    reader, writer = pipe
    reader.close()
    log = AccessLog(writer.fileno())
    log.write(b"nobody reads this")
    log.close()

    assert log.dropped == 1


def test_a_closed_descriptor_costs_lines_only() -> None:
    """A gateway whose standard output was closed serves on."""
    log = AccessLog(CLOSED)
    log.write(b"nowhere to go")
    log.close()

    assert log.dropped == 1


def test_a_descriptor_that_was_made_non_blocking_is_waited_for(pipe: Pipe) -> None:
    """Sharing a terminal with a program that changes its mode loses no line."""
    reader, writer = pipe
    os.set_blocking(writer.fileno(), False)
    log = AccessLog(writer.fileno())
    for _ in range(40):
        log.write(b"y" * 3000)
    received = b""
    while received.count(b"\n") < 40:
        received += reader.read(65536)
    log.close()

    assert log.dropped == 0


def test_lines_of_several_processes_do_not_mix(pipe: Pipe) -> None:
    """However large the batches: each process writes in its turn."""
    reader, writer = pipe
    turns = Turns()
    children = [write_in_a_child(writer.fileno(), turns, b"%d" % number * 500) for number in range(3)]
    writer.close()
    lines = reader.readall().splitlines()
    for pid in children:
        os.waitpid(pid, 0)

    assert sorted(set(lines)) == [b"0" * 500, b"1" * 500, b"2" * 500]
    assert len(lines) == 3 * 3000


def write_in_a_child(fd: int, turns: Turns, line: bytes) -> int:
    """A process that writes 3,000 lines; its pid."""
    pid = os.fork()
    if pid == 0:
        log = AccessLog(fd, turns)
        for _ in range(3000):
            log.write(line)
        log.close(seconds=30)
        os._exit(log.dropped)
    return pid


def test_a_line_longer_than_a_batch_goes_out_alone(pipe: Pipe) -> None:
    """A monstrous line is written, and does not hold back the others."""
    reader, writer = pipe
    log = AccessLog(writer.fileno())
    log.write(b"z" * 10_000)
    log.write(b"short")
    log.close()
    writer.close()

    assert reader.readall().splitlines() == [b"z" * 10_000, b"short"]
