"""Every error that Crossfade raises on purpose, drawn as a tree.

::

    GatewayError
    ├── ConfigError            a configuration file that can't be used; carries every problem found
    ├── CommandError           a command that failed for a reason the user can mend
    ├── UnknownRollout         a name that no rollout of the configuration has
    ├── WrongAction            an action that does not fit how a rollout stands
    ├── BadValue               a value that can't be taken; names the field
    ├── StoreUnavailable       what outlives the gateway can't be read or written now
    ├── StoreConflict          somebody else has moved the rollout meanwhile; carries the newest version
    ├── Fenced                 somebody else conducts the rollouts by now
    ├── KeysUnavailable        the keys that tokens are signed with can't be had now
    ├── LinkError              a message between our processes that can't be read
    └── ProxyError             a request that ends with an answer of the gateway's own
        ├── BadRequest         400  client   ambiguous or malformed HTTP
        ├── NoRoute            404  client   nothing in the table matches
        ├── RequestTimeout     408  client   the request did not arrive in time
        ├── BodyTooLarge       413  client   over ``server.limits.body``
        ├── HeadTooLarge       431  client   over ``server.limits.header_bytes`` or ``header_count``
        ├── BackendError       502  backend  see its kinds
        ├── Stopping           503  gateway  cut off: the drain's time was over
        ├── Overloaded         503  gateway  no connection to the backend came free in time
        └── BackendTimeout     504  backend  no answer in time

Each `ProxyError` knows whose fault it is (``source``), the status that the client gets, the title of its problem
document (RFC 9457), and, for backend faults, the ``kind`` that metrics and rules count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Source = Literal["client", "backend", "gateway"]
BackendFault = Literal["connect", "timeout", "reset", "protocol"]


class GatewayError(Exception):
    """The root: catch it to catch all that Crossfade raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault in a configuration file, at a place that an editor can jump to."""

    line: int
    """1 for the first line; 0 when the problem belongs to the file as a whole."""
    column: int
    path: str
    """Where in the document: ``rollouts.checkout.percent``."""
    message: str
    """What is wrong and what is allowed."""

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}: " if self.line else ""
        where = f"{self.path}: " if self.path else ""
        return f"{place}{where}{self.message}"


class ConfigError(GatewayError):
    """A configuration that can't be used. Nothing of it takes effect."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(problems)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """Every problem as ``FILE:LINE:COLUMN: path.to.field: message``; of the file as a whole ``FILE: message``."""
        return [f"{self.file}:{'' if problem.line else ' '}{problem}" for problem in self.problems]


class CommandError(GatewayError):
    """A command failed for a reason that one line explains."""


class UnknownRollout(GatewayError):
    """No rollout of the configuration has this name."""


class WrongAction(GatewayError):
    """What was asked does not fit how the rollout stands; the message says why."""


class BadValue(GatewayError):
    """A value that can't be taken. ``field`` names it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class StoreUnavailable(GatewayError):
    """The store can't be read or written now; nothing was changed."""


class StoreConflict(GatewayError):
    """A rollout is further than what a move was based on; nothing was changed. ``newest`` is its version."""

    def __init__(self, rollout: str, newest: int) -> None:
        self.newest = newest
        super().__init__(f"`{rollout}` has moved on meanwhile: it is at version {newest} by now; look again")


class Fenced(GatewayError):
    """Whoever wrote held a lease that somebody else has taken since; nothing was changed."""


class KeysUnavailable(GatewayError):
    """The keys that tokens are verified by can't be had now."""


class LinkError(GatewayError):
    """A message between our own processes is torn or too large."""


class MalformedMessage(GatewayError):
    """Bytes that are not HTTP/1.1, from either side. It becomes a `BadRequest` or a `BackendError`."""


class ProxyError(GatewayError):
    """A request that the gateway answers itself. ``detail`` is shown to the client, so it names no inner address."""

    status: ClassVar[int]
    title: ClassVar[str]
    source: ClassVar[Source]
    kind: BackendFault | None = None

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class BadRequest(ProxyError):
    """Malformed or ambiguous HTTP: refused, never repaired (RFC 9112, section 11.2)."""

    status, title, source = 400, "Bad Request", "client"


class NoRoute(ProxyError):
    """No route matches the request."""

    status, title, source = 404, "Not Found", "client"


class RequestTimeout(ProxyError):
    """The client did not send its request in time."""

    status, title, source = 408, "Request Timeout", "client"


class BodyTooLarge(ProxyError):
    """The request's body is over ``server.limits.body``."""

    status, title, source = 413, "Content Too Large", "client"


class HeadTooLarge(ProxyError):
    """The request's head is over ``server.limits.header_bytes`` or ``header_count``."""

    status, title, source = 431, "Request Header Fields Too Large", "client"


class BackendError(ProxyError):
    """The backend refused, broke off, or spoke something that is not HTTP; ``kind`` says which."""

    status, title, source = 502, "Bad Gateway", "backend"

    def __init__(self, detail: str, kind: BackendFault) -> None:
        super().__init__(detail)
        self.kind = kind


class Overloaded(ProxyError):
    """Every connection that the backend may have is busy, and none came free within ``timeouts.connect``."""

    status, title, source = 503, "Service Unavailable", "gateway"


class Stopping(ProxyError):
    """The gateway stops, and the time that it waits for requests under way is over."""

    status, title, source = 503, "Service Unavailable", "gateway"


class BackendTimeout(ProxyError):
    """The backend did not answer within ``timeouts.response``, or made no progress for ``timeouts.idle``."""

    status, title, source = 504, "Gateway Timeout", "backend"
    kind: BackendFault = "timeout"
