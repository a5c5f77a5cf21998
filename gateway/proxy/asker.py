"""Whom connections to backends serve: an exchange, whose client waits, or a copy, which nobody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gateway.core.framing import Reader
    from gateway.core.responses import ResponseHead
    from gateway.errors import ProxyError
    from gateway.proxy.backend import BackendConnection


class Sender(Protocol):
    """Where the request's body comes from."""

    def pause_body(self) -> None:
        """The backend is slow to take it."""

    def resume_body(self) -> None:
        """It takes more."""


class Asker(Protocol):
    """One request to a backend, as its pool and connection see it; see `gateway.proxy.exchange.Exchange`."""

    @property
    def is_waiting(self) -> bool:
        """Whether a connection is still wanted."""

    @property
    def is_upgrade(self) -> bool:
        """Whether to switch protocols was asked for."""

    @property
    def is_request_sent(self) -> bool:
        """Whether nothing of the request will follow."""

    @property
    def client(self) -> Sender:
        """Where the request comes from."""

    def on_connection(self, connection: BackendConnection) -> None:
        """Here is the connection that was wanted."""

    def on_no_connection(self, error: ProxyError) -> None:
        """There will be none."""

    def on_informational(self, response: ResponseHead) -> None:
        """An interim response."""

    def on_response(self, response: ResponseHead, reader: Reader | None, payload: bytes, *, is_done: bool) -> None:
        """The answer's head, and what has come of its body."""

    def on_body(self, payload: bytes, *, is_done: bool, trailers: bytes = b"") -> None:
        """More of the body."""

    def on_switched(self, response: ResponseHead, rest: bytes) -> None:
        """The backend has switched protocols."""

    def on_backend_failed(self, error: ProxyError) -> None:
        """The connection is gone."""
