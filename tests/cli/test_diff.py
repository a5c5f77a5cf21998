"""`crossfade diff`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.diff import read_keys
from gateway.cli.main import main
from gateway.errors import CommandError
from tests.cli.configurations import SHOP, write


def run(capsys: pytest.CaptureFixture[str], *args: str | Path) -> str:
    """The output of a command that succeeds."""
    with pytest.raises(SystemExit) as ended:
        main(["diff", *map(str, args)])
    assert not ended.value.code
    return capsys.readouterr().out


def test_the_same_configuration_makes_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments and layout are not configuration."""
    old, new = write(tmp_path, SHOP, "old.yaml"), write(tmp_path, "# a comment\n" + SHOP, "new.yaml")

    assert run(capsys, old, new) == "no difference\n"


def test_a_change_says_what_it_does_to_routes_and_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Routes and backends by name, and how many of the made-up keys go where."""
    changed = SHOP.replace("percent: 5", "percent: 25").replace("name: rest", "name: others").replace("9002", "9003")
    old, new = write(tmp_path, SHOP, "old.yaml"), write(tmp_path, changed, "new.yaml")

    lines = run(capsys, old, new).splitlines()

    assert lines[:4] == [
        "route others added",
        "route rest removed",
        "backend new changed: endpoints",
        "rollout checkout changed: percent  (5 % -> 25 %)",
    ]
    assert lines[5].split() == ["candidate", "->", "baseline", "0", "0.00", "%"]
    assert lines[-1] == "counted over 10,000 generated keys; cohorts are not counted with"


@pytest.mark.parametrize(("percent", "row"), [("100", "stay on new"), ("0", "legacy -> new")])
def test_the_end_of_a_rollout_says_which_backend_answers(
    percent: str, row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The route has the new service alone: that moves nobody at 100 %, and everybody at 0 %."""
    old = write(tmp_path, SHOP.replace("percent: 5", f"percent: {percent}"), "old.yaml")
    head, tail = SHOP.split("rollouts:")
    tail = tail[tail.index("routes:") :].replace(
        "baseline: legacy\n    candidate: new\n    rollout: checkout", "backend: new"
    )
    new = write(tmp_path, head + tail.replace("    rewrite: {path: /v2/orders/**, arm: candidate}\n", ""), "new.yaml")

    assert run(capsys, old, new).splitlines() == [
        "route orders changed: baseline, candidate, rollout, rewrites, failover, breaker",
        f"    {row:<22}    10,000  100.00 %",
        "rollout checkout removed",
        "counted over 10,000 generated keys; cohorts are not counted with",
    ]


def test_other_keys_of_tokens_are_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who turns verifying on sees that it is more than nothing."""
    old = write(tmp_path, SHOP, "old.yaml")
    new = write(tmp_path, SHOP + "jwt: {jwks: 'https://id.example/keys'}\n", "new.yaml")

    assert run(capsys, old, new) == "jwt changed: jwks; which tokens are good can't be told from keys alone\n"


def test_copies_and_journals_are_part_of_a_route(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who turns on double writes sees it before it happens; no key moves for it."""
    changed = SHOP.replace(
        "    rollout: checkout", "    rollout: checkout\n    shadow: {methods: POST}\n    journal: {}"
    )
    old, new = write(tmp_path, SHOP, "old.yaml"), write(tmp_path, changed, "new.yaml")

    assert run(capsys, old, new) == "route orders changed: shadow, journal\n"


def test_keys_may_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs: the counts are over the keys of the file, and say so."""
    old = write(tmp_path, SHOP, "old.yaml")
    new = write(tmp_path, SHOP.replace("percent: 5", "percent: 0"), "new.yaml")
    keys = write(tmp_path, "user-4\nuser-1\n", "keys.txt")

    movement = json.loads(run(capsys, old, new, "--keys", keys, "--json"))

    assert (movement["keys"], movement["keys_from"]) == (2, str(keys))
    (shift,) = movement["rollouts"]
    assert (shift["to_baseline"], shift["stay_baseline"]) == (1, 1)


def test_a_reshuffle_is_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another salt leaves the share and changes the people."""
    old = write(tmp_path, SHOP, "old.yaml")
    new = write(tmp_path, SHOP.replace("percent: 5", "percent: 5\n    salt: other"), "new.yaml")

    assert "users are reshuffled: salt changed" in run(capsys, old, new)


def test_another_key_source_is_said_to_be_beyond_counting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The counts would show that nothing moves, which nobody should believe."""
    old = write(tmp_path, SHOP, "old.yaml")
    new = write(tmp_path, SHOP.replace("[header:X-User-ID, cookie:session]", "cookie:session"), "new.yaml")

    out = run(capsys, old, new)

    assert "users are reshuffled: key changed" in out
    assert "can't be told from keys alone" in out


def test_a_file_of_keys_may_be_untidy(tmp_path: Path) -> None:
    """Empty lines, white space and repeats don't count; a file that is not there is one line of complaint."""
    assert read_keys(write(tmp_path, "a\r\n\n  b \na\n", "keys.txt")) == [b"a", b"b"]
    with pytest.raises(CommandError, match="No such file"):
        read_keys(tmp_path / "none.txt")
