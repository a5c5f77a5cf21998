"""A baseline that answers users, a candidate that gets copies, and whoever takes the pairs; all in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gateway.core.shadowing import Compare, Shadow
from tests.proxy.pair import ALWAYS, Pair, connect
from tests.proxy.wiring import OK, MemoryTransport

if TYPE_CHECKING:
    from gateway.core.shadowing import Pair as Answers
    from gateway.proxy.backend import BackendConnection
    from gateway.proxy.lane import Lane

NEVER = replace(ALWAYS, percent=0.0)
READS = frozenset({"GET", "HEAD"})
WRITES = frozenset({"GET", "HEAD", "POST", "PUT"})
BODY_BYTES = 1000
TIMEOUT_SECONDS = 10.0
IDS = [b"%032x" % (number * 0x9E3779B97F4A7C15) for number in range(200)]
"""Of requests."""


def shadow(*, noise: float = 0.0, **changes: Any) -> Shadow:
    """Every GET and HEAD is copied, four at a time."""
    fields: dict[str, Any] = {
        "percent": 100.0,
        "methods": READS,
        "both": False,
        "body_bytes": BODY_BYTES,
        "concurrency": 4,
        "timeout_seconds": TIMEOUT_SECONDS,
        "compare": Compare(status=True, headers=(), noise=noise),
    }
    return Shadow(**fields | changes)


class Shelf:
    """Takes pairs as long as it has room, and keeps them."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.pairs: list[Answers] = []
        self.on_offer: Callable[[], object] = int
        """Called before each."""

    @property
    def has_room(self) -> bool:
        return len(self.pairs) < self.room

    def offer(self, pair: Answers) -> bool:
        self.on_offer()
        if self.has_room:
            self.pairs.append(pair)
            return True
        return False


class Sent:
    """One copy, as it arrives at the backend that it goes to."""

    def __init__(self, connection: BackendConnection, transport: MemoryTransport) -> None:
        self.connection = connection
        self.transport = transport
        self.exchange = connection.exchange
        self.written = b""

    @property
    def target(self) -> bytes:
        return self.written.split(b" ", 2)[1]

    @property
    def head(self) -> bytes:
        return self.written.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self) -> bytes:
        return self.written.partition(b"\r\n\r\n")[2]

    def answer(self, answer: bytes = OK) -> None:
        self.connection.data_received(answer)

    def break_off(self) -> None:
        """In the middle of an answer: before its first byte it may be that the connection was closed all along."""
        self.connection.data_received(b"HTTP/1.1 2")
        self.connection.connection_lost(None)


class Mirror(Pair):
    """See the module. Unless ``rollout`` is told, the baseline answers everybody."""

    def __init__(self, shelf: Shelf | None = None, **fields: Any) -> None:
        changes: dict[str, Any] = {"rollout": NEVER, "shadow": shadow()}
        self.shelf = shelf or Shelf()
        super().__init__(self.shelf, **changes | fields)
        self.sent: list[Sent] = []
        """Copies to the candidate, in order."""
        self.sent_back: list[Sent] = []
        """Copies to the baseline."""
        self.open_lanes()

    def lane(self, *, is_candidate: bool = True) -> Lane:
        """The copies to one of the backends."""
        assert self.plane.generation.copies is not None
        lane = self.plane.generation.copies.find_lane("all", is_candidate=is_candidate)
        assert lane is not None
        return lane

    def open_lanes(self) -> None:
        """As many connections for copies as there may be."""
        for is_candidate, sent in ((True, self.sent), (False, self.sent_back)):
            lane = self.lane(is_candidate=is_candidate)
            for _ in range(lane.shadow.concurrency - lane.pool.connections):
                connection, transport = connect(lane.pool)
                transport.on_write = partial(_note, sent, connection, transport)

    def lose_connections(self) -> None:
        """Of those for copies to the candidate, the idle ones are closed."""
        for connection in [*self.lane().pool.endpoints[0].idle]:
            connection.close()
            connection.connection_lost(None)

    def exchange(self, request: bytes | None = None, answer: bytes = OK, **asked: Any) -> MemoryTransport:
        """A request that the baseline answers at once; what its client gets."""
        client = self.ask(**asked) if request is None else self.send(request)
        self.baseline.data_received(answer)
        return client

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """What came of copies since the last look."""
        found: dict[tuple[str, str], int] = {}
        for subject, figures in self.take().items():
            if figures.copies:
                assert (subject.arm, subject.is_forced) == ("candidate", False)
            for outcome, count in figures.copies.items():
                found[outcome] = found.get(outcome, 0) + count
        return found

    @property
    def left_bytes(self) -> int:
        """Room for bodies."""
        return self.plane._allowance.left_bytes

    @property
    def under_way(self) -> int:
        """Copies that are, in this worker."""
        return self.plane._allowance.copies


def with_id(request_id: bytes) -> bytes:
    """The field that names a request."""
    return b"X-Request-ID: %b\r\n" % request_id


def long_answer(length: int) -> bytes:
    """An answer with so long a body."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length


def post(body: bytes = b"hello", *, user: str = "1", fields: bytes = b"", path: bytes = b"/a") -> bytes:
    """A write of a user's."""
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nX-User-ID: %b\r\nContent-Length: %d\r\n%b\r\n"
    return head % (path, user.encode(), len(body), fields) + body


def _note(sent: list[Sent], connection: BackendConnection, transport: MemoryTransport, written: bytes) -> None:
    """Tell what begins a copy, by whose it is, from what follows: a body may look like a head."""
    last = next((each for each in reversed(sent) if each.connection is connection), None)
    if last is None or connection.exchange not in {None, last.exchange}:
        last = Sent(connection, transport)
        sent.append(last)
    last.written += written
