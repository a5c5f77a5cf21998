"""Spans go where the configuration in force says."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from gateway.control import tracing
from gateway.control.tracing import Exports
from gateway.core.types import Tracing
from tests.e2e.collector import Collector, collect
from tests.telemetry.test_spans import traced_request


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A receiver of OTLP."""
    with collect() as made:
        yield made


def to(collector: Collector) -> Tracing:
    """A configuration that sends there."""
    return Tracing(f"{collector.url}/v1/traces", 100.0)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens in threads."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_nothing_is_exported_unless_the_configuration_says_so(collector: Collector) -> None:
    """And then nothing is lost, either."""
    exports = Exports()
    exports.record((traced_request(),))
    exports.adopt(None)
    await exports.close()

    assert (collector.spans, exports.dropped) == ([], 0)


async def test_a_reload_moves_the_spans_and_loses_none(collector: Collector) -> None:
    """What waited for the former collector is sent before it is left."""
    with collect() as other:
        exports = Exports()
        exports.adopt(to(collector))
        await until(lambda: exports.is_ready)
        exports.record((traced_request(),))
        exports.adopt(to(other))
        await until(lambda: exports.is_ready)
        exports.record((traced_request(), traced_request()))
        await exports.close()

        assert (len(collector.spans), len(other.spans)) == (2, 4)
        assert exports.dropped == 0


async def test_the_same_again_changes_nothing(collector: Collector) -> None:
    """A reload that leaves telemetry alone leaves its connection alone."""
    exports = Exports()
    exports.adopt(to(collector))
    await until(lambda: exports.is_ready)
    exports.adopt(to(collector))

    assert exports.is_ready
    await exports.close()


@pytest.fixture
def absent() -> str:
    """The address of a collector that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"http://127.0.0.1:{port}/v1/traces"


async def test_what_comes_before_the_exporter_is_ready_waits_for_it(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a bound: two spans for a request that was sent on, one for one that was not; the others are counted."""
    monkeypatch.setattr(tracing, "WAITING_REQUESTS", 2)
    exports = Exports()
    exports.adopt(to(collector))
    exports.record((traced_request(),))
    exports.record((traced_request(sent_at=0.0), traced_request(), traced_request(sent_at=0.0)))
    assert exports.dropped == 3
    await until(lambda: exports.is_ready)
    await exports.close()

    assert (exports.dropped, len(collector.spans)) == (3, 3)


async def test_what_was_lost_stays_counted_while_the_exporter_changes(collector: Collector, absent: str) -> None:
    """A counter that goes back would be taken for a restart."""
    exports = Exports()
    exports.adopt(Tracing(absent, 100.0))
    await until(lambda: exports.is_ready)
    exports.record((traced_request(),))
    await until(lambda: exports.dropped == 2)
    exports.adopt(to(collector))
    seen = [exports.dropped]
    async with asyncio.timeout(30):
        while not exports.is_ready:
            await asyncio.sleep(0)
            seen.append(exports.dropped)
    await exports.close()

    assert {*seen, exports.dropped} == {2}


async def test_an_exporter_that_can_not_be_made_is_told_and_tried_again(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says so, what is lost is counted, and the next reload tries once more."""
    exports = Exports()
    with monkeypatch.context() as without, capture_logs() as logs:
        without.setitem(sys.modules, "gateway.telemetry.spans", None)
        exports.adopt(to(collector))
        exports.record((traced_request(),))
        await until(lambda: logs)
        exports.record((traced_request(),))
    assert [record["event"] for record in logs] == ["tracing_unavailable"]
    exports.adopt(to(collector))
    await until(lambda: exports.is_ready)
    exports.record((traced_request(),))
    await exports.close()

    assert (exports.dropped, len(collector.spans)) == (4, 2)


async def test_a_configuration_that_comes_and_goes_leaves_one_exporter(collector: Collector) -> None:
    """However quickly reloads follow each other, each span is sent once."""
    exports = Exports()
    for asked in (to(collector), None, to(collector), None, to(collector)):
        exports.adopt(asked)
    await until(lambda: exports.is_ready)
    exports.record((traced_request(),))
    await exports.close()

    assert (exports.dropped, len(collector.spans)) == (0, 2)


def test_who_does_not_trace_does_not_load_opentelemetry() -> None:
    """It would cost every process a third of a second and 15 MiB."""
    asks = (
        "import sys; import gateway.runtime.worker, gateway.runtime.controller; "
        "sys.exit(bool({'opentelemetry', 'requests', 'gateway.telemetry.spans'} & sys.modules.keys()))"
    )

    assert subprocess.run([sys.executable, "-c", asks], check=False).returncode == 0
