"""Requests that nobody sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.enquiry import NO_HOST, build_request, find_fault
from gateway.errors import BadRequest, ProxyError


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("/orders/81", NO_HOST, "/orders/81"),
        ("/orders?x=1&y=%20", NO_HOST, "/orders?x=1&y=%20"),
        ("http://shop.example/orders", "shop.example", "/orders"),
        ("HTTPS://Shop.example:8443", "Shop.example:8443", "/"),
        ("http://shop.example?x=1", "shop.example", "/?x=1"),
        ("http://someone:secret@shop.example/", "shop.example", "/"),
    ],
)
def test_a_url_becomes_a_target_and_a_host(url: str, host: str, target: str) -> None:
    """As curl would send it."""
    request = build_request("GET", url, ())

    assert request.target == target.encode()
    assert request.header(b"host") == host.encode()


def test_headers_are_those_that_were_given() -> None:
    """In their order; a Host among them counts instead of the URL's."""
    headers = [("X-User-ID", "u-1"), ("HOST", "other.example"), ("X-User-ID", "u-2")]
    request = build_request("POST", "http://shop.example/orders", headers)

    assert (request.method, request.host) == (b"POST", b"other.example")
    assert request.header(b"x-user-id") == b"u-1"


@pytest.mark.parametrize(
    ("method", "url", "headers", "part"),
    [
        ("get", "/", (), "method"),
        ("", "/", (), "method"),
        ("GET /x HTTP/1.1\r\nX: y", "/", (), "method"),
        ("GET", "", (), "url"),
        ("GET", "orders", (), "url"),
        ("GET", "/a b", (), "url"),
        ("GET", "/a#b", (), "url"),
        ("GET", "/a\r\nX: y", (), "url"),
        ("GET", "/\x00", (), "url"),
        ("GET", "ftp://shop.example/", (), "url"),
        ("GET", "http:///orders", (), "url"),
        ("GET", "/\ud800", (), "url"),
        ("GET", "/", (("Bad Name", "x"),), "headers"),
        ("GET", "/", (("", "x"),), "headers"),
        ("GET", "/", (("A:", "x"),), "headers"),
        ("GET", "/", (("A", "x\r\nB: y"),), "headers"),
        ("GET", "/", (("A", "x\ny"),), "headers"),
        ("GET", "/", (("Host", "a"), ("Host", "b")), "headers"),
        ("GET", "/", tuple(("A", "x") for _ in range(200)), "headers"),
        ("OPTIONS", "*", (("A", "\x00"),), "headers"),
    ],
)
def test_what_the_gateway_would_refuse_is_refused(
    method: str, url: str, headers: tuple[tuple[str, str], ...], part: str
) -> None:
    """Never repaired; and it is known which part is at fault."""
    with pytest.raises(ProxyError):
        build_request(method, url, headers)

    assert find_fault(method, url) == part


@given(
    st.text(max_size=8),
    st.text(max_size=20),
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=4),
)
def test_nothing_that_is_asked_breaks_it(method: str, url: str, headers: list[tuple[str, str]]) -> None:
    """Whatever a person types is a request or refused."""
    try:
        request = build_request(method, url, headers)
    except ProxyError:
        return

    assert request.method == method.encode()


@given(st.text(alphabet="ab\r\n: ", max_size=12))
def test_nobody_slips_in_a_header(value: str) -> None:
    """A value can't end its line and begin another."""
    try:
        request = build_request("GET", "/", [("X-A", value)])
    except BadRequest:
        return

    assert request.header(b"x-a") == value.strip(" ").encode()
    assert request.fields.raw.count(b"\r\n") == build_request("GET", "/", [("X-A", "v")]).fields.raw.count(b"\r\n")
