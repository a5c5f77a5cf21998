from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.types import Endpoint, KeyKind, KeySource
from gateway.settings import names


def test_the_nearest_name_is_suggested() -> None:
    """A slip of the finger finds its word, whatever its case; something else finds none."""
    assert names.suggest("chekout", ["checkout", "search"]) == "; did you mean `checkout`?"
    assert names.suggest("Checkout", ["CheckOut"]) == "; did you mean `CheckOut`?"
    assert names.suggest("zebra", ["checkout"]) == ""


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True))
def test_names_are_kept_as_they_are(name: str) -> None:
    """What fits a header and a label is a name."""
    assert names.check_name(name) == name


@given(st.text().filter(lambda text: not text.isascii() or not text or " " in text))
def test_other_names_are_refused(name: str) -> None:
    """Blanks, letters beyond ASCII and nothing at all would break headers and labels."""
    with pytest.raises(ValueError, match="name"):
        names.check_name(name)


@given(st.text(), st.text(alphabet="\r\n\0", min_size=1), st.text())
def test_no_header_value_splits_a_message(before: str, control: str, after: str) -> None:
    """CR, LF and NUL never get into a header, wherever they stand."""
    with pytest.raises(ValueError, match="header's value"):
        names.check_header_value(before + control + after)


def test_a_header_value_loses_its_outer_blanks() -> None:
    """White space around a value is no part of it (RFC 9110, section 5.5)."""
    assert names.check_header_value(" a b ") == "a b"


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\n"])
def test_a_header_name_is_a_token(name: str) -> None:
    """Colons, blanks and line breaks are no part of a header's name."""
    with pytest.raises(ValueError, match="header's name"):
        names.check_header_name(name)


@pytest.mark.parametrize("host", ["example.com", "*.example.com", "127.0.0.1", "[::1]", "EXAMPLE.com", "a_b"])
def test_hosts_are_lower_case(host: str) -> None:
    """Names, addresses and whole subtrees are hosts."""
    assert names.check_host(host) == host.lower()


@pytest.mark.parametrize(
    "host", ["", "*", "a:80", "http://a", "a*.b", "*.*.a", "-a", "a..b", "[1.2.3.4]", "a b", "x" * 254]
)
def test_other_hosts_are_refused(host: str) -> None:
    """Ports, schemes and stars elsewhere are no part of a host."""
    with pytest.raises(ValueError, match="host"):
        names.check_host(host)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("0.0.0.0:8080", "0.0.0.0", 8080), ("[::1]:0", "::1", 0), ("localhost:65535", "localhost", 65535)],
)
def test_an_address_knows_its_parts(text: str, host: str, port: int) -> None:
    """The parts are apart, and the whole is still what was written."""
    address = names.Address(text)

    assert (address, address.host, address.port) == (text, host, port)


@pytest.mark.parametrize("text", ["", ":80", "a", "a:", "a:65536", "a:-1", "::1:80", "[::1]", "a:b", "a b:1", "[a]:1"])
def test_other_addresses_are_refused(text: str) -> None:
    """Host and port are both required, and IPv6 stands in brackets."""
    with pytest.raises(ValueError, match="host:port"):
        names.Address(text)


def test_loopback_is_known_in_all_its_forms() -> None:
    """Only these can't be reached from outside."""
    inside = [names.Address(text) for text in ("127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1")]
    outside = [names.Address(text) for text in ("0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1")]

    assert [address.is_loopback for address in inside + outside] == [True] * 4 + [False] * 4


def test_networks_are_in_one_form() -> None:
    """A bare address is a network of one."""
    assert [names.check_network(text) for text in ("10.0.0.0/8", "10.0.0.1", "::1")] == [
        "10.0.0.0/8",
        "10.0.0.1/32",
        "::1/128",
    ]


def test_bits_behind_the_prefix_are_refused() -> None:
    """10.0.0.1/8 is a mistake of either half."""
    with pytest.raises(ValueError, match="zero"):
        names.check_network("10.0.0.1/8")


def test_an_endpoint_is_taken_apart() -> None:
    """Port and TLS follow from the scheme unless written."""
    assert names.parse_endpoint("https://new.internal/") == Endpoint(
        "https://new.internal", "new.internal", 443, tls=True
    )
    assert names.parse_endpoint("http://[::1]:81") == Endpoint("http://[::1]:81", "::1", 81)


@pytest.mark.parametrize(
    "url", ["", "a", "a:80", "ftp://a", "http://", "http://a/b", "http://a?b", "http://a/#", "http://u:p@a", "http://a:0",
            "http://a:99999", "http://a b", "http://[::1", "http://a\nb"]
)  # fmt: skip
def test_other_urls_are_no_endpoints(url: str) -> None:
    """Paths, users, other schemes and broken hosts are refused."""
    with pytest.raises(ValueError):
        names.parse_endpoint(url)


@pytest.mark.parametrize("pattern", ["/", "/**", "/a/{id}/*/**", "/a//b/", "/a.b", "/ä"])
def test_patterns_are_kept_as_written(pattern: str) -> None:
    """All that segments may be made of."""
    assert names.check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    ["", "a", "/**/a", "/a*", "/{a}/{a}", "/{1}", "/{}", "/{a", "/a}", "/x{a}", "/a?b", "/a#b", "/a b", "/./a", "/.."],
)
def test_other_patterns_are_refused(pattern: str) -> None:
    """What could never match, or would match something else than meant."""
    with pytest.raises(ValueError):
        names.check_pattern(pattern)


def test_key_sources_are_parsed() -> None:
    """A kind, and for all but the client's address a name, which may hold colons itself."""
    assert names.parse_source("header:X-User-ID") == KeySource(KeyKind.HEADER, "X-User-ID")
    assert names.parse_source("client_ip") == KeySource(KeyKind.CLIENT_IP)
    assert names.parse_source("jwt:https://a/b") == KeySource(KeyKind.JWT, "https://a/b")
    assert names.parse_alternative("header:A+cookie:b") == (
        KeySource(KeyKind.HEADER, "A"),
        KeySource(KeyKind.COOKIE, "b"),
    )


@pytest.mark.parametrize(
    "source",
    ["", "user", "header", "header:", "header:a b", "client_ip:x", "client_ip:", "path:1", "query:", "a+", "+"],
)
def test_other_sources_are_refused(source: str) -> None:
    """A source of no kind, or without the name that it needs."""
    with pytest.raises(ValueError):
        names.parse_alternative(source)
