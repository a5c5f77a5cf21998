"""A network of its own for a Redis, with a wire to it for each gateway, which may be cut.

A network namespace and pairs of virtual Ethernet devices (veth(4)): whoever has them may make them, which takes root.
What is sent over a wire that is cut vanishes, as with a switch that has failed: nobody refuses a connection.
"""

from __future__ import annotations

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


class Wires:
    """See the module."""

    def __init__(self, count: int) -> None:
        self._mark = f"cf{os.getpid()}-{next(_SERIALS)}"
        self.name = f"network-{self._mark}"
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
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        for number, far in zip(self._numbers, self.addresses, strict=True):
            near, end = f"{self._mark}n{number}", self._end(number)
            _ip("link", "add", near, "type", "veth", "peer", "name", end, "netns", self.name)
            _ip("addr", "add", f"{NETWORK}.{self._third}.{4 * number + 1}/30", "dev", near)
            _ip("-n", self.name, "addr", "add", f"{far}/30", "dev", end)
            _ip("link", "set", near, "up")
            self.mend(number)

    def take_away(self) -> None:
        """All of it, as far as it was laid."""
        for number in self._numbers:  # first, as the kernel takes its time to clear a network away
            subprocess.run(["ip", "link", "delete", f"{self._mark}n{number}"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)

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
    except subprocess.CalledProcessError:
        return False
    finally:
        wires.take_away()
    return True


@contextmanager
def wired_redis(folder: Path, count: int) -> Iterator[tuple[RedisServer, Wires]]:
    """A Redis at the far end of so many wires."""
    wires = Wires(count)
    server = RedisServer(folder, "--bind", *wires.addresses, "--protected-mode", "no")
    server.host, server.within = wires.addresses[0], ("ip", "netns", "exec", wires.name)
    try:
        wires.lay()
        server.start()
        yield server, wires
    finally:
        server.stop()
        wires.take_away()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
