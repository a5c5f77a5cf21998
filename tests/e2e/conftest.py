"""The servers behind the gateway, started once; and gateways, started per test and never left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e import servers
from tests.e2e.fleet import Backends, backends
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server

Start = Callable[..., Gateway]


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Debian's nginx."""
    with servers.nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="session")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A WSGI application under gunicorn."""
    with servers.gunicorn(tmp_path_factory.mktemp("gunicorn")) as server:
        yield server


@pytest.fixture(scope="session")
def aiohttp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An aiohttp application."""
    with servers.aiohttp(tmp_path_factory.mktemp("aiohttp")) as server:
        yield server


@pytest.fixture(scope="module")
def behind() -> Iterator[Backends]:
    """What a fleet stands before."""
    with backends() as made:
        yield made


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Start]:
    """Start a gateway with a configuration; those that a test did not stop are stopped, and must end well."""
    started: list[Gateway] = []

    def start(config_text: str, env: Mapping[str, str] | None = None) -> Gateway:
        folder = tmp_path / f"gateway-{len(started)}"
        folder.mkdir()
        gateway = Gateway(config_text, folder, env)
        gateway.start()
        started.append(gateway)
        return gateway

    yield start
    try:
        for gateway in started:
            if gateway.process.poll() is None:
                gateway.stop()
    finally:
        for gateway in started:
            gateway.destroy()
