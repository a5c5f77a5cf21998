"""Who is let in, and who is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.admin.guard import is_loopback, refusal

PATH = "/api/v1/config"


def status(method: str, path: str, token: str = "", **headers: str) -> int:
    """The status of the refusal; 200 for none."""
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    refused = refusal(method, path, named, token)
    return refused.status if refused else 200


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer secret", 200),
        ("bearer secret", 200),
        ("Bearer  secret ", 200),
        ("Bearer Secret", 401),
        ("Bearer secret2", 401),
        ("Bearer ", 401),
        ("Basic secret", 401),
        ("secret", 401),
        ("", 401),
        ("Bearer sécret", 401),
        ("Bearer secret\udcff", 401),
        ("\udcff", 401),
    ],
)
def test_a_token_lets_in_who_shows_it(authorization: str, expected: int) -> None:
    """Exactly the token, with the scheme in any case (RFC 9110, section 11.1)."""
    assert status("GET", PATH, "secret", Authorization=authorization, Host="gateway.example") == expected


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_no_other_token_is_taken_for_ours(shown: str) -> None:
    """Nothing but the token opens, and nothing makes the check fail."""
    expected = 200 if shown.strip() == "secret" else 401

    assert status("GET", PATH, "secret", Authorization=f"Bearer {shown}") == expected


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_nothing(path: str) -> None:
    """An orchestrator asks with the pod's address as Host, and without a token."""
    assert status("GET", path, "secret", Host="10.0.0.7:9900") == 200
    assert status("HEAD", path, "", Host="10.0.0.7:9900") == 200


@pytest.mark.parametrize("host", ["127.0.0.1:9900", "localhost", "LOCALHOST:9900", "[::1]:9900", "127.8.8.8"])
def test_without_a_token_this_machine_may_ask(host: str) -> None:
    """The names that only this machine has."""
    assert status("GET", PATH, Host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:9900", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1", "localhost.evil.example", "0.0.0.0:9900"],
)
def test_without_a_token_no_other_name_is_taken_for_this_machine(host: str) -> None:
    """A page whose name was pointed at 127.0.0.1 is shut out (DNS rebinding)."""
    assert status("GET", PATH, Host=host) == 403


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "http://localhost:9900"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[broken"}, 403),
    ],
)
def test_a_page_of_another_site_changes_nothing(headers: dict[str, str], expected: int) -> None:
    """Its visitor's browser marks the request; curl and our own commands mark nothing."""
    assert status("POST", "/api/v1/config/reload", Host="localhost:9900", **headers) == expected


def test_a_read_is_not_a_write() -> None:
    """Following a link to the dashboard from somewhere else is fine."""
    assert status("GET", PATH, Host="localhost:9900", Sec_Fetch_Site="cross-site") == 200


@given(st.text())
def test_any_host_is_judged(host: str) -> None:
    """A hostile header is refused, never an error."""
    assert is_loopback(host) in {True, False}
