"""Records come back as they were, and nothing else is taken for one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.records import (
    FRAME,
    Begun,
    CorruptRecord,
    Entry,
    EntryId,
    Heading,
    Record,
    Settled,
    Taken,
    checksum,
    decode,
    encode,
    strip_secrets,
)
from tests.journal.entries import entry

ids = st.builds(EntryId, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
times = st.integers(0, 2**63 - 1)
entries = st.builds(
    Entry,
    id=ids,
    time_ns=times,
    route=st.text(max_size=5),
    rollout=st.text(max_size=5),
    key=st.integers(0, 2**64 - 1),
    request_id=st.text(max_size=5),
    method=st.text(max_size=5),
    target=st.binary(max_size=9),
    head=st.binary(max_size=9),
    body=st.binary(max_size=99),
    status=st.integers(100, 599),
)
records = st.one_of(
    entries,
    st.builds(Heading, st.text(max_size=5), st.text(max_size=5)),
    st.builds(Taken, ids, times),
    st.builds(Begun, ids, times),
    st.builds(Settled, ids, times, st.integers(100, 599)),
)


@given(record=records)
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    """Of its own kind, with every byte."""
    frame = encode(record)
    length, expected = FRAME.unpack(frame[: FRAME.size])

    assert length == len(frame) - FRAME.size
    assert checksum(length, frame[FRAME.size :]) == expected
    assert decode(frame[FRAME.size :]) == record


def test_zeros_are_no_record() -> None:
    """A file system may leave them where a record was to be: their checksum is not zero."""
    assert checksum(0, b"") != 0


@pytest.mark.parametrize("payload", [b"", b"\x00", msgspec.msgpack.encode([99, "a"]), msgspec.msgpack.encode([2, 1])])
def test_what_another_version_wrote_is_refused(payload: bytes) -> None:
    """It is not guessed at."""
    with pytest.raises(CorruptRecord):
        decode(payload)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "PROXY-AUTHORIZATION", "Cookie", "cookie "])
def test_what_proves_who_a_client_is_is_left_out(name: str) -> None:
    """Whatever its case; its neighbours stay, and so does what only looks like it."""
    head = f"Host: a\r\n{name}: secret\r\nX-Cookie: 1\r\nX-Note: Cookie: 2\r\n".encode()

    assert strip_secrets(head) == b"Host: a\r\nX-Cookie: 1\r\nX-Note: Cookie: 2\r\n"


def test_an_id_reads_well() -> None:
    """The writer's number, then which of its entries."""
    assert str(entry(12).id) == "0000000000000007-12"
