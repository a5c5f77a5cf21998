"""The commands that ask and drive a running gateway, as they are typed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.certificates import make_pair
from tests.e2e.configurations import split
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.servers import ROOT, Server


@pytest.fixture
def gateway(start_gateway: Start, nginx: Server) -> Gateway:
    """A running gateway, 30 % on the candidate."""
    return start_gateway(split(nginx, nginx, percent=30, workers=1))


def crossfade(gateway: Gateway, *args: str, admin: str = "") -> tuple[int, str, str]:
    """Status, output and errors of a command that is told where the gateway is."""
    command = [sys.executable, "-m", "gateway", *args, "--admin", admin or gateway.admin]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def ask(gateway: Gateway, *args: str) -> Any:
    """The JSON of a command that must succeed."""
    status, out, err = crossfade(gateway, *args, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_status_shows_the_gateway_to_people_and_to_programs(gateway: Gateway) -> None:
    """The latter get what the API says."""
    gateway.wait_until(lambda: ask(gateway, "status")["ready"])
    status, out, err = crossfade(gateway, "status")

    assert (status, err) == (0, "")
    told = [line.split()[:4] for line in out.splitlines() if "shop" in line]
    assert told[0] == ["shop", "running", "30", "%"]
    assert "not checked" in out
    assert ", ok" in out.splitlines()[1]
    told = ask(gateway, "status")
    assert told["rollouts"] == [{"name": "shop", "state": "running", "percent": 30.0, "version": 0}]
    processes = {"version", "revision", "uptime_s", "ready", "workers", "comparer", "tokens"}
    assert set(told) == {*processes, "backends", "store", "rollouts", "fleet", "degraded"}
    assert (told["fleet"], told["degraded"]) == (None, None)


def test_paths_shows_what_went_through(gateway: Gateway) -> None:
    """By arm, and nothing is lost between the two."""
    for number in range(40):
        gateway.get("/status/200", {"X-User-ID": f"user-{number}"})
    gateway.wait_until(lambda: requests_of(gateway) == 40)

    status, out, _ = crossfade(gateway, "paths", "all", "--window", "1m")
    assert status == 0
    assert out.splitlines()[1].split()[:3] == ["all", "/status/{id}", "baseline"]
    assert crossfade(gateway, "paths", "alll") == (1, "", "crossfade: there is no route `alll`; did you mean `all`?\n")
    assert "window" in crossfade(gateway, "paths", "--window", "7 fortnights")[2]


def requests_of(gateway: Gateway) -> int:
    """Of all paths and arms."""
    paths = ask(gateway, "paths")["items"]
    return sum(path[arm]["requests"] for path in paths for arm in ("baseline", "candidate") if path[arm])


def test_set_moves_users_until_unset(gateway: Gateway) -> None:
    """At once, in every worker, and the audit log says who and why."""
    status, out, _ = crossfade(gateway, "set", "shop", "100%", "--reason", "all of them")
    assert (status, out) == (0, "shop: 30 % (file) -> 100 % (operator)\n")
    assert explain(gateway)["arm"] == "candidate"

    assert crossfade(gateway, "unset", "shop")[1] == "shop: 100 % (operator) -> 30 % (file)\n"
    assert crossfade(gateway, "unset", "shop")[0] == 1

    events = ask(gateway, "events", "--rollout", "shop")["items"]
    assert [(event["kind"], event["reason"], event["to"]["percent"]) for event in events] == [
        ("percent", "all of them", 100),
        ("unset", "", 30),
    ]
    assert events[0]["actor"]["type"] == "operator"
    status, out, _ = crossfade(gateway, "events", "--limit", "1")
    assert (status, len(out.splitlines())) == (0, 2)


def explain(gateway: Gateway) -> Any:
    """What becomes of a user who is not among 30 %."""
    return ask(gateway, "explain", "GET", "/x", "-H", "X-User-ID: user-1")


def test_explain_asks_the_running_gateway(gateway: Gateway) -> None:
    """With the percentage that is in force there."""
    assert (explain(gateway)["arm"], explain(gateway)["percent"]) == ("baseline", 30)
    status, out, _ = crossfade(gateway, "explain", "GET", "/x", "-H", "X-User-ID: user-1")
    assert status == 0
    assert "arm       baseline" in out
    status, _, err = crossfade(gateway, "explain", "GET", "/a b")
    assert (status, err.count("\n")) == (1, 1)
    assert "url" in err


def test_an_unknown_rollout_is_told_with_the_nearest_name(gateway: Gateway) -> None:
    """One line, status 1."""
    status, out, err = crossfade(gateway, "set", "shpo", "5")

    assert (status, out) == (1, "")
    assert err == "crossfade: there is no rollout `shpo`; did you mean `shop`?\n"


def test_events_are_followed_through_an_outage(gateway: Gateway, tmp_path: Path) -> None:
    """Until interrupted, which is no failure."""
    out, err = tmp_path / "out", tmp_path / "err"
    command = [sys.executable, "-m", "gateway", "events", "--follow", "--json", "--admin", gateway.admin]
    with out.open("w") as stdout, err.open("w") as stderr:
        following = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=stderr)
        try:
            gateway.wait_until(lambda: '"config"' in out.read_text())
            (controller,) = gateway.pids("contr")
            subprocess.run(["kill", "-9", str(controller)], check=True)
            gateway.wait_until(lambda: gateway.is_ready() and controller not in gateway.pids("contr"))
            crossfade(gateway, "set", "shop", "40")
            gateway.wait_until(lambda: '"percent":40' in out.read_text())
            following.send_signal(signal.SIGINT)
            assert following.wait(30) == 0
        finally:
            following.kill()
            following.wait()

    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})


def test_a_token_is_asked_for_and_taken_from_the_environment(
    start_gateway: Start, nginx: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or from the command line."""
    text = split(nginx, nginx, workers=1).replace(
        "admin: {listen: 127.0.0.1:0}", "admin: {listen: 127.0.0.1:0, token: s3}"
    )
    gateway = start_gateway(text)

    assert crossfade(gateway, "status") == (
        1,
        "",
        "crossfade: the token is missing; give it with --token or CROSSFADE_ADMIN_TOKEN\n",
    )
    assert "the token is wrong" in crossfade(gateway, "status", "--token", "s4")[2]
    assert crossfade(gateway, "status", "--token", "s3")[0] == 0
    monkeypatch.setenv("CROSSFADE_ADMIN_TOKEN", "s3")
    assert crossfade(gateway, "status")[0] == 0


