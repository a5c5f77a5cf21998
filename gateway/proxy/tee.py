"""What passes through an exchange that is to be copied: the request's body and the answer, up to a bound.

All that one worker keeps is bounded together (`Allowance`): many slow requests at once must not take its memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.shadowing import Reply
from gateway.proxy.kept import KeptBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.responses import ResponseHead
    from gateway.proxy.order import Ticket

ALLOWED_BYTES: Final = 64 * 1024 * 1024
"""Of all bodies that one worker keeps for copies. What comes beyond is not copied."""


class Allowance:
    """How much may still be kept, and how many copies are under way or wait for others, of all generations."""

    __slots__ = ("copies", "left_bytes")

    def __init__(self, left_bytes: int = ALLOWED_BYTES) -> None:
        self.left_bytes = left_bytes
        self.copies = 0


class Tee:
    """See the module. Each body has ``bound_bytes``; one that is longer is not kept at all.

    What is kept counts until everyone who called `hold` has called `release`; who makes it holds it. ``take_ticket``
    is asked when the answer begins, before the client can know of it.
    """

    __slots__ = (
        "_allowance",
        "_body",
        "_head",
        "_holders",
        "_kept_bytes",
        "_take_ticket",
        "is_answered",
        "is_crowded_out",
        "request",
        "status",
        "ticket",
    )

    def __init__(self, bound_bytes: int, allowance: Allowance, take_ticket: Callable[[], Ticket] | None = None) -> None:
        self.request = KeptBody(bound_bytes)
        self.status = 0
        self.is_answered = False
        """Whether the answer has come as a whole."""
        self.is_crowded_out = False
        """Whether the worker had no room for more."""
        self.ticket: Ticket | None = None
        """Of a request whose copy has its place in the order of its key."""
        self._allowance = allowance
        self._take_ticket = take_ticket
        self._kept_bytes = 0
        self._holders = 1
        self._head = b""
        self._body = KeptBody(bound_bytes)

    @property
    def is_whole(self) -> bool:
        """Whether neither body was too long."""
        return self.request.is_whole and self._body.is_whole

    @property
    def reply(self) -> Reply:
        """The answer, as far as it has come."""
        return Reply(self.status, self._head, self._body.content)

    def add_to_request(self, payload: bytes, trailers: bytes) -> None:
        """A part of the request's body has come."""
        if self._keep(payload):
            self.request.add(payload, trailers)

    def begin_answer(self, response: ResponseHead) -> None:
        """The head of the answer has come. An interim one is none."""
        self.status, self._head = response.status, response.head
        if self._take_ticket is not None:
            self.ticket = self._take_ticket()

    def add(self, payload: bytes, *, is_done: bool) -> None:
        """A part of the answer's body has come."""
        if payload and self._keep(payload):
            self._body.add(payload, b"")
        self.is_answered = is_done

    def hold(self) -> None:
        """One more needs what is kept."""
        self._holders += 1

    def release(self) -> None:
        """One of the holders needs it no longer."""
        self._holders -= 1
        if not self._holders:
            self._allowance.left_bytes += self._kept_bytes
            self._kept_bytes = 0

    def _keep(self, payload: bytes) -> bool:
        if self.is_crowded_out or len(payload) > self._allowance.left_bytes:
            self.is_crowded_out = True
            return False
        if self._holders:
            self._allowance.left_bytes -= len(payload)
            self._kept_bytes += len(payload)
        return True
