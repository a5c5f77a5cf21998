"""Where keys come from, and what is taken for absent."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.addresses import TrustedNetworks
from gateway.core.keys import compile_chain, compile_source, read_claim
from tests.core.asking import ask, chain, source

PROXIES = TrustedNetworks(["127.0.0.0/8"])


def read(text: str, target: str, *fields: str, peer: str = "203.0.113.9", **captures: bytes) -> bytes | None:
    """The value of one source."""
    return compile_source(source(text), PROXIES)(ask(target, *fields), captures, peer) or None


def token(claims: object) -> str:
    """A bearer token with these claims; nobody looks at its signature."""
    payload = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"Authorization: Bearer eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl"


def test_a_header_is_read_as_received() -> None:
    """Names don't know letter case, of repeats the first counts, outer white space is off."""
    assert read("header:X-User-ID", "/", "x-user-id:  Ann B \t", "X-User-ID: second") == b"Ann B"
    assert read("header:X-User-ID", "/", "X-User-ID:   ") is None
    assert read("header:X-User-ID", "/", "X-User-ID-2: no") is None


@pytest.mark.parametrize(
    ("cookies", "value"),
    [
        ("session=abc", b"abc"),
        ("a=1; session=abc; b=2", b"abc"),
        ("a=1;session=abc", b"abc"),
        ("session=first; session=second", b"first"),
        ('session="quoted"', b'"quoted"'),
        ("session=a=b", b"a=b"),
        ("mysession=no; session=yes", b"yes"),
        ("a=x session=no; session=yes", b"yes"),
        ("Session=no", None),
        ("session=; session=late", None),
        ("session", None),
        (";;; =; ", None),
    ],
)
def test_a_cookie_is_found_by_its_whole_name(cookies: str, value: bytes | None) -> None:
    """Letter case counts, of repeats the first counts, quotes stay, and an empty one is absent."""
    assert read("cookie:session", "/", f"Cookie: {cookies}") == value


def test_a_cookie_is_found_in_a_second_field() -> None:
    """One Cookie field is the rule (RFC 6265, section 5.4); proxies that send several are understood."""
    assert read("cookie:session", "/", "Cookie: a=1", "Cookie: session=abc") == b"abc"
    assert read("cookie:session", "/") is None


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("/?user=7", b"7"),
        ("/?a=1&user=7&user=8", b"7"),
        ("/?%75ser=7", b"7"),
        ("/?user=a%20b+c", b"a%20b+c"),
        ("/?user=&user=8", None),
        ("/?user", None),
        ("/?xuser=7", None),
        ("/", None),
    ],
)
def test_a_query_parameter_is_found_by_its_decoded_name(target: str, value: bytes | None) -> None:
    """The name is compared form-decoded, the value is as received; of repeats the first counts."""
    assert read("query:user", target) == value


def test_a_name_with_a_space_is_found_as_a_form_sends_it() -> None:
    """``+`` and ``%20`` are a space in a name."""
    assert read("query:user id", "/?user+id=7") == read("query:user id", "/?user%20id=7") == b"7"


def test_a_capture_is_a_key() -> None:
    """``path:tenant`` is what ``{tenant}`` stands for."""
    assert read("path:tenant", "/acme/x", tenant=b"acme") == b"acme"
    assert read("path:tenant", "/acme/x") is None


@pytest.mark.parametrize(
    ("claims", "claim", "value"),
    [
        ({"sub": "ann"}, "sub", b"ann"),
        ({"sub": "  "}, "sub", None),
        ({"sub": 12345678901234567890}, "sub", b"12345678901234567890"),
        ({"sub": 1.0}, "sub", b"1.0"),
        ({"sub": "caf\u00e9"}, "sub", "caf\u00e9".encode()),
        ({"org": {"id": "x"}}, "org.id", b"x"),
        ({"org.id": "flat", "org": {"id": "deep"}}, "org.id", b"flat"),
        ({"org": "no object"}, "org.id", None),
        ({"sub": True}, "sub", None),
        ({"sub": None}, "sub", None),
        ({"sub": ["ann"]}, "sub", None),
        ({"sub": "\ud800"}, "sub", None),
        (["sub"], "sub", None),
        ({}, "sub", None),
    ],
)
def test_a_claim_is_a_string_or_a_number(claims: object, claim: str, value: bytes | None) -> None:
    """Numbers are taken as they are written; a name with dots is looked for whole first, then inside."""
    assert read(f"jwt:{claim}", "/", token(claims)) == value


