"""What one writes first: aiohttp's server before aiohttp's client, the share by CRC of the key.

``python -m bench.proxies.plain_aiohttp PORT BASELINE_PORT CANDIDATE_PORT POOL [CERTIFICATE]``
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import uuid
import zlib

import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from bench.proxies.setup import IDLE_SECONDS, Command, Setup

HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "transfer-encoding", "upgrade"})
OF_THE_CONNECTION = HOP_BY_HOP | {"date", "server"}


def plain_aiohttp(setup: Setup) -> Command:
    """The command that runs this module."""
    numbers = [setup.port, setup.baseline_port, setup.candidate_port, setup.pool]
    certificate = [str(setup.certificate)] if setup.case.tls else []
    return [sys.executable, "-m", "bench.proxies.plain_aiohttp", *map(str, numbers), *certificate]


class Relay:
    """Passes each request on to one of two ports."""

    def __init__(self, session: ClientSession, baseline_port: int, candidate_port: int) -> None:
        self.session = session
        self.ports = (baseline_port, candidate_port)

    async def relay(self, request: web.Request) -> web.StreamResponse:
        """Send the request on, stream the answer back."""
        request_id = request.headers.get("X-Request-ID") or uuid.uuid4().hex
        port = self.ports[zlib.crc32(request.headers.get("X-User-ID", "").encode()) % 100 < 50]
        async with self.session.request(
            request.method,
            f"http://127.0.0.1:{port}{request.path_qs}",
            headers=_outgoing(request, request_id),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in OF_THE_CONNECTION}
            response = web.StreamResponse(status=answer.status, headers=headers | {"X-Request-ID": request_id})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


def _outgoing(request: web.Request, request_id: str) -> dict[str, str]:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
    return headers | {
        "X-Request-ID": request_id,
        "X-Forwarded-For": request.remote or "",
        "X-Forwarded-Proto": request.scheme,
        "X-Forwarded-Host": request.host,
    }


async def serve(port: int, baseline_port: int, candidate_port: int, pool: int, certificate: str | None = None) -> None:
    """Serve until cancelled."""
    connector = TCPConnector(limit=pool, keepalive_timeout=IDLE_SECONDS)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False) as session:
        relay = Relay(session, baseline_port, candidate_port)
        runner = web.ServerRunner(web.Server(relay.relay, keepalive_timeout=IDLE_SECONDS, access_log=None))  # type: ignore[arg-type]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=_tls(certificate), backlog=4096).start()
        await asyncio.Event().wait()


def _tls(certificate: str | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


if __name__ == "__main__":
    listen, baseline, candidate, pool = map(int, sys.argv[1:5])
    uvloop.run(serve(listen, baseline, candidate, pool, *sys.argv[5:]))
