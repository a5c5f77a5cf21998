"""`crossfade explain`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.explain import draw_explanation
from gateway.cli.main import main
from gateway.core.explanation import Explanation
from tests.cli.configurations import SHOP, write
from tests.core.signing import make_key, publish, sign

INSIDE = "X-User-ID: user-4"  # at bucket 1.8
OUTSIDE = "X-User-ID: user-1"  # at bucket 81.5


@pytest.fixture
def config(tmp_path: Path) -> str:
    """The shop's configuration."""
    return str(write(tmp_path, SHOP))


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Status, output and errors of one command."""
    with pytest.raises(SystemExit) as ended:
        main(["explain", *args])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_it_tells_people_every_figure_and_why(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An aligned table, and a sentence below it."""
    status, out, _ = run(capsys, "-c", config, "GET", "/api/orders/81?page=2", "-H", INSIDE)

    assert status == 0
    assert out.splitlines() == [
        "route     orders  (/api/orders/**)",
        "path      /api/orders/{id}",
        "rollout   checkout",
        "key       user-4  (header:X-User-ID)",
        "bucket    1.8155",
        "percent   5",
        "arm       candidate",
        "backend   new",
        "sent as   /v2/orders/81",
        "reason    split",
        "",
        "The key's bucket 1.8155 is below 5 %, so the candidate answers.",
    ]


