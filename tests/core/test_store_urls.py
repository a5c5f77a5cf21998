"""What ``store:`` names is read whole, or refused with a reason that has no password in it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.store_urls import PATTERN, RedisUrl, file_of, parse_store, strike_password

GOOD: dict[str, dict[str, Any]] = {
    "redis://db": {"nodes": (("db", 6379),)},
    "redis://ann:p%40ss@db.example.com:7000/3": {
        "nodes": (("db.example.com", 7000),), "username": "ann", "password": "p@ss", "database": 3
    },
    "rediss://:secret@[::1]:6380?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false": {
        "nodes": (("::1", 6380),), "password": "secret", "is_tls": True,
        "tls": {"ssl_ca_certs": "/etc/ca.pem", "ssl_check_hostname": False},
    },
    "redis+sentinel://a,b:26380/main/2?sentinel_password=secret&ssl=true&ssl_cert_reqs=none": {
        "nodes": (("a", 26379), ("b", 26380)), "service": "main", "database": 2, "is_tls": True,
        "sentinel": {"password": "secret"}, "tls": {"ssl_cert_reqs": "none"},
    },
    "redis+cluster://a:7000,b:7001?prefix=shop.eu": {"nodes": (("a", 7000), ("b", 7001)), "prefix": "shop.eu"},
}  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_a_proper_url_is_read_whole(url: str) -> None:
    """Hosts, who asks, the database or the service, and options."""
    expected = GOOD[url] | {"scheme": url.split(":", maxsplit=1)[0], "text": strike_password(url)}

    assert parse_store(url) == RedisUrl(**expected)
    assert re.search(PATTERN, url)


BAD = {
    "postgres://db": "is not a store; write sqlite:FILE",
    "redis:db": "is not a store",
    "redis://": "no proper host",
    "redis://db:0": "no proper host",
    "redis://db:70000": "no proper host",
    "redis://d b": "no proper host",
    "redis://a,b": "several hosts",
    "redis://db/zero": "no proper database",
    "redis://db/²": "no proper database",
    "redis://db#there": "is not a store",
    "redis+cluster://db/1": "a cluster has no databases",
    "redis+sentinel://db": "names no service",
    "redis+sentinel://db/main/x": "no proper database",
    "redis://db?timeout=3": "an option `timeout` that is not known; known are prefix, ssl",
    "redis://db?ssl_ca_certs=/ca.pem": "`ssl_ca_certs` without TLS",
    "redis://db?ssl=perhaps": "`ssl` neither true nor false",
    "rediss://db?ssl_cert_reqs=maybe": "none of none, optional, required",
    "rediss://db?ssl_certfile=": "`ssl_certfile` without a value",
    "redis://db?prefix={x}": "a `prefix` that is not one",
    "redis://db?sentinel_password=secret": "which is for redis+sentinel://",
    "redis://db?sentinel_password=se@cret": "which is for redis+sentinel://",
    "sqlite:": "names no file",
    "sqlite://": "names no file",
}


@pytest.mark.parametrize("url", BAD)
def test_what_names_no_store_is_refused_with_the_reason(url: str) -> None:
    """And without a password, wherever it was written."""
    with pytest.raises(ValueError, match=re.escape(BAD[url])) as refused:
        parse_store(url)

    assert "cret" not in str(refused.value)


@pytest.mark.parametrize("password", ["s@cret", "/secret", "se/cret", "1/secret", "se?cret", "se?c=ret", "se#cret"])
@pytest.mark.parametrize("form", ["redis://ann:{}@db/0", "redis://:{}@db", "redis+sentinel://:{}@db/main?ssl=true"])
def test_a_reserved_character_in_a_password_is_told_how_to_write(form: str, password: str) -> None:
    """As what it makes of the rest looks just like a URL that is asked for; nothing of the password is shown."""
    with pytest.raises(ValueError, match="reserved characters in user and password are percent-encoded") as refused:
        parse_store(form.format(password))

    assert "cret" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite:/var/state.db", "sqlite:///var/state.db", "/var/state.db"])
def test_a_file_is_named_with_or_without_slashes(url: str) -> None:
    """Servers are no file."""
    assert file_of(url) == "/var/state.db"
    assert file_of("redis://db") is None


@given(st.text(), st.sampled_from(["redis://", "rediss://", "redis+sentinel://", "sqlite:", ""]))
def test_any_text_is_read_or_refused(text: str, scheme: str) -> None:
    """Nothing else happens."""
    try:
        found = parse_store(scheme + text)
    except ValueError:
        return
    assert found


@given(st.text(st.characters(codec="ascii", exclude_characters="@"), min_size=8))
def test_no_password_is_ever_shown(password: str) -> None:
    """Proper or not."""
    assert password not in strike_password(f"redis://:{password}@db:6379").removeprefix("redis://***@db:6379")
