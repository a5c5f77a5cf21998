"""The sockets that a worker accepts on, and their certificates.

Accepting pauses while a worker has all the connections that it may have: the kernel then keeps newcomers in its queue.
The worker listens on a duplicate, so that closing it leaves the socket, and the queue, in place. A worker that stops
closes the socket, too: once the master has let go of it, newcomers are refused, and not kept waiting for nobody.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from gateway.proxy.client import ClientConnection

if TYPE_CHECKING:
    import socket

    from gateway.proxy.plane import DataPlane

_log = structlog.get_logger()

# Certificates are renewed some weeks before they end: nobody waits for the new one.
_CERTIFICATE_POLL_SECONDS: Final = 2.0

_HANDSHAKE_SECONDS: Final = 10.0
_BACKLOG: Final = 4096


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files."""

    cert: str
    key: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket that the master holds, and how it speaks."""

    socket: socket.socket
    tls: TlsFiles | None = None


class Acceptor:
    """Accepts for one listener."""

    def __init__(self, plane: DataPlane, listener: Listener) -> None:
        self._plane = plane
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._certificate = Certificate(listener.tls) if listener.tls is not None else None

    async def start(self) -> None:
        """Accept. Raises OSError or ssl.SSLError when the certificate can't be used."""
        if self._server is not None:
            return
        is_tls = self._certificate is not None
        if self._certificate is not None:
            self._certificate.watch()
        # Never wait here while holding a half-made server: pausing may come at any time.
        self._server = await self._plane.loop.create_server(
            lambda: ClientConnection(self._plane, is_tls=is_tls),
            sock=self._listener.socket.dup(),
            backlog=_BACKLOG,
            ssl=self._certificate.context if self._certificate is not None else None,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if is_tls else None,
        )

    def pause(self) -> None:
        """Accept nothing until `start`; connections that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def stop(self) -> None:
        """Accept nothing any more, and let go of the socket."""
        self.pause()
        self._listener.socket.close()
        if self._certificate is not None:
            self._certificate.unwatch()


class Certificate:
    """A server's certificate, read again when its files change.

    A failed ``load_cert_chain`` leaves a context unusable, so a changed pair is loaded into a fresh context, which then
    serves new handshakes in place of the first; a pair that does not load changes nothing.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._digest()
        self._current = self.context = _server_context(files)
        self.context.sni_callback = self._serve_current
        self._watching: asyncio.Task[None] | None = None

    def _serve_current(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._current

    def watch(self) -> None:
        """Look at the files from time to time."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="watch certificate")

    def unwatch(self) -> None:
        """Look no more."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATE_POLL_SECONDS)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Load the files again if they have changed."""
        try:
            seen = self._digest()
            if seen == self._seen:
                return
            self._current = _server_context(self._files)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; half-written files: look again next time
            _log.warning("certificate_refused", cert=self._files.cert, error=str(error))
            return
        self._seen = seen
        _log.info("certificate_reloaded", cert=self._files.cert)

    def _digest(self) -> bytes:
        digest = hashlib.sha256()
        for path in (self._files.cert, self._files.key):
            digest.update(Path(path).read_bytes())
        return digest.digest()


def _server_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.cert, files.key)
    context.set_alpn_protocols(["http/1.1"])
    return context
