from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.main import main


def test_the_schema_is_the_file_in_config(capsys: pytest.CaptureFixture[str]) -> None:
    """Who installed the package without the samples gets the same schema."""
    with pytest.raises(SystemExit) as caught:
        main(["schema"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == (Path(__file__).parents[2] / "config" / "schema.json").read_text()
