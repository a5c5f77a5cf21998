"""The dashboard's files over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import pytest

from gateway.admin.pages import FRONT, HEADERS, knows, make_page, read_pages
from tests.admin.desk import desk


async def test_the_first_page_needs_no_token(tmp_path: Path) -> None:
    """Nor does what it is made of: somebody has to see it to sign in. By any name, as it shows nothing by itself."""
    async with desk(tmp_path, TOKEN="secret") as (_, client):
        for path in ("/", f"/static/{FRONT}"):
            async with client.session.get(path, headers={"Host": "10.0.0.7:9900"}) as answer:
                assert (answer.status, answer.content_type) == (200, "text/html")
                assert await answer.read() == read_pages()[FRONT].plain.body
        assert (await client.get("/api/v1/status")).status == 401


async def test_every_file_of_the_package_is_served(tmp_path: Path) -> None:
    """With its type: a browser takes no script for what is not called one."""
    async with desk(tmp_path) as (_, client):
        for name, page in read_pages().items():
            async with client.session.get(f"/static/{name}") as answer:
                assert answer.status == 200, name
                assert answer.headers["Content-Type"] == page.plain.content_type
                assert (answer.content_type == "text/javascript") == name.endswith(("js", "mjs"))
                assert HEADERS.items() <= answer.headers.items()


async def test_a_page_runs_nothing_but_its_own(tmp_path: Path) -> None:
    """The policy names no other host, allows nothing inline, and lets nobody frame it."""
    async with desk(tmp_path) as (_, client), client.session.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_what_a_browser_has_is_not_sent_again(tmp_path: Path) -> None:
    """304 by its entity tag; another coding is another representation."""
    async with desk(tmp_path) as (_, client):
        tags = set()
        for coding in ("gzip", "identity"):
            headers = {"Accept-Encoding": coding}
            async with client.session.get("/static/vendor/preact.mjs", headers=headers) as answer:
                tag = answer.headers["ETag"]
                assert answer.headers.get("Content-Encoding", "identity") == coding
            async with client.session.get(
                "/static/vendor/preact.mjs", headers=headers | {"If-None-Match": tag}
            ) as answer:
                assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", tag)
            tags.add(tag)

    assert len(tags) == 2


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/nothing.js",
        "/static/../api/v1/status",
        "/static/%2e%2e/api/v1/status",
        "/static/..%2f..%2fpages.py",
        "/static//api/v1/status",
    ],
)
async def test_nothing_but_the_files_is_below_static(tmp_path: Path, path: str) -> None:
    """No way leads from there to a file of the machine's, or past the token."""
    async with desk(tmp_path, TOKEN="secret") as (made, _):
        assert await ask_as_written(path, *made.listening.getsockname()) in {401, 404}


async def ask_as_written(path: str, host: str, port: int) -> int:
    """The status of a GET; a client library would tidy up its target."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1])


def test_a_file_is_packed_where_that_gains_anything() -> None:
    """The same bytes come out, and the same file has the same tag after any restart."""
    page = make_page("a/long.js", b"let x = 1;\n" * 100)
    short = make_page("LICENSE", b"x")

    assert gzip.decompress(page.packed.body) == page.plain.body
    assert len(page.packed.body) < len(page.plain.body)
    assert page == make_page("a/long.js", b"let x = 1;\n" * 100)
    assert short.packed is short.plain
    assert short.plain.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [('"a"', True), ('"b", "a"', True), ('W/"a"', True), ("*", True), ("", False), ('"ab"', False), ("a", False)],
)
def test_a_tag_is_known_as_browsers_and_caches_write_it(shown: str, expected: bool) -> None:
    """Alone or among others, weak or strong (RFC 9110, section 13.1.2)."""
    assert knows(shown, '"a"') is expected


def test_the_front_page_names_only_files_of_the_package() -> None:
    """By relative addresses, so that it works below a prefix, too; and from no other host."""
    front = read_pages()[FRONT].plain.body.decode()
    named = re.findall(r'(?:src|href)="([^"]+)"', front)

    assert {name.removeprefix("static/") for name in named if not name.startswith("data:")} <= set(read_pages())


def test_each_library_has_its_licence_beside_it() -> None:
    """Whoever gets the files gets the terms."""
    names = {name for name in read_pages() if name.startswith("vendor/")}
    libraries = {name.split("/")[1].split(".")[0] for name in names if name.endswith(("js", "mjs"))} - {"hooks"}

    assert {f"vendor/{library}.LICENSE.txt" for library in libraries} <= names
