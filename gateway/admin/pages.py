"""The dashboard's files: read once from the package, sent with headers that leave a page no way to be misled.

They are the same for everybody and hold nothing of the gateway's, so nobody has to show a token for them; what they
show, they ask the API for. A browser keeps them, and asks each time whether they are still the same (RFC 9110, section
13.1.2): after an upgrade nobody sees a page of two versions.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.admin.answers import takes_gzip
from gateway.admin.guard import STATIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

FRONT: Final = "index.html"
"""What `/` shows."""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_TEXT: Final = "text/plain; charset=utf-8"
"""Licences have no suffix."""

_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every file: only scripts and styles of its own, shown by no other page (Content Security Policy, level 3)."""


@dataclass(frozen=True, slots=True)
class File:
    """One file, in one coding. Strong validators differ by it (RFC 9110, section 8.8.3)."""

    body: bytes
    content_type: str
    etag: str
    coding: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A file as it is, and as it is sent to most; the same where packing gains nothing."""

    plain: File
    packed: File


def add_pages(router: web.UrlDispatcher) -> None:
    """Serve the dashboard. What packing its files takes is spent now, not on the first who looks."""
    read_pages()
    router.add_get("/", show_front)
    router.add_get(STATIC + "{file:.+}", show_file)


async def show_front(request: web.Request) -> web.Response:
    """The page that a browser begins with."""
    return answer_page(request, FRONT)


async def show_file(request: web.Request) -> web.Response:
    """What it is made of."""
    return answer_page(request, request.match_info["file"])


def answer_page(request: web.Request, name: str) -> web.Response:
    """The file of this name, or that it is the one which the browser has. Raises HTTPNotFound."""
    page = read_pages().get(name)
    if page is None:
        raise web.HTTPNotFound
    file = page.packed if takes_gzip(request.headers.get("Accept-Encoding", "")) else page.plain
    headers = HEADERS | {"ETag": file.etag}
    if knows(request.headers.get("If-None-Match", ""), file.etag):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if file.coding:
        headers["Content-Encoding"] = file.coding
    return web.Response(body=file.body, headers=headers | {"Content-Type": file.content_type})


def knows(if_none_match: str, etag: str) -> bool:
    """Whether a client has what it asks for. A cache may have weakened the tag, which makes no difference here."""
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in if_none_match.split(","))


@cache
def read_pages() -> Mapping[str, Page]:
    """All files by name, as they are in the package: what changes on the disk needs a restart, as code does."""
    return {name: make_page(name, body) for name, body in _walk(resources.files("gateway.admin") / "static")}


def make_page(name: str, body: bytes) -> Page:
    """A file in both codings."""
    suffix = f".{name.rpartition('.')[2]}"
    content_type = _TYPES.get(suffix, _TEXT)
    digest = hashlib.sha256(body).hexdigest()[:20]
    plain = File(body, content_type, f'"{digest}"')
    packed = gzip.compress(body, mtime=0)
    return Page(plain, File(packed, content_type, f'"{digest}-gzip"', "gzip") if len(packed) < len(body) else plain)


def _walk(folder: Traversable, lead: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{lead}{entry.name}/")
        else:
            yield lead + entry.name, entry.read_bytes()
