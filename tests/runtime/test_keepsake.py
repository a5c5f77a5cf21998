"""The last good configuration outlives whoever wrote it, and is never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.keepsake import Keepsake, Kept


@pytest.fixture
def keepsake() -> Iterator[Keepsake]:
    """An empty one."""
    keepsake = Keepsake(Kept)
    yield keepsake
    keepsake.close()


def kept(text: str) -> Kept:
    """A configuration with that text."""
    return Kept(text=text, file="gateway.yaml", loaded_at=1.5, drain_seconds=30.0)


def test_nothing_is_there_before_the_first(keepsake: Keepsake) -> None:
    """An empty keepsake says so."""
    assert keepsake.newest() is None


def test_the_newest_counts(keepsake: Keepsake) -> None:
    """Each configuration replaces the one before."""
    for text in ("one", "two", "three"):
        keepsake.put(kept(text))

        assert keepsake.newest() == kept(text)


def test_a_child_that_is_killed_after_writing_leaves_it_behind(keepsake: Keepsake) -> None:
    """What one process put, another finds: the memory is shared through fork."""
    pid = os.fork()
    if pid == 0:
        keepsake.put(kept("from the child"))
        os._exit(0)
    os.waitpid(pid, 0)

    assert keepsake.newest() == kept("from the child")


@given(cut=st.integers(min_value=0, max_value=60), text=st.text(max_size=30))
def test_a_record_torn_anywhere_leaves_the_one_before(cut: int, text: str) -> None:
    """A process killed in the middle of writing loses its own record only."""
    keepsake = Keepsake(Kept)
    keepsake.put(kept("before"))
    keepsake.put(kept("torn" + text))
    torn = keepsake._files[1]
    os.ftruncate(torn, min(cut, os.fstat(torn).st_size - 1))

    assert keepsake.newest() == kept("before")
    keepsake.put(kept("after"))
    assert keepsake.newest() == kept("after")
    keepsake.close()


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_record_with_one_wrong_byte_is_not_believed(place: int, change: int) -> None:
    """The checksum covers number, length and content."""
    keepsake = Keepsake(Kept)
    keepsake.put(kept("before"))
    keepsake.put(kept("damaged"))
    damaged = keepsake._files[1]
    offset = place % os.fstat(damaged).st_size
    byte = os.pread(damaged, 1, offset)[0]
    os.pwrite(damaged, bytes([byte ^ change]), offset)

    assert keepsake.newest() == kept("before")
    keepsake.close()


def test_memory_is_bounded_by_two_configurations(keepsake: Keepsake) -> None:
    """A thousand reloads take no more than two."""
    for number in range(1000):
        keepsake.put(kept("x" * 1000 + str(number)))

    assert sum(os.fstat(fd).st_size for fd in keepsake._files) < 2 * 1200
