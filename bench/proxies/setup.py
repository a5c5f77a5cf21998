"""What a proxy is told, and what it says in return."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Case

IDLE_SECONDS = 3600  # no time-out of a proxy's own may end a connection during a run
PYTHON_MODULES = ("gateway", "aiohttp")


@dataclass(frozen=True, slots=True)
class Setup:
    """The place that a proxy has in a run."""

    case: Case
    folder: Path
    """Temporary, the proxy's own."""
    port: int
    """Where it listens, on loopback; with TLS when the case says so."""
    spare_port: int
    """For a second listener, such as an admin API."""
    baseline_port: int
    candidate_port: int
    certificate: Path
    """A PEM file with certificate and key."""

    @property
    def url(self) -> str:
        """What the load is aimed at."""
        return f"{'https' if self.case.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def pool(self) -> int:
        """Idle backend connections that the proxy may keep: enough for every connection of the load."""
        return max(128, self.case.connections)

    @property
    def most_connections(self) -> int:
        """What the proxy must accept at once. Generous: HAProxy closes idle ones from a quarter of its bound on."""
        return max(9000, self.case.connections + 1000)

    @property
    def prefixes(self) -> list[str]:
        """The path prefix of each route, with its last slash; one for everything when the case names no number."""
        return [f"/api/service-{number}/" for number in range(self.case.routes)] or ["/"]

    def write(self, name: str, text: str) -> str:
        """Write a file of the proxy's; returns its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)


Command = list[str]


@dataclass(frozen=True, slots=True)
class Proxy:
    """One contender."""

    name: str
    needs: str
    """The program, or Python package, without which it can't take part."""
    configure: Callable[[Setup], Command]
    """Writes its configuration and returns the command that runs it in the foreground."""
    has_routes: bool = True

    @property
    def is_found(self) -> bool:
        """Whether it can take part on this machine."""
        if self.needs in PYTHON_MODULES:
            return importlib.util.find_spec(self.needs) is not None
        return shutil.which(self.needs) is not None

    def can_run(self, case: Case) -> bool:
        """Whether the case asks for something that it has."""
        return self.is_found and (self.has_routes or not case.routes)
