from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings.load import load_text

BACKENDS = "version: 1\nbackends: {legacy: http://127.0.0.1:9001, new: http://127.0.0.1:9002}\n"


def warnings_of(text: str) -> list[str]:
    """What `crossfade check` warns of: path and message."""
    return [f"{risk.path}: {risk.message}" for risk in load_text(BACKENDS + text, "gateway.yaml", {}, Path()).warnings]


def routes(*matches: str) -> str:
    """One route for each match; both backends are in use."""
    lines = [
        f"  - {{name: r{n}, match: {match}, backend: {'new' if n else 'legacy'}}}" for n, match in enumerate(matches)
    ]
    return "\n".join(["routes:", *lines, "  - {name: last, match: {path: /last, host: a}, backend: new}", ""])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/a"),
        ("/a/**", "/a/**"),
        ("/a/**", "/a"),
        ("/a/**", "/a/b/*"),
        ("/a/*", "'/a/{id}'"),
        ("'/a/{id}/**'", "{path: '/a/{x}/b', methods: GET}"),
        ("[/a, /b]", "[/b, /a]"),
    ],
)
def test_a_route_behind_one_that_takes_all_is_found(first: str, second: str) -> None:
    """Its requests never reach it: an earlier route without conditions has the same paths, or wider ones."""
    assert warnings_of(routes(first, second)) == ["routes.1: never serves: route `r0` before it takes all its requests"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/b"),
        ("/a/*", "/a"),
        ("/a", "[/a, /b]"),
        ("{path: /a, methods: GET}", "/a"),
        ("{path: /a, host: a}", "/a"),
        ("{path: /a, headers: {A: b}}", "/a"),
        ("/a/b", "/a/**"),
        ("/a/b", "/a/*"),
    ],
)
def test_a_route_that_can_serve_is_not_warned_of(first: str, second: str) -> None:
    """Conditions on the earlier route, or a path that it does not have, leave something for the later one."""
    assert warnings_of(routes(first, second)) == []


def test_what_no_route_uses_is_a_risk() -> None:
    """A backend or rollout without a route is more often a slip than a plan."""
    text = "rollouts: {fade: {key: client_ip}}\nroutes: [{name: a, match: /a, backend: legacy}]\n"

    assert warnings_of(text) == [
        "backends.new: no route uses this backend",
        "rollouts.fade: no route uses this rollout",
    ]


@pytest.mark.parametrize(
    ("store", "is_risky"),
    [
        ("sqlite:state.db", True),
        ("sqlite:/var/lib/state.db", False),
        ("sqlite:///var/state.db", False),
    ],
)
def test_a_relative_store_is_a_risk(store: str, is_risky: bool) -> None:
    """Where the state lies should not depend on where the gateway was started."""
    assert bool(warnings_of(routes("/a") + f"store: {store}\n")) is is_risky


def test_a_relative_certificate_of_the_store_is_a_risk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a file that is the store; an absolute path is found from everywhere."""
    (tmp_path / "ca.pem").touch()
    monkeypatch.chdir(tmp_path)
    store = f"store: rediss://db?ssl_ca_certs=ca.pem&ssl_certfile={tmp_path}/ca.pem\n"

    assert warnings_of(routes("/a") + store) == [
        "store: `ssl_ca_certs` is relative: it depends on the directory that the gateway is started in"
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("[rollback, stage]", ["notify.1: `notify.0` is the same `url` and hears of rollback already"]),
        ("[stage]", []),
    ],
)
def test_somebody_who_is_told_twice_is_a_risk(events: str, expected: list[str]) -> None:
    """The address has secrets in it and is not shown; for other kinds of events it may well be written again."""
    notify = f"notify: [{{url: 'json://s3cret@a'}}, {{url: 'json://s3cret@a', events: {events}}}]\n"

    assert warnings_of(routes("/a") + notify) == expected
