"""What can fail with a reason fails before a child exists."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import CommandError, ConfigError
from gateway.runtime.launch import inherit
from tests.runtime.gateways import TEXT, inherited


def test_it_opens_what_the_configuration_asks_for(tmp_path: Path) -> None:
    """A socket per worker and address, the admin API's, the link's, and the first good configuration kept."""
    with inherited(tmp_path) as inheritance:
        kept = inheritance.keepsake.newest()

        assert inheritance.slots == 2
        assert [len(door.sockets) for door in inheritance.doors] == [2]
        assert inheritance.doors[0].tls is None
        assert kept is not None
        assert (kept.text, kept.drain_seconds) == (TEXT, 1.0)


def test_a_configuration_that_is_not_valid_opens_nothing(tmp_path: Path) -> None:
    """All problems, and no socket."""
    path = tmp_path / "gateway.yaml"
    path.write_text("version: 2\n")

    with pytest.raises(ConfigError, match="version"):
        inherit(path, {})


def test_an_address_that_is_taken_leaves_nothing_open(tmp_path: Path) -> None:
    """The sockets that were opened before are closed again."""
    path = tmp_path / "gateway.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(TEXT.replace("admin: {listen: 127.0.0.1:0}", f"admin: {{listen: 127.0.0.1:{port}}}"))

        with pytest.raises(CommandError, match="Address already in use"):
            inherit(path, {})


def test_a_mistyped_switch_stops_the_start(tmp_path: Path) -> None:
    """An emergency switch is not passed over."""
    path = tmp_path / "gateway.yaml"
    path.write_text(TEXT)

    with pytest.raises(CommandError, match="CROSSFADE_PERCENT_SHOP"):
        inherit(path, {"CROSSFADE_PERCENT_SHOP": "many"})


def test_what_verifies_tokens_is_loaded_where_tokens_are_verified() -> None:
    """It takes 8 MiB: those who don't need it don't pay for it."""
    look = "import sys, gateway.runtime.launch; sys.exit('joserfc' in sys.modules or 'cryptography' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
