"""What a journal's file is made of: frames, each with one record in it.

::

    file  = MAGIC frame*                      the first frame has a Heading
    frame = length(4) crc(4) payload          both little-endian; the payload is msgpack

The checksum (CRC-32, as zlib has it) covers the length and the payload, so neither a torn record nor a run of zeros,
which some file systems leave after a loss of power, can be taken for one. Nothing is ever written behind a torn record:
whoever finds one has found the end of what can be read of its file.

Authorization, Proxy-Authorization and Cookie never get into a record: `crossfade reconcile -H` supplies them.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

MAGIC: Final = b"crossfade-jrnl1\n"
"""At the beginning of each file; the digit is the format's version."""

FRAME: Final = Struct("<II")
"""Length and checksum, before each payload."""

_LENGTH: Final = Struct("<I")

_SECRETS: Final = re.compile(rb"(?im)^(?:authorization|proxy-authorization|cookie)[ \t]*:[^\n]*\n")


class CorruptRecord(ValueError):
    """A payload whose checksum is right, and that is no record: another version wrote it."""


class EntryId(NamedTuple):
    """Unlike any other's."""

    run: int
    """The writer's: 63 random bits."""
    sequence: int
    """Which of its entries it is, from 1."""

    def __str__(self) -> str:
        return f"{self.run:016x}-{self.sequence}"


class Heading(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """What a file is about. Of a file of marks only ``rollout`` is set."""

    route: str
    rollout: str


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1, kw_only=True):
    """A write that the candidate alone answered, as the baseline would get it."""

    id: EntryId
    time_ns: int
    """When the candidate had answered, in nanoseconds since the epoch, by a clock that all processes share and that
    never goes back: it gives the order of what several workers wrote."""
    route: str
    rollout: str
    key: int
    """The hash of the request's key, 64 bits; 0: it had none."""
    request_id: str
    method: str
    target: bytes
    """Rewritten for the baseline."""
    head: bytes
    """Its field lines, rewritten for the baseline, each with its CR LF; without framing and hop-by-hop fields."""
    body: bytes
    """Without its transfer coding, with its content coding."""
    status: int
    """What the candidate answered."""


class Taken(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """The baseline has had this entry: it was copied to it."""

    id: EntryId
    time_ns: int


class Begun(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """This entry is on its way to the baseline: without a `Settled` nobody knows whether it came there."""

    id: EntryId
    time_ns: int


class Withdrawn(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """This entry was begun, but has certainly not been applied: no connection, or an answer that says so."""

    id: EntryId
    time_ns: int


class Settled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """The baseline has answered this entry, for good."""

    id: EntryId
    time_ns: int
    status: int


Record = Heading | Entry | Taken | Begun | Withdrawn | Settled

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """The record's frame."""
    payload = _encoder.encode(record)
    length = len(payload)
    return FRAME.pack(length, checksum(length, payload)) + payload


def decode(payload: bytes) -> Record:
    """The record in a frame. Raises `CorruptRecord`."""
    try:
        record: Record = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptRecord(str(error)) from error
    return record


def checksum(length: int, payload: bytes) -> int:
    """What the frame of ``payload`` must hold."""
    return crc32(payload, crc32(_LENGTH.pack(length)))


def strip_secrets(head: bytes) -> bytes:
    """Field lines without those by which a client proves who it is."""
    return _SECRETS.sub(b"", head)
