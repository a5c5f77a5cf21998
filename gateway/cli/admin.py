"""Talking to a running gateway: the options that say where it is, and calls of its admin API."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import aiohttp
import click
import msgspec

from gateway.errors import CommandError

DEFAULT_ADMIN = "http://127.0.0.1:9900"
TOKEN_VARIABLE = "CROSSFADE_ADMIN_TOKEN"  # noqa: S105 - the name of the variable, not a token
OPERATOR_HEADER = "X-Crossfade-Operator"
ADMIN_HEADER = "X-Crossfade-Admin"
"""On each answer of the admin API, and on nobody else's."""

CALL_SECONDS = 30.0
"""A change is answered when it is in force in every worker, which may take ten."""
CONNECT_SECONDS = 5.0

_FIRST_ERROR = 400
_UNAUTHORIZED = 401
_UNPROCESSABLE = 422

_ADDRESS = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")

Shape = TypeVar("Shape")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin API at ``url``. Each call raises `CommandError` with what a person can do about it."""

    url: str
    token: str = ""

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = "application/json") -> bytes:
        """The JSON that is answered, or its lines where those are accepted."""
        _encode(query)
        return self._call("GET", path, query=query, accept=accept)

    def send(self, method: str, path: str, body: object) -> bytes:
        """Ask for something to be done, with a JSON body; the JSON that is answered."""
        return self._call(method, path, body=_encode(body))

    def forget(self, path: str, query: Mapping[str, str]) -> bytes:
        """Ask for what ``query`` names to be forgotten; the JSON that is answered."""
        _encode(query)
        return self._call("DELETE", path, query=query)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        accept: str = "application/json",
    ) -> bytes:
        headers = {**self._headers(body), "Accept": accept}
        return self._check(*self._ask(self._fetch(method, path, query, body, headers)))

    def pour(self, path: str, body: object, take: Callable[[bytes], None]) -> None:
        """Ask for something that is told line by line, for as long as it takes; ``take`` gets each line of JSON."""
        content = _encode(body)
        refused = self._ask(self._pour(path, content, self._headers(content), take))
        if refused is not None:
            self._check(*refused)

    def _ask(self, asking: Coroutine[None, None, Found]) -> Found:
        try:
            return asyncio.run(asking)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise CommandError(
                f"--admin {show(self.url)} is not a URL of http or https; write {advise_url(self.url)}"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise CommandError(
                f"no gateway answers at {self.url} ({_reason_of(error)}); choose another with --admin URL"
            ) from None

    def _check(self, is_ours: bool, status: int, kind: str, content: bytes) -> bytes:
        """The content of a good answer."""
        if not is_ours or "json" not in kind:
            raise CommandError(
                f"what answers at {self.url} is not Crossfade's admin API; choose another with --admin URL"
            )
        if status >= _FIRST_ERROR:
            raise CommandError(self._explain(status, content))
        return content

    async def _pour(
        self, path: str, body: bytes, headers: dict[str, str], take: Callable[[bytes], None]
    ) -> tuple[bool, int, str, bytes] | None:
        """None when every line was taken; else the answer that is none of those."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(self.url.rstrip("/") + path, data=body, allow_redirects=False) as response,
        ):
            is_ours, kind = ADMIN_HEADER in response.headers, response.content_type
            if not is_ours or response.status >= _FIRST_ERROR or "ndjson" not in kind:
                return is_ours, response.status, kind, await response.read()
            async for line in response.content:
                take(line.rstrip(b"\n"))
        return None

    async def _fetch(
        self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None, headers: dict[str, str]
    ) -> tuple[bool, int, str, bytes]:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=CONNECT_SECONDS)
        url = self.url.rstrip("/") + path
        # The API redirects nobody, so whoever does is not it, and gets no second call with the token.
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.request(method, url, params=query, data=body, allow_redirects=False) as response,
        ):
            content = await response.read()
            return ADMIN_HEADER in response.headers, response.status, response.content_type, content

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {OPERATOR_HEADER: _user()}
        if not self.token.isprintable():
            raise CommandError("the token has a line break or another character in it that no token has")
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _explain(self, status: int, content: bytes) -> str:
        """What went wrong, in one line."""
        if status == _UNAUTHORIZED:
            said = "is wrong" if self.token else "is missing"
            return f"the token {said}; give it with --token or {TOKEN_VARIABLE}"
        problem = _read_problem(content)
        field = f"{problem.field}: " if problem.field and status == _UNPROCESSABLE else ""
        return field + show(problem.detail or problem.title or f"the gateway answers {status}")


def advise_url(written: str) -> str:
    """What to write in place of something that is no URL: the same with ``http://``, if that makes it one."""
    return f"http://{written}" if _ADDRESS.fullmatch(written) else DEFAULT_ADMIN


def _encode(asked: object) -> bytes:
    try:
        return msgspec.json.encode(asked)
    except UnicodeEncodeError:
        raise CommandError("what is asked holds bytes that are not UTF-8; the admin API takes text only") from None


def _reason_of(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}; SSL_CERT_FILE names authorities to trust"
    if isinstance(cause, ssl.SSLError):
        return "it does not speak TLS as https needs it"
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    # Numbers of the resolver are negative, and its words come with them.
    return show(getattr(cause, "strerror", None) or cause)


class _Problem(msgspec.Struct):
    """The part of a problem document (RFC 9457) that a person wants to know."""

    title: str = ""
    detail: str = ""
    field: str = ""


def _read_problem(content: bytes) -> _Problem:
    try:
        return msgspec.json.decode(content, type=_Problem)
    except msgspec.DecodeError:
        return _Problem()


def read(content: bytes, shape: type[Shape]) -> Shape:
    """An answer of the API as one of its own structs."""
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.DecodeError as error:
        raise CommandError(f"the gateway answers what this version does not understand: {error}") from None


def admin_options(command: Callable[..., None]) -> Callable[..., None]:
    """``--admin``, ``--token`` and ``--json``: the command gets ``admin`` and ``as_json``."""

    @click.option("--admin", "url", default=DEFAULT_ADMIN, show_default=True, metavar="URL", help="The admin API.")
    @click.option("--token", envvar=TOKEN_VARIABLE, default="", metavar="TOKEN", help=f"Or {TOKEN_VARIABLE}.")
    @click.option("--json", "as_json", is_flag=True, help="Machine output.")
    @wraps(command)
    def with_admin(*args: Any, url: str, token: str, as_json: bool, **others: Any) -> None:
        command(*args, admin=Admin(url, token), as_json=as_json, **others)

    return with_admin


def show(text: object) -> str:
    """Text from elsewhere, so that a terminal shows it and does not obey it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text))


def _user() -> str:
    """Who calls, for the audit log; empty when the system does not know."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return ""
    return name if name.isascii() and name.isprintable() else ""
