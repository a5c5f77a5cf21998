"""What passes through an exchange that is to be copied: the request's body and the answer, up to a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.shadowing import Reply
from gateway.proxy.kept import KeptBody

if TYPE_CHECKING:
    from gateway.core.responses import ResponseHead


class Tee:
    """See the module. Each body has ``bound_bytes``; one that is longer is not kept at all."""

    __slots__ = ("_body", "_head", "is_answered", "request", "status")

    def __init__(self, bound_bytes: int) -> None:
        self.request = KeptBody(bound_bytes)
        self.status = 0
        self.is_answered = False
        """Whether the answer has come as a whole."""
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

    def begin_answer(self, response: ResponseHead) -> None:
        """The head of the answer has come. An interim one is none."""
        self.status, self._head = response.status, response.head

    def add(self, payload: bytes, *, is_done: bool) -> None:
        """A part of the answer's body has come."""
        self._body.add(payload, b"")
        self.is_answered = is_done
