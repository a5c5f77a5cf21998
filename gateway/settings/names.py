"""The grammar of names, addresses and patterns in a configuration. Each function returns the value in its one form.

All raise ValueError, whose message says what is wrong and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from gateway.core.types import Endpoint, KeyKind, KeySource
from gateway.settings.quantities import show

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
TOKEN_PATTERN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # noqa: S105 - RFC 9110, section 5.6.2
ADDRESS_PATTERN = r"^(\[[0-9A-Fa-f:.]+\]|[^:\s]+):[0-9]{1,5}$"
URL_PATTERN = r"^https?://[^/?#@\s]+/?$"
PATH_PATTERN = r"^/[^\s]*$"

_NAME = re.compile(NAME_PATTERN[1:-1], re.ASCII)
_TOKEN = re.compile(TOKEN_PATTERN[1:-1], re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HOST_LABELS = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LARGEST_PORT = 65535
_LONGEST_HOST = 253  # RFC 1035, section 2.3.4, as text


def suggest(name: str, known: Iterable[str]) -> str:
    """``; did you mean `checkout`?`` when something known is near to ``name``, else nothing."""
    nearest = get_close_matches(name.lower(), {candidate.lower(): candidate for candidate in known}, n=1, cutoff=0.7)
    if not nearest:
        return ""
    return f"; did you mean `{next(one for one in known if one.lower() == nearest[0])}`?"


def check_name(name: str) -> str:
    """A name of a backend, rollout, route or cohort: it becomes a header's value and a metric's label."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{show(name)} is not a name; begin with a letter or digit, go on with those, `_`, `.` and `-`, up to 64"
        )
    return name


def check_header_name(name: str) -> str:
    """A header's name (RFC 9110, section 5.1), with its case."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{show(name)} is not a header's name; use letters, digits and `-`")
    return name


def check_header_value(value: str) -> str:
    """A header's value: no line break, no NUL, Latin-1 (RFC 9110, section 5.5)."""
    if any(ord(character) < 0x20 or ord(character) == 0x7F or ord(character) > 0xFF for character in value):  # noqa: PLR2004
        raise ValueError(f"{show(value)} can't be a header's value; no control or non-Latin-1 characters are allowed")
    return value.strip()


def check_method(method: str) -> str:
    """A request method. They are case-sensitive (RFC 9110, section 9.1)."""
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"{show(method)} is not a method; write GET, POST, PUT, …")
    if method != method.upper():
        raise ValueError(f"methods are written in capitals: {method.upper()}")
    return method


def check_host(host: str) -> str:
    """A host to match: lower-case, ``*.example.com`` for all names below example.com."""
    bare = host.lower().removeprefix("*.")
    if not _is_host(bare) or "*" in bare:
        raise ValueError(
            f"{show(host)} is not a host; write a name or an address without scheme and port, or `*.example.com`"
        )
    return host.lower()


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return host.endswith("]") and _is_address(host[1:-1], version=6)
    return len(host) <= _LONGEST_HOST and _HOST_LABELS.fullmatch(host) is not None


def _is_address(text: str, version: int) -> bool:
    try:
        return ip_address(text).version == version
    except ValueError:
        return False


def split_address(address: str) -> tuple[str, int]:
    """Host (without brackets) and port of ``0.0.0.0:8080`` or ``[::1]:0``."""
    host, colon, port = address.rpartition(":")
    if not colon or not _is_host(host.lower()) or not _PORT.fullmatch(port) or int(port) > _LARGEST_PORT:
        raise ValueError(
            f"{show(address)} is not an address to listen on; write `host:port`: 0.0.0.0:8080 or [::]:8080"
        )
    return host.strip("[]"), int(port)


class Address(str):
    """``host:port`` to listen on, as written; port 0 is any free one. Raises ValueError for anything else."""

    __slots__ = ("host", "port")

    host: str
    """Without brackets."""
    port: int

    def __new__(cls, text: str) -> Self:
        """The address in its parts."""
        address = super().__new__(cls, text)
        address.host, address.port = split_address(text)
        return address

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect to it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


def check_network(network: str) -> str:
    """A network in CIDR form; a bare address stands for itself alone."""
    try:
        return str(ip_network(network))
    except ValueError as error:
        hint = "; the bits behind the prefix must be zero" if "host bits" in str(error) else ""
        raise ValueError(f"{show(network)} is not a network; write 10.0.0.0/8, ::1/128 or one address{hint}") from None


