"""Logs are JSON lines, whoever writes them."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from gateway.telemetry import logs


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logs go here; afterwards everything is as before."""
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    logs.set_up(stream)
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    logging.root.handlers, logging.root.level = handlers, level


def test_an_event_is_one_json_line_with_time_level_and_event_first(stream: io.StringIO) -> None:
    """A machine parses each line by itself, and a person finds the event where the eye falls."""
    structlog.get_logger().info("table_applied", revision="abc", serial=7)

    record = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert list(record) == ["time", "level", "event", "revision", "serial"]
    assert record["time"].endswith("Z")


def test_every_line_names_its_process(stream: io.StringIO) -> None:
    """Lines of a master and its children can be told apart."""
    logs.name_process("w3")
    structlog.get_logger().warning("something_happened")

    assert json.loads(stream.getvalue())["process"] == "w3"


def test_an_exception_is_part_of_its_record(stream: io.StringIO) -> None:
    """A traceback does not break the line format."""
    try:
        int("ouch")
    except ValueError:
        structlog.get_logger().exception("call_failed")

    assert "ValueError: invalid literal" in json.loads(stream.getvalue())["exception"]


def test_a_value_that_json_does_not_know_is_shown_as_text(stream: io.StringIO) -> None:
    """A log call never fails because of what it is given."""
    structlog.get_logger().info("odd_value_seen", value=ValueError("odd"))

    assert json.loads(stream.getvalue())["value"] == "odd"


def test_records_of_the_standard_library_come_out_alike(stream: io.StringIO) -> None:
    """What asyncio and aiohttp complain about is in the same format."""
    logging.getLogger("asyncio").error("task %s was lost", "x")

    record = json.loads(stream.getvalue())
    assert (record["level"], record["event"], record["logger"]) == ("error", "task x was lost", "asyncio")


def test_warnings_become_records(stream: io.StringIO) -> None:
    """A library's warning is not lost among the lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", UserWarning, stacklevel=1)

    assert "old way" in json.loads(stream.getvalue())["event"]


def test_at_a_terminal_a_person_reads_no_json(stream: io.StringIO) -> None:
    """Somebody who starts the gateway by hand gets lines made for people."""
    terminal = Terminal()
    logs.set_up(terminal)
    structlog.get_logger().info("table_applied", revision="abc")

    assert "table_applied" in terminal.getvalue()
    assert "{" not in terminal.getvalue()
    assert stream.getvalue() == ""
