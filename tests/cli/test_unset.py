"""`crossfade unset` without a gateway; with one it is in tests/e2e/test_commands.py."""

from __future__ import annotations

import pytest

from gateway.cli.main import main


def test_without_a_gateway_it_fails_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the address that was tried."""
    with pytest.raises(SystemExit) as ended:
        main(["unset", "checkout", "--admin", "http://127.0.0.1:1"])

    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
