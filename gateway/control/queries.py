"""Asking a Prometheus server for one figure: its HTTP API's instant query.

The expression must give one number: a scalar, or a vector of one element. Nothing, several numbers and NaN are
``unknown``, with the reason: none of them says that all is well. An infinite number is a number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec

from gateway.control.webhooks import read_start
from gateway.core.judging import COMPARE
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.core.plans import Query

MOST_READ_BYTES: Final = 64 * 1024
"""Of an answer: a scalar and a vector of one element are a few hundred bytes."""
MOST_SAID: Final = 200
"""Characters of an error that become part of the reason."""

_Sample = tuple[float, str]


class NoFigure(GatewayError):
    """What was answered is not one number; the message says what it is."""


class _Element(msgspec.Struct):
    value: _Sample | None = None


class _Found(msgspec.Struct):
    kind: str = msgspec.field(name="resultType", default="")
    result: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct):
    status: str = ""
    data: _Found | None = None
    error: str = ""


async def ask_prometheus(session: aiohttp.ClientSession, gate: Query) -> float:
    """The figure. Raises `NoFigure`; aiohttp.ClientError, OSError or TimeoutError when there is no answer in time."""
    timeout = aiohttp.ClientTimeout(total=gate.timeout_seconds)
    url = gate.url.rstrip("/") + "/api/v1/query"
    asked = {"query": gate.query, "timeout": f"{gate.timeout_seconds:g}"}
    async with session.get(url, params=asked, timeout=timeout, allow_redirects=False) as response:
        return read_figure(response.status, await read_start(response, MOST_READ_BYTES))


def read_figure(status: int, content: bytes) -> float:
    """The one number in an answer of the HTTP API. Raises `NoFigure`."""
    try:
        answer = msgspec.json.decode(content, type=_Answer)
        if answer.status == "error":
            raise NoFigure(f"it refuses the query: {answer.error[:MOST_SAID]}")
        samples = _list_samples(answer.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoFigure(f"it answered {status} with what is no answer of Prometheus") from None
    if len(samples) != 1:
        raise NoFigure(f"the query gives {len(samples) or 'no'} numbers, not one")
    return _read_number(samples[0][1])


def is_met(gate: Query, value: float) -> bool:
    """Whether the comparison holds."""
    return COMPARE[gate.op](value, gate.value)


def _list_samples(found: _Found | None) -> list[_Sample]:
    if found is None or found.kind not in {"scalar", "vector"}:
        kind = found.kind if found is not None else ""
        raise NoFigure(f"the query gives a {kind or 'result without a type'}, not one number")
    if found.kind == "scalar":
        return [msgspec.json.decode(found.result, type=_Sample)]
    elements = msgspec.json.decode(found.result, type=list[_Element])
    return [element.value or (0.0, "NaN") for element in elements]  # a native histogram is no number


def _read_number(text: str) -> float:
    """As Go prints it: ``+Inf`` and ``NaN`` among them."""
    try:
        value = float(text)
    except ValueError:
        raise NoFigure(f"the query gives {text[:MOST_SAID]!r}, not a number") from None
    if math.isnan(value):
        raise NoFigure("the query gives NaN")
    return value