def test_an_api_behind_tls_is_asked_if_its_certificate_is_trusted(
    gateway: Gateway, start_gateway: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the authorities of the system, or those that OpenSSL is told; else one line says what is wrong with it."""
    pair = make_pair(tmp_path, "front")
    listen = f"{{address: 127.0.0.1:0, tls: {{cert: {pair.cert}, key: {pair.key}}}}}"
    front = start_gateway(
        f"version: 1\nserver: {{listen: [{listen}], workers: 1}}\nadmin: {{listen: 127.0.0.1:0}}\n"
        f"backends: {{api: {gateway.admin}}}\nroutes: [{{name: all, match: /**, backend: api}}]\n"
    )
    admin = f"https://127.0.0.1:{front.port}"

    status, _, err = crossfade(gateway, "set", "shop", "40", admin=admin)
    assert (status, err.count("\n")) == (1, 1)
    assert "its certificate is not trusted: self-signed certificate" in err
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    assert crossfade(gateway, "set", "shop", "40", admin=admin)[1] == "shop: 30 % (file) -> 40 % (operator)\n"
    assert crossfade(gateway, "status", admin=f"https://127.0.0.1:{gateway.admin_port}")[2].count("\n") == 1


def test_arguments_that_are_no_text_are_told_in_one_line(gateway: Gateway) -> None:
    """Whatever bytes a shell passes on."""
    for args in (["set", "\udcff", "5"], ["set", "shop", "5", "--reason", "\udcff"], ["paths", "\udcff"]):
        status, out, err = crossfade(gateway, *args)
        assert (status, out, err.count("\n")) == (1, "", 1), args


def test_explain_says_that_the_environment_allows_no_more(start_gateway: Start, nginx: Server) -> None:
    """An operator who asks for more is told so too."""
    gateway = start_gateway(split(nginx, nginx, percent=30, workers=1), {"CROSSFADE_PERCENT_SHOP": "1"})

    assert "1 % (CROSSFADE_PERCENT_* allows no more)" in explain(gateway)["why"]
    status, out, err = crossfade(gateway, "set", "shop", "90")
    assert (status, out) == (0, "shop: 1 % (switch) -> 1 % (switch)\n")
    assert "has the last word" in err
