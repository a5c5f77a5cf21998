"""What is said of keys that can't be what was meant, and of those that clients may choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings.load import Loaded, load_text
from tests.core.signing import make_key, publish, secret_key

ROUTES = """\
rollouts: {fade: {key: [header:X-User-ID, jwt:sub]}}
routes:
  - {name: a, match: /a, baseline: legacy, candidate: new, rollout: fade}
  - {name: b, match: /b, baseline: legacy, candidate: new, rollout: {key: jwt:sub}}
"""


def load(jwt: str, folder: Path = Path()) -> Loaded:
    """A configuration whose keys are tokens' claims."""
    backends = "backends: {legacy: http://127.0.0.1:9001, new: http://127.0.0.1:9002}\n"
    return load_text(f"version: 1\n{jwt}\n{backends}{ROUTES}", "gateway.yaml", {}, folder)


def warnings_of(jwt: str) -> list[str]:
    """What `crossfade check` warns of: path and message."""
    return [f"{risk.path}: {risk.message}" for risk in load(jwt).warnings]


def test_an_unverified_token_is_a_risk() -> None:
    """Whoever can write a token can choose their key."""
    message = "`jwt:` reads the token unverified: a client may choose its own key"

    assert warnings_of("") == [f"rollouts.fade.key.1: {message}", f"routes.1.rollout.key: {message}"]


@pytest.mark.parametrize(
    ("url", "is_risky"),
    [
        ("https://id.example/keys", False),
        ("http://localhost:8080/keys", False),
        ("http://127.0.0.1/keys", False),
        ("http://[::1]/keys", False),
        ("http://10.0.0.1/keys", True),
        ("http://id.example/keys", True),
    ],
)
def test_keys_that_come_in_the_clear_are_a_risk(url: str, is_risky: bool) -> None:
    """Whoever is on the way could send others; on the machine itself nobody is."""
    warnings = warnings_of(f'jwt: {{jwks: "{url}"}}')

    assert warnings == (["jwt.jwks: " + RISK] if is_risky else [])


RISK = "is asked in the clear: whoever is on the way chooses the keys; use https://"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"{}", 'is not a JWK Set; write {"keys": [{"kty": …}, …]} (RFC 7517)'),
        (publish(secret_key()), "its key 0 (kid 'secret') is symmetric (kty `oct`): whoever has it can sign; "),
        (publish(make_key("EdDSA")), "has no key that verifies ES256, RS256"),
    ],
)
def test_a_file_that_verifies_nothing_is_an_error(tmp_path: Path, content: bytes, fault: str) -> None:
    """At its line, and beside whatever else is wrong."""
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load("server: {workers: 0}\njwt:\n  jwks: keys.json\n  algorithms: [ES256, RS256]", tmp_path)

    assert caught.value.lines()[1].startswith(f"gateway.yaml:4:9: jwt.jwks: {fault}")


def test_a_file_of_keys_is_no_risk(tmp_path: Path) -> None:
    """Tokens are verified then: nothing is left to warn of."""
    (tmp_path / "keys.json").write_bytes(publish(make_key(), secret_key()))

    assert load("jwt: {jwks: keys.json, algorithms: [ES256, HS256]}", tmp_path).warnings == []


@pytest.mark.parametrize("content", [None, b"{", publish(make_key())])
def test_a_recovery_does_not_need_the_file(tmp_path: Path, content: bytes | None) -> None:
    """The text was good before, and somebody remembers the keys: those that are there count all the same."""
    if content is not None:
        (tmp_path / "keys.json").write_bytes(content)
    text = "version: 1\njwt: {jwks: keys.json}\nbackends: {a: http://a}\nroutes: [{name: a, match: /**, backend: a}]\n"
    jwt = load_text(text, "gateway.yaml", {}, tmp_path, is_recovery=True).config.jwt

    assert jwt is not None
    assert len(jwt.read_keys()) == (content is not None and content != b"{")
