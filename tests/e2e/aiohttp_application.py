"""The application that `tests.e2e.servers.aiohttp` runs.

``python -m tests.e2e.aiohttp_application PORT [CERT KEY]``; with a certificate it speaks HTTPS.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import ssl
import sys

from aiohttp import web

from tests.e2e.servers import content

NAME = os.environ.get("SERVER_NAME_SHOWN", "aiohttp")
CHUNK_BYTES = 10_000


async def echo(request: web.Request) -> web.Response:
    """What arrived: the target and the headers as they came, the body by its hash."""
    digest, length = hashlib.sha256(), 0
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        length += len(chunk)
    return web.json_response(
        {
            "method": request.method,
            "target": request.raw_path,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.raw_headers],
            "body_sha256": digest.hexdigest(),
            "body_length": length,
        }
    )


async def answer_status(request: web.Request) -> web.Response:
    """Any status, with itself as the body."""
    code = int(request.match_info["code"])
    return web.Response(status=code, text=str(code))


async def answer_bytes(request: web.Request) -> web.Response:
    """A body with Content-Length."""
    return web.Response(body=content(int(request.match_info["size"])))


async def answer_gzip(request: web.Request) -> web.Response:
    """The same, compressed, whether the client likes it or not."""
    body = gzip.compress(content(int(request.match_info["size"])), mtime=0)
    return web.Response(body=body, headers={"Content-Encoding": "gzip"})


async def answer_chunked(request: web.Request) -> web.StreamResponse:
    """A body in chunks."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    body = content(int(request.match_info["size"]))
    for start in range(0, len(body), CHUNK_BYTES):
        await response.write(body[start : start + CHUNK_BYTES])
    await response.write_eof()
    return response


async def answer_slowly(request: web.Request) -> web.Response:
    """An answer that takes its time."""
    await asyncio.sleep(float(request.match_info["seconds"]))
    return web.Response(text="at last")


async def answer_nothing(_request: web.Request) -> web.Response:
    """204."""
    return web.Response(status=204)


async def talk(request: web.Request) -> web.WebSocketResponse:
    """Every message back."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is web.WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is web.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Say who answers."""
    response.headers["X-Server"] = NAME


def build() -> web.Application:
    """The application."""
    app = web.Application(client_max_size=1 << 40)
    app.on_response_prepare.append(sign)
    app.router.add_route("*", "/status/{code}", answer_status)
    app.router.add_route("*", "/bytes/{size}", answer_bytes)
    app.router.add_route("*", "/gzip/{size}", answer_gzip)
    app.router.add_route("*", "/chunked/{size}", answer_chunked)
    app.router.add_route("*", "/slow/{seconds}", answer_slowly)
    app.router.add_route("*", "/empty", answer_nothing)
    app.router.add_get("/ws", talk)
    app.router.add_route("*", "/{rest:.*}", echo)
    return app


def read_certificate(files: list[str]) -> ssl.SSLContext | None:
    """What HTTPS is spoken with; without files it is HTTP."""
    if not files:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    return context


if __name__ == "__main__":
    port, tls = int(sys.argv[1]), read_certificate(sys.argv[2:])
    web.run_app(build(), host="127.0.0.1", port=port, ssl_context=tls, print=None, keepalive_timeout=60)
