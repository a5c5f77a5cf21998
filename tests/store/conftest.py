"""Stores of every kind, empty."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gateway.store import Store, open_store
from tests.store.servers import RedisServer, form_cluster, lead_by_sentinel, make_certificate, running

_PREFIXES = itertools.count()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server; each test has a prefix of its own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with running(server):
        yield server


@pytest.fixture(scope="session")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, RedisServer, RedisServer]]:
    """A server, its replica, and the Sentinel that leads to whichever is the master."""
    folder = tmp_path_factory.mktemp("sentinel")
    master = RedisServer(folder)
    replica = RedisServer(folder, "--replicaof", f"127.0.0.1 {master.port}")
    guard = RedisServer(folder, is_sentinel=True)
    with running(master, replica, guard):
        lead_by_sentinel(master, guard)
        yield master, replica, guard


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A cluster of one."""
    node = RedisServer(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes")
    with running(node):
        form_cluster(node)
        yield node


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that speaks TLS only, and asks for a password."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = make_certificate(folder)
    options = ["--port", "0", "--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    server = RedisServer(folder, *options, "--requirepass", "p@ss/word", flag="--tls-port")
    with running(server):
        yield f"rediss://:p%40ss%2Fword@127.0.0.1:{server.port}?ssl_ca_certs={cert}"


@pytest.fixture
def url_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Where an empty store of a kind is."""

    def find(kind: str) -> str:
        prefix = f"prefix=t{next(_PREFIXES)}"
        if kind == "sqlite":
            return f"sqlite:{tmp_path / 'state.db'}"
        if kind == "rediss":
            return f"{request.getfixturevalue('secured')}&{prefix}"
        if kind == "redis+sentinel":
            return f"redis+sentinel://127.0.0.1:{request.getfixturevalue('sentinel')[2].port}/main?{prefix}"
        server = request.getfixturevalue({"redis": "redis", "redis+cluster": "cluster"}[kind])
        return f"{kind}://127.0.0.1:{server.port}?{prefix}"

    return find


@pytest.fixture(params=["sqlite", "redis", "rediss", "redis+sentinel", "redis+cluster"])
async def store(request: pytest.FixtureRequest, url_of: Callable[[str], str]) -> AsyncIterator[Store]:
    """A store of each kind, empty."""
    made = open_store(url_of(request.param))
    await made.open()
    yield made
    await made.close()
