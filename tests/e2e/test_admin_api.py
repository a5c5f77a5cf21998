"""The admin API of a running gateway is what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.configurations import split
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server

TOKEN = "s3cret"

# Not asked: the stream, which has no end; and whether what the schema allows is accepted, since a schema can't say
# which rollouts there are, or that a URL is none.
EXCLUDED = ["--exclude-path", "/api/v1/stream", "--exclude-checks", "positive_data_acceptance"]


def fuzz(gateway: Gateway, folder: Path, *headers: str) -> subprocess.CompletedProcess[str]:
    """Schemathesis, with every check, against the running API."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{gateway.admin}/openapi.json"]
    options = ["--checks", "all", *EXCLUDED, "--max-examples", "15", "--seed", "7", "--generation-deterministic"]
    sent = [option for header in headers for option in ("--header", header)]
    return subprocess.run(
        [*command, *options, *sent],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("token", ["", TOKEN])
def test_schemathesis_finds_nothing(start_gateway: Start, nginx: Server, tmp_path: Path, token: str) -> None:
    """Every answer has a status, a type and a shape that the document names; nothing makes the gateway fail."""
    text = split(nginx, nginx, percent=30, workers=1)
    gateway = start_gateway(text.replace("admin: {", f"admin: {{token: {token}, ") if token else text)

    done = fuzz(gateway, tmp_path, *([f"Authorization: Bearer {token}"] if token else []))

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert not gateway.events("admin_call_failed")
    assert gateway.get("/status/200")[0] == 200
