"""Queries: what counts as one number."""

from __future__ import annotations

import math

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.queries import NoFigure, ask_prometheus, is_met, read_figure
from gateway.core.plans import Op, Query
from tests.control.outside import outside


def answer(kind: str, result: str) -> bytes:
    return f'{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}'.encode()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (answer("scalar", '[1.5,"0.25"]'), 0.25),
        (answer("vector", '[{"metric":{"a":"b"},"value":[1,"3"]}]'), 3.0),
        (answer("vector", '[{"metric":{},"value":[1,"+Inf"]}]'), math.inf),
        (answer("scalar", '[1.5,"1e-05"]'), 1e-05),
    ],
)
def test_one_number_is_a_figure(content: bytes, value: float) -> None:
    """A scalar and a vector of one element are what is asked for."""
    assert read_figure(200, content) == value


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (answer("vector", "[]"), "the query gives no numbers, not one"),
        (answer("vector", '[{"value":[1,"1"]},{"value":[1,"2"]}]'), "the query gives 2 numbers, not one"),
        (answer("vector", '[{"value":[1,"NaN"]}]'), "the query gives NaN"),
        (answer("vector", '[{"histogram":[1,{}]}]'), "the query gives NaN"),
        (answer("matrix", "[]"), "the query gives a matrix, not one number"),
        (answer("string", '[1,"a"]'), "the query gives a string, not one number"),
        (answer("scalar", '[1,"seven"]'), "the query gives 'seven', not a number"),
        (b'{"status":"error","error":"parse error"}', "it refuses the query: parse error"),
        (b'{"status":"success"}', "the query gives a result without a type, not one number"),
        (b"<html>", "it answered 200 with what is no answer of Prometheus"),
        (answer("scalar", "7"), "it answered 200 with what is no answer of Prometheus"),
        (b"\xff\xfe", "it answered 200 with what is no answer of Prometheus"),
    ],
)
def test_whatever_else_comes_says_why_it_is_none(content: bytes, reason: str) -> None:
    """Nothing, many numbers, NaN and garbage are unknown with a reason, never a figure."""
    with pytest.raises(NoFigure) as raised:
        read_figure(200, content)

    assert str(raised.value) == reason


@given(st.binary())
def test_any_bytes_are_a_figure_or_none(content: bytes) -> None:
    """No answer breaks the conductor."""
    try:
        value = read_figure(200, content)
    except NoFigure:
        return
    assert not math.isnan(value)


async def test_the_query_goes_to_the_instant_query_of_the_http_api() -> None:
    """Prometheus, and what speaks like it below a prefix, are asked at the documented place."""
    async with outside() as server, aiohttp.ClientSession() as session:
        server.figure("0.5")
        value = await ask_prometheus(session, Query(f"{server.url}/mimir/", 'up{job="a"}', Op.BELOW, 0.8))

    assert value == 0.5
    assert server.questions[0].path.startswith("/mimir/api/v1/query?query=up")


@pytest.mark.parametrize(("op", "met"), [(Op.BELOW, False), (Op.AT_MOST, True), (Op.ABOVE, False), (Op.AT_LEAST, True)])
def test_each_comparison_does_what_it_says(op: Op, met: bool) -> None:
    """A bound belongs to ``<=`` and ``>=`` only."""
    assert is_met(Query("http://p", "q", op, 2.0), 2.0) is met
