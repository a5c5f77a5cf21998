"""A network of its own for a Redis, with a wire to it for each gateway, which may be cut.

Two network namespaces and pairs of virtual Ethernet devices (veth(4)) between them: whoever may make such has them,
which takes root. Whoever tries something with the wires, and all that it starts, is in the near one meanwhile
(setns(2)), so that nothing changes in the machine's own network: a browser that sees that gives up what it loads. What
is sent over a wire that is cut vanishes, as with a switch that has failed: nobody refuses a connection.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.store.servers import RedisServer

NETWORK: Final = "198.18"
"""For tests between networks (RFC 2544, appendix C.2.2)."""
_SERIALS: Final = itertools.count()
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NETWORK: Final = 0x40000000  # CLONE_NEWNET


class Wires:
    """See the module."""

    def __init__(self, count: int) -> None:
        self._mark = f"cf{os.getpid()}-{next(_SERIALS)}"
        self.name = f"network-{self._mark}"
        self._near = f"near-{self._mark}"
        self._third = os.getpid() % 256
        self._numbers = range(count)

    @property
    def addresses(self) -> list[str]:
        """Of the far ends."""
        return [f"{NETWORK}.{self._third}.{4 * number + 2}" for number in self._numbers]

    def urls(self, server: RedisServer) -> list[str]:
        """Of a server at the far ends, one for each wire."""
        return [f"redis://{address}:{server.port}" for address in self.addresses]

    def lay(self) -> None:
        """Raises CalledProcessError where that is not permitted."""
        for name in (self.name, self._near):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for number, far in zip(self._numbers, self.addresses, strict=True):
            near, end = f"{self._mark}n{number}", self._end(number)
            _ip("-n", self._near, "link", "add", near, "type", "veth", "peer", "name", end, "netns", self.name)
            _ip("-n", self._near, "addr", "add", f"{NETWORK}.{self._third}.{4 * number + 1}/30", "dev", near)
            _ip("-n", self.name, "addr", "add", f"{far}/30", "dev", end)
            _ip("-n", self._near, "link", "set", near, "up")
            self.mend(number)

    def take_away(self) -> None:
        """All of it, as far as it was laid."""
        for name in (self.name, self._near):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and all that it starts meanwhile, is at the near ends. Raises OSError where that can't be."""
        with Path("/proc/thread-self/ns/net").open("rb") as home, Path("/run/netns", self._near).open("rb") as near:
            _enter(near.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def cut(self, number: int) -> None:
        """Nothing gets through any more, either way."""
        _ip("-n", self.name, "link", "set", self._end(number), "down")

    def mend(self, number: int) -> None:
        """Whole again."""
        _ip("-n", self.name, "link", "set", self._end(number), "up")

    def _end(self, number: int) -> str:
        return f"{self._mark}f{number}"


def are_permitted() -> bool:
    """Whether such networks can be made here."""
    if shutil.which("ip") is None:
        return False
    wires = Wires(1)
    try:
        wires.lay()
        with wires.entered():
            pass
    except (subprocess.CalledProcessError, OSError):
        return False
    finally:
        wires.take_away()
    return True


@contextmanager
def wired_redis(folder: Path, count: int) -> Iterator[tuple[RedisServer, Wires]]:
    """A Redis at the far end of so many wires; this thread is at the near ends meanwhile."""
    wires = Wires(count)
    server = RedisServer(folder, "--bind", *wires.addresses, "--protected-mode", "no")
    server.host, server.within = wires.addresses[0], ("ip", "netns", "exec", wires.name)
    try:
        wires.lay()
        with wires.entered():
            server.start()
            yield server, wires
    finally:
        server.stop()
        wires.take_away()


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, _NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
