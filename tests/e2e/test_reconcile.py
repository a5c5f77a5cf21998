"""After a rollback the baseline gets what the candidate alone took: each write once, in order, whatever was killed."""

from __future__ import annotations

import stat
from pathlib import Path

from gateway.control.replay import LANES
from tests.e2e.journaled import AUTHORIZATION, Journaled, count
from tests.e2e.writers import SECRET


def test_the_baseline_gets_each_write_once_in_order_whatever_is_killed(tmp_path: Path) -> None:
    """Workers and the controller while users write, and the controller amid reconciling; then nothing is left."""
    with Journaled(tmp_path) as journaled:
        journaled.write(users=6, writes=20)
        journaled.write(users=6, writes=30, kills=["w0", "contr", "w1"])
        written = count(journaled.written)
        assert written == 300
        check_files(journaled)
        journaled.roll_back()

        begin, *planned, end = journaled.call(is_dry=True)
        assert (begin["kind"], begin["unreadable"], begin["is_live"], end["kind"]) == ("begin", [], False, "end")
        assert {step["result"] for step in planned} == {"planned"}
        assert len(planned) == begin["total"] >= written
        assert journaled.baseline.asked == []

        assert journaled.reconcile_amid_kill(written // 3) == 1
        status, (*_, end) = journaled.reconcile()
        assert (status, end["refused"], end["failed"], end["left"], end["stopped"]) == (0, 0, 0, 0, "")
        assert 0 < end["applied"] < written
        journaled.check()
        assert 0 <= len(journaled.baseline.asked) - begin["total"] <= LANES  # those that were on their way at the kill
        assert {asked.text("Authorization") for asked in journaled.baseline.asked} == {AUTHORIZATION}

        asked = len(journaled.baseline.asked)
        *_, end = journaled.call()
        assert (end["applied"], end["failed"], len(journaled.baseline.asked)) == (0, 0, asked)


def check_files(journaled: Journaled) -> None:
    """They are for nobody else, and have what users wrote, but nothing by which they prove who they are."""
    folders = [path for path in journaled.folders_and_files if path.is_dir()]
    files = [path for path in journaled.folders_and_files if path.is_file()]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    content = b"".join(file.read_bytes() for file in files)
    for writer in journaled.writers:
        assert writer.written[-1].encode() in content
    assert SECRET.encode() not in content