def test_it_tells_programs_the_same(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The fields of the admin API's ``explain``."""
    _, out, _ = run(capsys, "-c", config, "--json", "GET", "/api/orders/81", "-H", OUTSIDE)

    answer = json.loads(out)
    assert (answer["route"], answer["rollout"], answer["key"]) == ("orders", "checkout", "user-1")
    assert (answer["key_source"], answer["percent"]) == ("header:X-User-ID", 5)
    assert (answer["arm"], answer["backend"], answer["reason"]) == ("baseline", "legacy", "split")


def test_a_whole_url_brings_its_host(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For routes that name hosts; a Host header of one's own comes before it."""
    assert "rest" in run(capsys, "-c", config, "GET", "http://shop.example.com/caf%C3%A9")[1]
    assert "rest" in run(capsys, "-c", config, "GET", "/x", "-H", "Host: shop.example.com")[1]


def test_a_request_that_is_refused_is_a_failure_in_one_line(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the status that a client would get."""
    assert run(capsys, "-c", config, "GET", "/nowhere") == (
        1,
        "",
        "crossfade: 404 Not Found: no route matches this request\n",
    )
    for method, url in (("GET", "/a/../.."), ("GET", "/a b"), ("get", "/")):
        assert run(capsys, "-c", config, method, url)[2].startswith("crossfade: 400 Bad Request: ")


def test_a_key_that_is_no_plain_text_is_shown_and_not_obeyed() -> None:
    """A token's subject may hold anything, also what would clear a screen."""
    key = "\x1b[2J"
    lines = draw_explanation(
        Explanation(
            "a", "/**", "/", "r", key, "jwt:sub", 1.0, 5.0, "candidate", "new", None, "split", f"Because {key}."
        )
    )

    assert r"key       \x1b[2J  (jwt:sub)" in lines
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("whom", "words"),
    [((), "say whom to ask"), (("-c", "gateway.yaml", "--admin", "http://127.0.0.1:1"), "are both given")],
)
def test_one_of_a_file_and_a_gateway_is_asked(
    whom: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither or both is wrong usage, and it says which."""
    status, _, err = run(capsys, *whom, "GET", "/")

    assert status == 2
    assert words in err
    assert "-c FILE" in err
    assert "--admin URL" in err


@pytest.mark.parametrize("header", ["X-User-ID", ": 7", "X-A: 1\r\nX-B: 2"])
def test_what_is_no_header_is_wrong_usage(config: str, header: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and the header in question."""
    status, _, err = run(capsys, "-c", config, "GET", "/", "-H", header)

    assert status == 2
    assert "is not 'Name: value'" in err


def test_the_connections_address_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind a trusted proxy the client is whom it names; from anywhere else the peer itself."""
    config = str(write(tmp_path, SHOP.replace("[header:X-User-ID, cookie:session]", "client_ip")))
    told = ("-c", config, "GET", "/api/orders/1", "-H", "X-Forwarded-For: 198.51.100.7")

    assert "198.51.100.7  (client_ip)" in run(capsys, *told)[1]
    assert "203.0.113.9  (client_ip)" in run(capsys, *told, "--client-ip", "203.0.113.9")[1]


def test_what_is_no_address_is_wrong_usage(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody connects from it; a file would otherwise take it for a key."""
    status, _, err = run(capsys, "-c", config, "GET", "/", "--client-ip", "nobody")

    assert status == 2
    assert "'nobody' is not an IP address" in err


@pytest.mark.parametrize(
    ("start", "cohort", "found"),
    [
        ("manual", "friends", ("pending", 0)),
        ("auto", "friends", ("cohort:friends", 5)),
        ("auto", "others", ("split", 5)),
    ],
)
def test_a_plan_is_explained_as_it_begins(
    start: str, cohort: str, found: tuple[str, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that starts by itself is in its first stage, with that stage's cohorts, as in a gateway."""
    plan = f"""start: {start}
    cohorts:
      - {{name: friends, arm: candidate, when: {{header:X-Tenant-ID: acme}}}}
      - {{name: others, arm: candidate, when: {{header:X-Tenant-ID: initech}}}}
    stages: [{{percent: 5, hold: 1m, cohorts: {cohort}}}]"""
    config = str(write(tmp_path, SHOP.replace("percent: 5", plan)))

    _, out, _ = run(capsys, "-c", config, "--json", "GET", "/api/orders/1", "-H", INSIDE, "-H", "X-Tenant-ID: acme")
    answer = json.loads(out)
    assert (answer["reason"], answer["percent"]) == found


def test_under_a_kill_switch_nobody_has_the_candidate(
    config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share is the one in force, not the file's."""
    monkeypatch.setenv("CROSSFADE_ROLLBACK", "all")

    answer = json.loads(run(capsys, "-c", config, "--json", "GET", "/api/orders/1", "-H", INSIDE)[1])
    assert (answer["reason"], answer["percent"], answer["arm"]) == ("kill_switch", 0, "baseline")


BY_TOKEN = SHOP.replace("header:X-User-ID", "jwt:sub")


def test_a_file_of_keys_verifies_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A forged one is no key, and it is said why; the token is never shown."""
    (tmp_path / "keys.json").write_bytes(publish(make_key()))
    config = str(write(tmp_path, BY_TOKEN + "jwt: {jwks: keys.json}\n"))
    said = {}
    for name, token in {"good": sign({"sub": "ann"}), "forged": sign({"sub": "ann"}, key=make_key(kid="x"))}.items():
        header = f"Authorization: Bearer {token.decode()}"
        _, said[name], _ = run(capsys, "-c", config, "GET", "/api/orders/1", "-H", header)
        assert token.decode() not in said[name]

    assert "key       ann  (jwt:sub)\ntoken     good\n" in said["good"]
    assert "token     with a wrong signature\n" in said["forged"]
    assert "ann" not in said["forged"]


def test_a_url_of_keys_is_not_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be told without keys is told, and what can't is said."""
    config = str(write(tmp_path, BY_TOKEN + "jwt: {jwks: 'https://id.invalid/keys'}\n"))

    def explain(token: bytes) -> str:
        return run(capsys, "-c", config, "GET", "/api/orders/1", "-H", f"Authorization: Bearer {token.decode()}")[1]

    assert "token     good, but its signature is not checked here\n" in explain(sign({"sub": "ann"}))
    assert "token     expired\n" in explain(sign({"sub": "ann", "exp": 1}))
    assert "token" not in run(capsys, "-c", config, "GET", "/api/orders/1")[1]
