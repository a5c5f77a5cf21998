"""What a call knows."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.control import OPERATOR_HEADER, Call, compute
from gateway.admin.problems import Declined
from tests.admin.desk import Desk


def name_operator(shown: str) -> str:
    """Who acts, by the header that the caller shows."""
    request = make_mocked_request("PUT", "/", headers={OPERATOR_HEADER: shown})
    return Call(None, request).operator.name  # type: ignore[arg-type]


@given(st.text(max_size=120))
def test_an_operators_name_is_harmless_wherever_it_is_shown(shown: str) -> None:
    """Printable ASCII, not too long; whatever else is claimed, it is the peer's address, or unknown without one."""
    name = name_operator(shown)

    assert name == shown.strip() or name == "unknown"
    assert name.isascii()
    assert name.isprintable()
    assert 0 < len(name) <= 100


async def test_what_is_in_force_is_missing_at_first(tmp_path: Path) -> None:
    """503 until a configuration has been compiled; then the operators' table."""
    desk = Desk(tmp_path, {})
    with pytest.raises(Declined) as caught:
        _ = desk.control.table
    await desk.load(desk.file)

    assert caught.value.status == 503
    assert desk.control.table.rollouts[0].percent == 5
    await desk.rollouts.close()
    await desk.store.close()
    desk.listening.close()


async def test_long_computations_are_done_in_a_thread() -> None:
    """With what they were given, and their errors come back."""
    assert await compute(threading.get_ident) != threading.get_ident()
    assert await compute(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        await compute(int, "x")


def test_a_forked_process_computes_in_threads_of_its_own() -> None:
    """Its parent's are not there: it would wait for them for ever."""
    assert asyncio.run(compute(sum, (1, 2))) == 3
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(asyncio.run(compute(sum, (3, 4)))).encode())
        os._exit(0)
    os.close(writing)
    is_there, _, _ = select.select([reading], [], [], 20)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answers:
        assert is_there
        assert answers.read() == b"7"
