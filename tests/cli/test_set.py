"""Setting says what was, what is, and where the latter is not what was asked for."""

from __future__ import annotations

import msgspec
import pytest

from gateway.cli.main import main
from gateway.cli.set import list_given, path_of, tell_change
from tests.cli.views import FIXED


def tell(capsys: pytest.CaptureFixture[str], **changes: object) -> tuple[str, str]:
    """What is said when the rollout is so afterwards: output and errors."""
    tell_change(msgspec.json.encode(msgspec.structs.replace(FIXED, **changes)), FIXED)
    return tuple(capsys.readouterr())


def test_it_says_what_was_and_what_is(capsys: pytest.CaptureFixture[str]) -> None:
    """And who says so."""
    assert tell(capsys, percent=20.0, source="operator") == ("checkout: 5 % (file) -> 20 % (operator)\n", "")


def test_it_warns_where_the_environment_has_the_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    """Else an operator believes that 20 % are in force."""
    assert "has the last word" in tell(capsys, percent=0.0, source="switch")[1]


def test_it_warns_where_the_mode_keeps_the_candidate_from_answering(capsys: pytest.CaptureFixture[str]) -> None:
    """The percentage is set, and yet nobody gets there."""
    assert "the candidate answers nobody" in tell(capsys, percent=20.0, source="operator", mode="shadow")[1]


def test_it_warns_where_others_do_not_have_it_yet(capsys: pytest.CaptureFixture[str]) -> None:
    """In an emergency nobody reads first that a store that is away tells the others nothing."""
    said = "not stored yet, as the store can't be used: in force on this gateway alone"
    assert said in tell(capsys, percent=0.0, state="rolled_back", stored=False)[1]


def test_a_name_becomes_part_of_a_path_whatever_is_in_it() -> None:
    """It must not lead anywhere else."""
    assert path_of("a/../b?c") == "/api/v1/rollouts/a%2F..%2Fb%3Fc"
    assert path_of("\udcff") == "/api/v1/rollouts/%FF"


def test_what_was_not_said_is_not_sent() -> None:
    """So that an older gateway, which knows fewer fields, takes it; version 0 was said."""
    assert list_given({"reason": "", "version": None, "force": False}) == {}
    assert list_given({"reason": "go", "version": 0, "force": True}) == {"reason": "go", "version": 0, "force": True}


@pytest.mark.parametrize("percent", ["101", "x", "-1"])
def test_what_is_no_percentage_is_wrong_usage(percent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody is asked."""
    with pytest.raises(SystemExit) as ended:
        main(["set", "checkout", "--", percent])

    assert ended.value.code == 2
    assert "is not a percentage" in capsys.readouterr().err
