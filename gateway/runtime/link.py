"""The link between controller and workers: typed messages in length-prefixed msgpack frames.

::

    controller ── NewTable, Recorded ───────────────────────────────────────▶ worker
    controller ◀── Hello, Applied, Status, Counts, Traced, Failed, Waiting ── worker

    controller ── NewTable, Recorded, Known ───────────────────────────────▶ comparer
    controller ◀── Hello, Applied, Counts, Tallied ───────────────────────── comparer

A frame is four bytes of length (unsigned, big-endian) and that many bytes of msgpack. A frame that is empty, too large
or not understood is a `LinkError`: the connection is dropped and made anew, which brings both ends to a known state
(the worker introduces itself, the controller sends the newest table and says up to where it has recorded this worker's
counts). A worker has one batch of counts under way at a time, and sends it again on a new connection until it hears
that it was recorded: nothing is lost or counted twice.

Both ends are processes of one gateway, so there is no version to negotiate. The socket is an abstract one, which any
local user could connect to: `check_peer` lets in only our own.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from gateway.core.failures import FailedRequest
from gateway.core.figures import Counted, Subject
from gateway.core.histogram import Buckets
from gateway.core.tallies import PathTally
from gateway.core.trace_context import TracedRequest
from gateway.core.types import Table
from gateway.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_LIMIT_BYTES = 64 * 1024 * 1024
"""Far above any real table (10,000 routes are about 2 MiB), far below what would hurt."""

_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The base of all messages: immutable, and named on the wire by its class."""


class NewTable(Message, frozen=True):
    """Down: serve by ``table`` from now on, and say `Applied` with ``serial`` when you do."""

    serial: int
    """Grows with every table, across restarts of the controller too."""
    table: Table


class Hello(Message, frozen=True):
    """Up, first on every connection: who is there, and which revision it serves ("" for none yet)."""

    slot: int
    pid: int
    revision: str
    run: int
    """Names this process: unlike a pid, no other has ever had it."""


class Applied(Message, frozen=True):
    """Up: every request that begins from now on is served by the table with this serial."""

    serial: int


class Status(Message, frozen=True):
    """Up: how the worker stands; sent when it has changed, at most four times a second."""

    connections: int
    in_flight: int
    endpoints: dict[str, dict[str, bool]]
    """Per backend and endpoint URL, whether it is healthy."""
    draining: bool = False
    backend_connections: int = 0
    link_dropped: int = 0
    """Messages of this worker that the link could not take in time."""
    log_dropped: int = 0
    """Lines of the access log that could not be written in time."""
    traced_dropped: int = 0
    """Traced requests that were lost before the controller heard of them."""
    journal_dropped: int = 0
    """Writes that only the candidate took and that the journal does not have."""
    journal_bytes: Mapping[str, int] = {}
    """How much each route's journal holds, of all workers together."""


class Counts(Message, frozen=True):
    """Up: what the worker counted since the batch before."""

    sequence: int
    """From 1; a batch that is sent again keeps its number."""
    counted: tuple[Counted, ...]
    serial: int = 0
    """Of the table that was in force when the counting of this batch began: the lowest of all while it lasted."""


class Traced(Message, frozen=True):
    """Up: the requests that were traced since the message before. They may be lost, and are then counted as dropped."""

    requests: tuple[TracedRequest, ...]


class Failed(Message, frozen=True):
    """Up: some of the requests that the candidate failed since the message before. They may be lost."""

    requests: tuple[FailedRequest, ...]


class Waiting(Message, frozen=True):
    """Up, once a second while there are any, and once more: how long requests wait for their backend's header."""

    ages: dict[Subject, Buckets]
    """Of those that have waited for over a second. It replaces what was said before, and may be lost."""


class Seen(Message, frozen=True):
    """Up, once a second while there are any: the places of users who were not seen lately. It may be lost."""

    places: dict[str, tuple[float, ...]]
    """By rollout; see `gateway.core.crowd`."""


class Tallied(Message, frozen=True):
    """Up, of the comparer: what comparing has found since the message before. It may be lost."""

    paths: tuple[PathTally, ...]


class Known(Message, frozen=True):
    """Down, to the comparer, between its `Hello` and `Recorded`: what was found before, without samples."""

    paths: tuple[PathTally, ...]


class Recorded(Message, frozen=True):
    """Down: this worker's counts are recorded up to the batch with this number; the answer to `Hello` and `Counts`."""

    sequence: int


Down = NewTable | Recorded | Known
Up = Hello | Applied | Status | Counts | Traced | Failed | Waiting | Tallied | Seen

COMPARER_SLOT = -1
"""The ``slot`` by which the comparer introduces itself: to the controller it is a worker that serves nobody."""


def pack(message: Message) -> bytes:
    """The frame of ``message``. Raises `LinkError` when it is over `FRAME_LIMIT_BYTES`."""
    return frame(msgspec.msgpack.encode(message), type(message).__name__)


def frame(payload: bytes, name: str) -> bytes:
    """The frame of ``payload``, a message of this name. Raises `LinkError` when it is over `FRAME_LIMIT_BYTES`."""
    if len(payload) > FRAME_LIMIT_BYTES:
        msg = f"a {name} of {len(payload)} bytes is over the link's limit of {FRAME_LIMIT_BYTES}"
        raise LinkError(msg)
    return _LENGTH.pack(len(payload)) + payload


class Frames:
    """Cuts a byte stream into frames' payloads, however the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield every payload that ``chunk`` completes. Raises `LinkError` on an impossible length."""
        self._buffer += chunk
        while (end := self._end()) and len(self._buffer) >= end:
            payload = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield payload

    @property
    def is_torn(self) -> bool:
        """Whether the stream stopped inside a frame."""
        return bool(self._buffer)

    def _end(self) -> int:
        """Where the first frame ends; 0 when its length is not here yet."""
        if len(self._buffer) < _LENGTH.size:
            return 0
        (length,) = _LENGTH.unpack_from(self._buffer)
        if not 0 < length <= FRAME_LIMIT_BYTES:
            msg = f"a frame of {length} bytes"
            raise LinkError(msg)
        return _LENGTH.size + int(length)


def peer_credentials(peer: socket.socket) -> tuple[int, int]:
    """(pid, uid) of the other end: of a client when it connected, of a server when it began to listen (unix(7))."""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(credentials)
    return pid, uid


def check_peer(peer: socket.socket, user: int) -> None:
    """Raise `LinkError` unless the other end belongs to ``user``.

    Its process says nothing: that of a listening socket is the last that called listen(2), so now the master, now a
    controller that may be dead already.
    """
    peer_pid, peer_user = peer_credentials(peer)
    if peer_user != user:
        msg = f"process {peer_pid} of user {peer_user} is not part of this gateway"
        raise LinkError(msg)
