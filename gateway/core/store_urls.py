"""What ``store:`` in the configuration names: a SQLite file, or servers that speak the protocol of Redis.

::

    sqlite:FILE
    redis://[[user]:password@]host[:6379][/database][?options]
    rediss://…                                                       the same over TLS
    redis+sentinel://[…@]host[:26379],host…/service[/database][?options]
    redis+cluster://[…@]host[:6379],host…[?options]

Reserved characters in user and password are percent-encoded. Options have the names that redis-py gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

SCHEMES: Final = (
    "sqlite:FILE",
    "redis://HOST",
    "rediss://HOST",
    "redis+sentinel://HOST/SERVICE",
    "redis+cluster://HOST",
)
"""One example of each."""
PATTERN: Final = r"^(sqlite:|rediss?://|redis\+(sentinel|cluster)://)"
DEFAULT_PREFIX: Final = "crossfade"

_PORTS: Final = {"redis": 6379, "rediss": 6379, "redis+sentinel": 26379, "redis+cluster": 6379}
_LARGEST_PORT: Final = 65535
_PARTS: Final = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_USER: Final = re.compile(r"(://).*@", re.DOTALL)
_SECRET_OPTION: Final = re.compile(r"(\bsentinel_password=)[^&]*")

_FLAGS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TLS_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
_OPTIONS: Final = ("prefix", "ssl", *_TLS_OPTIONS, *_SENTINEL_OPTIONS)
_CERT_REQS: Final = ("none", "optional", "required")
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

_RESERVED: Final = frozenset("@/?#")
_OPTIONS_BEGIN: Final = re.compile(rf"\?(?:{'|'.join(_OPTIONS)})=")


class RedisUrl(msgspec.Struct, frozen=True, kw_only=True):
    """Where servers are that speak the protocol of Redis, and how to talk to them."""

    scheme: str
    nodes: tuple[tuple[str, int], ...]
    """Host, an IPv6 one without brackets, and port; of Sentinels where ``service`` is set."""
    service: str = ""
    """The name by which Sentinels know the servers."""
    database: int = 0
    username: str = ""
    password: str = ""
    prefix: str = DEFAULT_PREFIX
    """All keys begin with it, in braces: that is what keeps them on one node of a cluster."""
    is_tls: bool = False
    tls: Mapping[str, str | bool] = {}
    """Options as redis-py names them."""
    sentinel: Mapping[str, str] = {}
    """``username`` and ``password`` for the Sentinels."""
    text: str
    """The URL without what is secret."""

    @property
    def is_cluster(self) -> bool:
        """Whether keys are spread over several servers."""
        return self.scheme == "redis+cluster"

    @property
    def tls_files(self) -> dict[str, str]:
        """The files that it names, by option; relative ones to the working directory."""
        return {name: str(self.tls[name]) for name in _TLS_FILES if name in self.tls}


def file_of(url: str) -> str | None:
    """The file that a ``sqlite:`` URL, or a bare path, names; None for a store that is elsewhere."""
    return None if url.startswith("redis") and "://" in url else url.removeprefix("sqlite:").removeprefix("//")


def strike_password(url: str) -> str:
    """``url`` as others may read it; also one that is no URL of a store, or not a proper one."""
    return _USER.sub(r"\1***@", _SECRET_OPTION.sub(r"\1***", url))


def parse_store(url: str) -> str | RedisUrl:
    """The file, or where the servers are.

    Raises ValueError, whose message says what is wrong and what is allowed, and has no password in it.
    """
    if url.startswith("sqlite:"):
        if not (file := file_of(url)):
            raise ValueError("names no file; write sqlite:FILE")
        return file
    text = strike_password(url)
    try:
        return _parse_redis(_split(url), text)
    except ValueError as error:
        raise ValueError(f"`{text}` {error}") from None


def _split(url: str) -> re.Match[str]:
    scheme, _, rest = url.partition("://")
    if scheme in _PORTS and _is_cut_short(rest):
        advice = "reserved characters in user and password are percent-encoded: `@` is %40, `/` is %2F"
        raise ValueError(f"can't be read: {advice}")
    parts = _PARTS.fullmatch(url)
    if parts is None or scheme not in _PORTS:
        raise ValueError(f"is not a store; write {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}")
    return parts


def _is_cut_short(rest: str) -> bool:
    """Whether something in user and password, which end at the last `@`, would end them before."""
    return not _RESERVED.isdisjoint(_OPTIONS_BEGIN.split(rest, maxsplit=1)[0].rpartition("@")[0])


def _parse_redis(parts: re.Match[str], text: str) -> RedisUrl:
    scheme = parts["scheme"]
    options = _read_options(scheme, parts["query"] or "")
    user, _, password = (parts["user"] or "").partition(":")
    service, database = _read_path(scheme, unquote(parts["path"] or "").strip("/"))
    return RedisUrl(
        scheme=scheme,
        nodes=tuple(_read_nodes(scheme, parts["hosts"])),
        service=service,
        database=database,
        username=unquote(user),
        password=unquote(password),
        prefix=options.get("prefix", DEFAULT_PREFIX),
        is_tls=_is_tls(scheme, options),
        tls={name: _settle(name, options[name]) for name in _TLS_OPTIONS if name in options},
        sentinel={name.removeprefix("sentinel_"): options[name] for name in _SENTINEL_OPTIONS if name in options},
        text=text,
    )


def _read_nodes(scheme: str, hosts: str) -> Iterator[tuple[str, int]]:
    if "," in hosts and scheme in {"redis", "rediss"}:
        raise ValueError("names several hosts; that is for redis+sentinel:// and redis+cluster://")
    for each in hosts.split(","):
        found = _HOST.fullmatch(each)
        port = int(found["port"] or _PORTS[scheme]) if found else 0
        if found is None or not 0 < port <= _LARGEST_PORT:
            raise ValueError("has no proper host; write host:port, IPv6 in brackets")
        yield found["six"] or found["name"], port


def _read_path(scheme: str, path: str) -> tuple[str, int]:
    """The service and the database."""
    if scheme == "redis+cluster":
        if path:
            raise ValueError("has something behind the hosts; a cluster has no databases")
        return "", 0
    service, _, database = path.partition("/") if scheme == "redis+sentinel" else ("", "", path)
    if scheme == "redis+sentinel" and not _NAME.fullmatch(service):
        raise ValueError("names no service; write redis+sentinel://host:26379/SERVICE, as the Sentinels call it")
    if database and not (database.isascii() and database.isdecimal()):
        raise ValueError("has no proper database; it is a number behind the last `/`")
    return service, int(database or 0)


def _read_options(scheme: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in _OPTIONS:
            raise ValueError(f"has an option `{name}` that is not known; known are {', '.join(_OPTIONS)}")
        if name in _SENTINEL_OPTIONS and scheme != "redis+sentinel":
            raise ValueError(f"has `{name}`, which is for redis+sentinel://")
        _settle(name, value)
    if not _is_tls(scheme, options) and (idle := [name for name in _TLS_OPTIONS if name in options]):
        raise ValueError(f"has `{idle[0]}` without TLS; write rediss://, or ssl=true with Sentinels and clusters")
    return options


def _is_tls(scheme: str, options: Mapping[str, str]) -> bool:
    return scheme == "rediss" or _settle("ssl", options.get("ssl", "false")) is True


def _settle(name: str, value: str) -> str | bool:
    """An option's value. Raises ValueError for one that can't be."""
    if name in {"ssl", "ssl_check_hostname"}:
        if value.lower() not in _FLAGS:
            raise ValueError(f"has `{name}` neither true nor false")
        return _FLAGS[value.lower()]
    if name == "ssl_cert_reqs" and value not in _CERT_REQS:
        raise ValueError(f"has `{name}` that is none of {', '.join(_CERT_REQS)}")
    if name == "prefix" and not _NAME.fullmatch(value):
        raise ValueError("has a `prefix` that is not one; use letters, digits, `_`, `.`, `:` and `-`, up to 64")
    if not value:
        raise ValueError(f"has `{name}` without a value")
    return value
