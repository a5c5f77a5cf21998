"""A configuration is shown without its secrets."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.redaction import STRUCK, is_secret, strike_refused, strike_secrets

WRITTEN = """\
version: 1
# Ünïcode before it: 🚀
admin: {token: hunter2, listen: "127.0.0.1:0"}   # a comment stays
server:
  override:
    from: 10.0.0.1
    token: "hunter2 in quotes"
notify:
  - url: slack://hunter2/b/c
    events: [rollback]
  - {url: "${SLACK_URL}"}
backends: {secret: http://127.0.0.1:1, new: http://127.0.0.1:2}
rollouts:
  shop:
    key: client_ip
    gates: [{webhook: http://ci/approve, secret: hunter2}]
routes:
  - name: shop
    match: /shop/{id}
    rewrite: {headers: {set: {Authorization: Bearer hunter2, X-Plain: plain}}}
telemetry: {otlp: "http://user:hunter2@collector:4318"}
"""


@pytest.mark.parametrize(
    ("url", "is_hidden"),
    [
        ("redis://ann:hunter2@db", True),
        ("redis+sentinel://a,b/main?sentinel_password=hunter2", True),
        ("redis://db/1?prefix=shop", False),
        ("sqlite:/var/state@home.db", False),
    ],
)
def test_a_store_is_shown_unless_its_url_has_a_password(url: str, is_hidden: bool) -> None:
    """Wherever in the URL that is."""
    assert (strike_secrets(f"store: {url}\n") == f"store: {STRUCK}\n") is is_hidden


def test_what_is_secret_is_struck_out_and_the_rest_stays() -> None:
    """Comments, order and line numbers as they were; names that only look like a secret are shown."""
    shown = strike_secrets(WRITTEN)

    assert "hunter2" not in shown
    assert shown.count(STRUCK) == 6
    assert [line.split(STRUCK)[0] for line in shown.splitlines()] == [
        line if STRUCK not in other else other.split(STRUCK)[0]
        for line, other in zip(WRITTEN.splitlines(), shown.splitlines(), strict=True)
    ]
    assert 'admin: {token: "***", listen: "127.0.0.1:0"}   # a comment stays' in shown
    assert "X-Plain: plain" in shown
    assert "secret: http://127.0.0.1:1" in shown
    assert yaml.safe_load(shown)["notify"][0] == {"url": "***", "events": ["rollback"]}


@pytest.mark.parametrize("written", ["${TOKEN}", '"${TOKEN}"', "${TOKEN:-}", '""', "'${TOKEN}'"])
def test_what_comes_from_the_environment_is_shown_as_it_is_written(written: str) -> None:
    """It says where the secret is, not what it is."""
    text = f"admin: {{token: {written}}}\n"

    assert strike_secrets(text) == text


@pytest.mark.parametrize("written", ["${TOKEN:-hunter2}", "x${TOKEN}", "'a''b'"])
def test_a_reference_with_a_secret_beside_it_is_struck_out(written: str) -> None:
    """A default is a value like another."""
    assert strike_secrets(f"admin: {{token: {written}}}\n") == 'admin: {token: "***"}\n'


@pytest.mark.parametrize(
    "text",
    [
        "admin:\n  token: |\n    hunter2\n    more\n  listen: x\n",
        "admin:\n  token: hunter2\n    more\n  listen: x\n",
        "admin: {token: 'hunter2\n    more',\n  listen: x}\n",
        "rollouts: {a: {salt: &t hunter2}}\nadmin:\n  token: *t\n  listen: x\n",
    ],
)
def test_a_secret_of_several_lines_keeps_their_number(text: str) -> None:
    """So that problems are still found by their line; one that is an alias is struck out where it is written."""
    shown = strike_secrets(text)

    assert "hunter2" not in shown
    assert "more" not in shown
    assert [at for at, line in enumerate(shown.splitlines()) if "listen" in line] == [
        at for at, line in enumerate(text.splitlines()) if "listen" in line
    ]


@given(st.text(min_size=1))
def test_no_token_is_ever_shown(token: str) -> None:
    """However it is written."""
    text = yaml.safe_dump({"admin": {"token": "%" + token, "metrics": "open"}}, allow_unicode=True)
    shown = yaml.safe_load(strike_secrets(text))

    assert shown == {"admin": {"token": "***", "metrics": "open"}}


def test_text_that_is_no_yaml_is_not_shown_at_all() -> None:
    """What can't be read can't be cleaned."""
    assert strike_secrets("admin: {token: hunter2") == ""


def test_only_what_signs_or_lets_in_is_a_secret() -> None:
    """Something may be named so."""
    assert not is_secret(("backends", "secret"), "http://a")
    assert is_secret(("routes", "rollout", "gates", "secret"), "x")


def test_a_refused_text_hides_what_a_valid_one_hides() -> None:
    """And what it shows has the same line numbers."""
    shown = strike_refused(WRITTEN)

    assert "hunter2" not in shown
    assert shown.count("\n") == WRITTEN.count("\n")
    assert "key: client_ip" in shown


@pytest.mark.parametrize(
    "written",
    [
        "admin: {tokn: hunter2}",
        "admin: {Token: hunter2}",
        "notfy: [{url: json://hunter2}]",
        "rollouts: {shop: {gates: [{webhook: http://ci, secrte: hunter2}]}}",
        "routes: [{headers: {Authorisation: hunter2}}]",
    ],
)
def test_of_a_refused_text_secrets_under_mistyped_names_are_hidden(written: str) -> None:
    """A mistyped name is why many a text is refused."""
    assert "hunter2" not in strike_refused(f"version: 1\n{written}\n")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('version: 1\nadmin: {token: "hunter2\nother: 1\n', "version: 1\nadmin: {token"),
        ("version: 1\nserver: {listen: x}\n\tb: hunter2\n", "version: 1\nserver: {listen: x}"),
        ("a: [1, 2\nb: {token: hunter2\n", "a: [1, 2\nb"),
        ("", ""),
    ],
)
def test_a_text_that_is_no_yaml_is_shown_up_to_there(written: str, shown: str) -> None:
    """What can't be read may be a secret."""
    assert strike_refused(written) == shown


@given(st.text(max_size=200))
def test_any_text_may_be_refused(text: str) -> None:
    """Whatever is in the file, asking for the configuration goes well."""
    assert isinstance(strike_refused(text), str)