def test_only_a_bearer_token_is_read() -> None:
    """The scheme's letter case does not count (RFC 9110, section 11.1); other schemes are no token."""
    bearer = token({"sub": "ann"})

    assert read("jwt:sub", "/", bearer.replace("Bearer", "bearer")) == b"ann"
    assert read("jwt:sub", "/", bearer.replace("Bearer", "Basic ")) is None
    assert read("jwt:sub", "/") is None


@given(st.binary(max_size=80))
def test_no_token_can_raise(payload: bytes) -> None:
    """Whatever a client sends as a token is a claim or nothing."""
    for part in (payload, urlsafe_b64encode(payload), urlsafe_b64encode(b'{"sub":' + payload + b"}")):
        value = read_claim(b"e30." + part + b".x", "sub")

        assert value is None or isinstance(value, bytes)


def test_a_token_of_brackets_is_nothing() -> None:
    """Nesting that would exhaust a parser is as if there were no token."""
    for deep in (b'{"sub":' * 5000, b'{"a":' + b"[" * 100_000):
        assert read_claim(b"e30." + urlsafe_b64encode(deep) + b".x", "sub") is None


def test_the_clients_address_comes_from_the_trusted_proxies_list() -> None:
    """Repeated X-Forwarded-For fields are one list; without a trusted peer the peer is the client."""
    lists = ("X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 198.51.100.7")

    assert read("client_ip", "/", *lists, peer="127.0.0.1") == b"198.51.100.7"
    assert read("client_ip", "/", *lists, peer="203.0.113.9") == b"203.0.113.9"
    assert read("client_ip", "/", peer="127.0.0.1") == b"127.0.0.1"


def test_the_first_source_that_is_present_gives_the_key() -> None:
    """Sources are tried in order, and the key says which one it came from."""
    read_key = compile_chain(chain("header:X-User-ID", "cookie:session", "query:u"), PROXIES)

    assert read_key(ask("/?u=q", "Cookie: session=c"), {}, "") == (b"c", "cookie:session")
    assert read_key(ask("/?u=q", "X-User-ID: ", "Cookie: x=y"), {}, "") == (b"q", "query:u")
    assert read_key(ask("/"), {}, "") is None


def test_joint_sources_are_both_required() -> None:
    """``a+b`` is both values with ``|`` between, or nothing."""
    read_key = compile_chain(chain("header:X-Tenant+header:X-User", "header:X-User"), PROXIES)

    assert read_key(ask("/", "X-Tenant: t", "X-User: u"), {}, "") == (b"t|u", "header:X-Tenant+header:X-User")
    assert read_key(ask("/", "X-User: u"), {}, "") == (b"u", "header:X-User")


def test_a_token_that_is_not_believed_is_absent() -> None:
    """The next source is asked; a request without a token is not even looked at."""
    asked: list[bytes] = []

    def believe(text: bytes) -> bool:
        asked.append(text)
        return text == b"good.eyJzdWIiOiJhbm4ifQ.x"

    read_key = compile_chain(chain("jwt:sub", "header:X-User-ID"), PROXIES, believe)

    assert read_key(ask("/", "Authorization: bearer good.eyJzdWIiOiJhbm4ifQ.x"), {}, "") == (b"ann", "jwt:sub")
    assert read_key(ask("/", token({"sub": "ann"}), "X-User-ID: 7"), {}, "") == (b"7", "header:X-User-ID")
    assert read_key(ask("/", token({"sub": "ann"})), {}, "") is None
    assert read_key(ask("/", "X-User-ID: 7"), {}, "") == (b"7", "header:X-User-ID")
    assert len(asked) == 3
