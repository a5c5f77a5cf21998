"""Every way of replacing a file is seen, and half a file is not taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.watcher import SETTLE_SECONDS, Settling, Watcher, directories

PATIENCE_SECONDS = 20.0


async def next_change(watcher: Watcher, change: Callable[[], None]) -> bytes:
    """Begin to watch, make the change, and wait for word of it."""
    async with contextlib.aclosing(watcher.changes()) as changes:
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0.1)  # lets the watch begin; what comes before is caught by polling
        await asyncio.to_thread(change)
        return await asyncio.wait_for(waiting, PATIENCE_SECONDS)


def write(path: Path, content: bytes) -> None:
    """Truncate and write."""
    path.write_bytes(content)


def rename_over(path: Path, content: bytes) -> None:
    """As most editors do."""
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.rename(path)


def remove_and_make_again(path: Path, content: bytes) -> None:
    """The file is gone for a moment."""
    path.unlink()
    path.write_bytes(content)


def replace_directory(path: Path, content: bytes) -> None:
    """The whole directory is gone for a moment."""
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_bytes(content)


@pytest.mark.parametrize("replace", [write, rename_over, remove_and_make_again, replace_directory])
async def test_new_content_is_seen(tmp_path: Path, replace: Callable[[Path, bytes], None]) -> None:
    """Whatever a tool does to replace the file."""
    path = tmp_path / "etc" / "gateway.yaml"
    path.parent.mkdir()
    path.write_bytes(b"old")

    assert await next_change(Watcher(path, b"old"), lambda: replace(path, b"new")) == b"new"


async def test_a_symlink_swap_is_seen_each_time(tmp_path: Path) -> None:
    """Kubernetes replaces the directory that ``..data`` points to; watching one inode would see the first swap only."""
    path = tmp_path / "gateway.yaml"
    path.symlink_to(Path("..data") / "gateway.yaml")
    mount(tmp_path, b"0")
    watcher = Watcher(path, b"0")
    for content in (b"1", b"2", b"3"):
        assert await next_change(watcher, lambda content=content: mount(tmp_path, content)) == content  # type: ignore[misc]


def mount(root: Path, content: bytes) -> None:
    """Swap ``..data`` as the kubelet does."""
    version = root / f"..version-{content.decode()}"
    version.mkdir()
    (version / "gateway.yaml").write_bytes(content)
    (root / "..next").symlink_to(version.name)
    (root / "..next").rename(root / "..data")


async def test_only_content_counts(tmp_path: Path) -> None:
    """A touched file is not a change; the next real one is."""
    path = tmp_path / "gateway.yaml"
    path.write_bytes(b"same")

    def touch_then_change() -> None:
        os.utime(path)
        path.write_bytes(b"same")
        path.write_bytes(b"other")

    assert await next_change(Watcher(path, b"same"), touch_then_change) == b"other"


@pytest.mark.parametrize("turns", range(12))
async def test_it_ends_when_it_is_told_to(tmp_path: Path, turns: int) -> None:
    """Also where that comes at the moment of a notice."""
    path = tmp_path / "gateway.yaml"
    path.write_bytes(b"old")
    watcher = Watcher(path, b"old")

    async def follow() -> None:
        async with contextlib.aclosing(watcher.changes()) as changes:
            async for _ in changes:
                pass

    following = asyncio.ensure_future(follow())
    while not watcher._notice._waiters:
        await asyncio.sleep(0.001)
    watcher._notice.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait([following], timeout=PATIENCE_SECONDS)

    assert following.cancelled()


def test_content_is_taken_after_two_equal_looks() -> None:
    """One look is not enough: the writer may not be done."""
    settling = Settling(b"old")

    assert settling.look(b"new", now=1.0) is None
    assert settling.is_restless
    assert settling.look(b"new", now=1.0 + SETTLE_SECONDS / 2) is None
    assert settling.look(b"new", now=1.0 + SETTLE_SECONDS) == b"new"
    assert not settling.is_restless
    assert settling.look(b"new", now=2.0) is None


def test_a_file_that_grows_is_left_alone_until_it_rests() -> None:
    """A file written in pieces is taken whole."""
    settling = Settling(b"old")
    looks = [settling.look(b"x" * size, now=size * SETTLE_SECONDS) for size in range(1, 20)]

    assert looks == [None] * 19
    assert settling.look(b"x" * 19, now=20.5 * SETTLE_SECONDS) == b"x" * 19


def test_a_change_that_was_taken_back_is_none() -> None:
    """Back to what is in force before it settled: nothing happened."""
    settling = Settling(b"old")
    settling.look(b"new", now=1.0)

    assert settling.look(b"old", now=2.0) is None
    assert not settling.is_restless


def test_an_absent_file_is_no_change() -> None:
    """Between unlink and create there is nothing to take."""
    settling = Settling(b"old")

    assert settling.look(None, now=1.0) is None
    assert not settling.is_restless


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.floats(0.01, 0.3))))
def test_what_is_taken_has_been_seen_twice_in_a_row(looks: list[tuple[bytes | None, float]]) -> None:
    """No sequence of looks makes it believe content that stood for less than the settling time."""
    settling, now, since, last = Settling(b"a"), 0.0, 0.0, object()
    for content, pause in looks:
        now += pause
        since = since if content == last else now
        last = content
        taken = settling.look(content, now)

        assert taken is None or (taken == content and now - since >= SETTLE_SECONDS)


def test_every_directory_on_the_way_is_watched(tmp_path: Path) -> None:
    """That of the file, those of each symlink, and the one where it really is."""
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"")
    (tmp_path / "links" / "hop").symlink_to(tmp_path / "real" / "file")
    (tmp_path / "start").symlink_to(Path("links") / "hop")

    assert set(directories(tmp_path / "start")) == {tmp_path, tmp_path / "links", tmp_path / "real"}


def test_a_circle_of_symlinks_ends(tmp_path: Path) -> None:
    """A broken set-up is no endless loop."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert set(directories(tmp_path / "a")) == {tmp_path}
