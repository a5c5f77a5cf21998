"""Where proxies meet: a temporary folder with the upstream, a certificate, and the proxies started before it."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import upstream
from bench.cases import Case
from bench.processes import BenchError, Process, free_port, running
from bench.proxies import Proxy, Setup


@dataclass(frozen=True, slots=True)
class Contender:
    """A proxy that is up."""

    name: str
    process: Process
    setup: Setup


@dataclass(slots=True)
class Arena:
    """The upstream, and what is needed to start proxies before it."""

    folder: Path
    upstream: upstream.Upstream
    certificate: Path
    _places: int = field(default=0, repr=False)

    @contextlib.contextmanager
    def contender(self, proxy: Proxy, case: Case, backend_port: int | None = None) -> Iterator[Contender]:
        """Run ``proxy`` for ``case``, before the upstream or before one service at ``backend_port``."""
        setup = self._setup(proxy, case)
        if backend_port is not None:
            setup = replace(setup, baseline_port=backend_port, candidate_port=backend_port)
        command = proxy.configure(setup)
        # The upstream's small answer is at every path of every case, also behind the first of many routes.
        with running(proxy.name, command, setup.folder, f"{setup.url}{setup.prefixes[0]}") as process:
            yield Contender(proxy.name, process, setup)

    def _setup(self, proxy: Proxy, case: Case) -> Setup:
        self._places += 1
        folder = self.folder / f"{self._places}-{proxy.name}"
        folder.mkdir()
        ports = (free_port(), free_port(), self.upstream.baseline_port, self.upstream.candidate_port)
        return Setup(case, folder, *ports, self.certificate)


@contextlib.contextmanager
def opened() -> Iterator[Arena]:
    """Set up the arena; everything in it is gone afterwards. Raises `BenchError` when a program is missing."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's workers leave root and must still read the files
        try:
            certificate = _certificate(folder)
            with upstream.serving(folder) as service:
                yield Arena(folder, service, certificate)
        except FileNotFoundError as error:
            raise BenchError(f"{error.filename} is needed and was not found") from error


def _certificate(folder: Path) -> Path:
    """A self-signed one for loopback, with its key in the same file."""
    path = folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    path.chmod(0o644)
    return path
