"""Certificates for the configurations that name some, made once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``server.pem``, ``server-key.pem``, an ``other-key.pem`` of nobody, and ``ca.pem``."""
    directory = tmp_path_factory.mktemp("certificates")
    for key, certificate in (("server-key.pem", "server.pem"), ("other-key.pem", "ca.pem")):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return directory
