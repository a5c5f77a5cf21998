"""Spans go where the configuration in force says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

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
    """And a request that comes before the exporter is ready is lost, not waited for."""
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


def test_who_does_not_trace_does_not_load_opentelemetry() -> None:
    """It would cost every process a third of a second and 15 MiB."""
    asks = (
        "import sys; import gateway.runtime.worker, gateway.runtime.controller; "
        "sys.exit(bool({'opentelemetry', 'requests', 'gateway.telemetry.spans'} & sys.modules.keys()))"
    )

    assert subprocess.run([sys.executable, "-c", asks], check=False).returncode == 0
