"""What passes through an exchange that is to be copied: the request's body and the answer, up to a bound.

All that one worker keeps is bounded together (`Allowance`), the answers to copies included: many slow requests at once
must not take its memory.
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

TOO_LARGE: Final = "body_size"
"""The reason where a body is over the bound."""

NO_ROOM: Final = "concurrency"
"""The reason where there are too many at once."""


class Allowance:
    """How much may still be kept, and how many copies are under way or wait for others, of all generations."""

    __slots__ = ("copies", "left_bytes")

    def __init__(self, left_bytes: int = ALLOWED_BYTES) -> None:
        self.left_bytes = left_bytes
        self.copies = 0


class CountedBody(KeptBody):
    """A body that counts against an allowance as long as it is kept."""

    __slots__ = ("_allowance", "lack")

    def __init__(self, bound_bytes: int, allowance: Allowance) -> None:
        super().__init__(bound_bytes)
        self._allowance = allowance
        self.lack = TOO_LARGE
        """Of one that is not whole: the reason for a copy that there could not be."""

    def add(self, payload: bytes, trailers: bytes) -> None:
        """As any body's, if there is room for it."""
        if self.is_whole and len(payload) > self._allowance.left_bytes:
            self.lack = NO_ROOM
            self.drop()
            return
        super().add(payload, trailers)
        if self.is_whole:
            self._allowance.left_bytes -= len(payload)

    def drop(self) -> None:
        """Keep nothing of it, and make room for others."""
        self._allowance.left_bytes += self.kept_bytes
        super().drop()


class Tee:
    """See the module. Each body has ``bound_bytes``; one that is longer is not kept at all.

    What is kept counts until everyone who called `hold` has called `release`; who makes it holds it. ``take_ticket``
    is asked when the answer begins, before the client can know of it.
    """

    __slots__ = (
        "_body",
        "_head",
        "_holders",
        "_take_ticket",
        "allowance",
        "is_answered",
        "request",
        "status",
        "ticket",
    )

    def __init__(self, bound_bytes: int, allowance: Allowance, take_ticket: Callable[[], Ticket] | None = None) -> None:
        self.allowance = allowance
        self.request = CountedBody(bound_bytes, allowance)
        self.status = 0
        self.is_answered = False
        """Whether the answer has come as a whole."""
        self.ticket: Ticket | None = None
        """Of a request whose copy has its place in the order of its key."""
        self._take_ticket = take_ticket
        self._holders = 1
        self._head = b""
        self._body = CountedBody(bound_bytes, allowance)

    @property
    def lack(self) -> str | None:
        """Why there is nothing to compare: a body of the two was too long; None where both are whole."""
        return next((body.lack for body in (self.request, self._body) if not body.is_whole), None)

    @property
    def reply(self) -> Reply:
        """The answer, as far as it has come."""
        return Reply(self.status, self._head, self._body.content)

    def begin_answer(self, response: ResponseHead) -> None:
        """The head of the answer has come. An interim one is none."""
        self.status, self._head = response.status, response.head
        if self._take_ticket is not None:
            self.ticket = self._take_ticket()

    def add(self, payload: bytes, *, is_done: bool) -> None:
        """A part of the answer's body has come."""
        if payload:
            self._body.add(payload, b"")
        self.is_answered = is_done

    def hold(self) -> None:
        """One more needs what is kept."""
        self._holders += 1

    def release(self) -> None:
        """One of the holders needs it no longer."""
        self._holders -= 1
        if not self._holders:
            self.request.drop()
            self._body.drop()