def parse_endpoint(url: str) -> Endpoint:
    """An endpoint of a backend: ``http://host:port`` or ``https://host``, nothing behind it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{show(url)} is not a URL of an endpoint; write http://host:port") from None
    if parts.scheme not in {"http", "https"} or port == 0 or not url.isprintable():
        raise ValueError(f"{show(url)} is not a URL of an endpoint; write http://host:port or https://host:port")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError(f"{show(url)} has something behind the host; a path is changed by the route's `rewrite`")
    host = parts.hostname or ""
    if "@" in parts.netloc or not _is_host(f"[{host}]" if ":" in host else host):
        raise ValueError(f"{show(url)} has no proper host; write a name or an address, IPv6 in brackets, no user")
    tls = parts.scheme == "https"
    return Endpoint(url=url.rstrip("/"), host=host, port=port or (443 if tls else 80), tls=tls)


def check_pattern(pattern: str) -> str:
    """A path pattern: ``/api/{id}/*/**``. ``*`` and ``{name}`` are one segment each, a last ``**`` is the rest."""
    if not pattern.startswith("/"):
        raise ValueError(f"{show(pattern)} is not a path pattern; it begins with `/`")
    if any(character in pattern for character in "?#") or not pattern.isprintable() or " " in pattern:
        raise ValueError(f"{show(pattern)} has a character that no path has; it is matched without its query")
    segments = pattern.split("/")[1:]
    for index, segment in enumerate(segments):
        _check_segment(segment, is_last=index == len(segments) - 1)
    names = [segment for segment in segments if segment.startswith("{")]
    if len(names) != len(set(names)):
        raise ValueError(f"{show(pattern)} uses the same {{name}} twice")
    return pattern


def _check_segment(segment: str, *, is_last: bool) -> None:
    if segment == "**" and not is_last:
        raise ValueError("`**` stands for the rest of the path, so it can only be the last segment")
    if segment in {"*", "**"}:
        return
    if segment in {".", ".."}:
        raise ValueError("`.` and `..` are resolved before a path is matched, so a pattern never has them")
    if "*" in segment:
        raise ValueError(f"{show(segment)}: `*` stands for one whole segment, `**` for the rest")
    if ("{" in segment or "}" in segment) and not _is_placeholder(segment):
        raise ValueError(f"{show(segment)}: write `{{name}}` as one whole segment, the name of letters, digits and `_`")


def _is_placeholder(segment: str) -> bool:
    return segment[0] == "{" and segment[-1] == "}" and _IDENTIFIER.fullmatch(segment[1:-1]) is not None


def parse_source(source: str) -> KeySource:
    """One source of a key: ``header:X-User-ID``, ``client_ip``."""
    kind, colon, name = source.strip().partition(":")
    if kind not in KeyKind._value2member_map_ or (kind == KeyKind.CLIENT_IP) == bool(colon):
        raise ValueError(
            f"{show(source)} is not a key source; write header:NAME, cookie:NAME, query:NAME, path:NAME, jwt:CLAIM "
            f"or client_ip{suggest(kind, [str(known) for known in KeyKind])}"
        )
    _check_source_name(KeyKind(kind), name, source)
    return KeySource(KeyKind(kind), name)


def _check_source_name(kind: KeyKind, name: str, source: str) -> None:
    if kind in {KeyKind.HEADER, KeyKind.COOKIE} and not _TOKEN.fullmatch(name):
        raise ValueError(f"{show(source)} names no proper {kind}")
    if kind is KeyKind.PATH and not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{show(source)} must name a part of the path that a pattern calls {{name}}")
    if kind is not KeyKind.CLIENT_IP and (not name or not name.isprintable()):
        raise ValueError(f"{show(source)} lacks the name behind the colon")


def parse_alternative(text: str) -> tuple[KeySource, ...]:
    """One alternative of a key chain: a source, or several joined by ``+``."""
    parts = text.split("+")
    if not all(part.strip() for part in parts):
        raise ValueError(f"{show(text)} joins something with nothing; write a+b")
    return tuple(parse_source(part) for part in parts)
