"""Self-signed certificates, made by openssl: each is its own authority."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """PEM files."""

    cert: Path
    key: Path

    @property
    def both(self) -> tuple[Path, Path]:
        """As `ssl` takes them."""
        return self.cert, self.key

    def copy_from(self, other: Pair) -> None:
        """Put another pair in the place of this one, one file after the other, as renewing programs do."""
        self.key.write_bytes(other.key.read_bytes())
        self.cert.write_bytes(other.cert.read_bytes())


def make_pair(folder: Path, name: str) -> Pair:
    """For 127.0.0.1 and localhost; ``name`` is the common name."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    options = ["-days", "30", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", str(pair.key), "-out", str(pair.cert)]
    subprocess.run([*command, *options, *files], check=True, capture_output=True)
    return pair
