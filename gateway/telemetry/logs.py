"""Structured logs on standard error: one JSON object per line, or coloured lines for a person at a terminal.

Events are named in the past tense (``configuration_accepted``), with what matters as fields. A record is written with
one call, so lines of several processes do not mix. Records of the standard library's logging (asyncio, aiohttp) come
out the same way, so an operator parses one format only.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, TextIO

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from structlog.typing import EventDict, Processor, WrappedLogger


def set_up(stream: TextIO | None = None) -> None:
    """Send every log record of this process to ``stream`` (standard error when omitted).

    May be called again, also by a forked child; the last call counts.
    """
    stream = stream if stream is not None else sys.stderr
    structlog.configure(
        processors=[*_common(), *(_human() if stream.isatty() else _machine())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    logging.root.handlers = [_Forwarder()]
    logging.root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def name_process(name: str) -> None:
    """Put ``process=name`` on every record from here on."""
    structlog.contextvars.bind_contextvars(process=name)


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]


def _human() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(timestamp_key="time")]


def _machine() -> list[Processor]:
    return [structlog.processors.format_exc_info, _ordered, structlog.processors.JSONRenderer(serializer=_to_json)]


def _ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> Mapping[str, object]:
    """Time, level and event first: what a person's eye looks for in a raw line."""
    head: MutableMapping[str, object] = {key: event.pop(key) for key in ("time", "level", "event") if key in event}
    return {**head, **event}


def _to_json(event: object, **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


class _Forwarder(logging.Handler):
    """Gives records of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(max(record.levelno, logging.INFO), record.getMessage(), logger=record.name, exc_info=record.exc_info)
