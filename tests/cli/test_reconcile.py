"""`crossfade reconcile` says what was done, what was not, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
import pytest

from gateway.admin.fleet import JournalView
from gateway.cli import reconcile
from gateway.cli.admin import Admin
from gateway.cli.main import main
from gateway.cli.reconcile import Report, check, follow, list_cells, read_line, read_time
from gateway.control.replay import Begin, End, Line, Step
from gateway.errors import CommandError
from tests.cli.test_fleet import FLEET, REPLICA

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def begin(total: int = 3, **changes: Any) -> Begin:
    fields: dict[str, Any] = {
        "rollout": "checkout",
        "total": total,
        "skipped": 0,
        "unreadable": [],
        "is_live": False,
        "dry_run": False,
    }
    return Begin(**fields | changes)


def step(number: int, result: str = "applied", **changes: Any) -> Step:
    fields: dict[str, Any] = {
        "request_id": f"request-{number}",
        "route": "orders",
        "method": "POST",
        "target": "/api/orders",
        "time_ns": int(NOON.timestamp() * 1e9),
        "result": result,
        "status": 201,
    }
    return Step(**fields | changes)


def end(**changes: Any) -> End:
    return End(**{"applied": 0, "refused": 0, "failed": 0, "skipped": 0, "left": 0} | changes)


def encode(*lines: Line) -> list[bytes]:
    return [msgspec.json.encode(line) for line in lines]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, Any]]]:
    """An admin API that pours these lines; what it was asked."""

    def pour(*lines: Line | BaseException) -> list[tuple[str, Any]]:
        asked: list[tuple[str, Any]] = []

        def answer(_admin: Admin, path: str, body: object, take: Callable[[bytes], None]) -> None:
            asked.append((path, body))
            for line in lines:
                if isinstance(line, BaseException):
                    raise line
                take(msgspec.json.encode(line))

        monkeypatch.setattr(Admin, "pour", answer)
        monkeypatch.setattr(Admin, "get", lambda _admin, _path: msgspec.json.encode(FLEET))
        return asked

    return pour


def run(*arguments: str) -> int | str | None:
    """The exit status."""
    with pytest.raises(SystemExit) as ended:
        main(["reconcile", *arguments])
    return ended.value.code


def test_a_run_ends_with_a_report(gateway: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is a line for every tenth of the work."""
    asked = gateway(begin(2, skipped=4), step(1), step(2), end(applied=2, skipped=4))

    assert run("checkout", "-H", "Authorization: Bearer t", "--rate", "5") == 0
    out, err = capsys.readouterr()
    assert out == "2 applied, 0 refused, 0 failed, 4 skipped: the baseline has had them\n"
    assert err == "checkout: 2 writes that only the candidate took\n1 of 2\n2 of 2\n"
    assert asked == [
        (
            "/api/v1/rollouts/checkout/reconcile",
            {"since": "", "dry_run": False, "rate": 5.0, "headers": {"Authorization": "Bearer t"}},
        )
    ]


def test_a_run_ends_with_who_else_has_some(
    gateway: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the same rollout, on other gateways; whoever can't be asked for them has done its work all the same."""
    gateway(begin(1), step(1), end(applied=1))
    waits = [JournalView("checkout", 2, is_live=False), JournalView("search", 9, is_live=False)]
    replicas = [
        msgspec.structs.replace(REPLICA, replica=name, admin=f"http://{name}:9900", journal=waits)
        for name in (FLEET.replica, "two-b2")
    ]
    fleet = msgspec.json.encode(msgspec.structs.replace(FLEET, replicas=replicas))
    monkeypatch.setattr(Admin, "get", lambda _admin, _path: fleet)

    assert run("checkout") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "two-b2 has 2 writes of checkout to reconcile: crossfade reconcile checkout --admin http://two-b2:9900"
    ]
    monkeypatch.setattr(Admin, "get", lambda _admin, _path: b"none")
    assert run("checkout") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_was_refused_or_failed_is_listed(gateway: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit status says that something is left to do."""
    gateway(
        begin(3),
        step(1),
        step(2, "refused", status=409),
        step(3, "failed", status=None, reason="reset"),
        end(applied=1, refused=1, failed=1),
    )

    assert run("checkout") == 1
    out, err = capsys.readouterr()
    assert "request-1" not in out
    assert "POST /api/orders  request-2   refused  409" in out
    assert "request-3   failed" in out
    assert err.endswith(
        "crossfade: of the writes of `checkout` 1 failed and are tried again by the next run; "
        "1 were refused and need a look\n"
    )


def test_a_dry_run_lists_what_would_be_sent(gateway: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """And succeeds."""
    gateway(begin(1, dry_run=True), step(1, "planned", status=None), end(skipped=2))

    assert run("checkout", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "request-1" in out
    assert out.endswith("1 would be sent, 2 skipped: the baseline has had them\n")


def test_programs_get_every_line(gateway: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """As the API has them."""
    lines = begin(1), step(1), end(applied=1)
    gateway(*lines)

    assert run("checkout", "--json") == 0
    assert capsys.readouterr().out.splitlines() == [line.decode() for line in encode(*lines)]


def test_an_interrupted_run_can_be_gone_on_with(
    gateway: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so."""
    gateway(begin(2), step(1), KeyboardInterrupt())

    assert run("checkout") == 130
    assert "run it again" in capsys.readouterr().err


def test_a_gateway_that_breaks_off_is_not_taken_for_done() -> None:
    """The last line says what came of it; without that nobody knows."""
    for lines in ([], encode(begin(2), step(1))):

        def pour(take: Callable[[bytes], None], lines: list[bytes] = lines) -> None:
            for line in lines:
                take(line)

        with pytest.raises(CommandError, match="broke off"):
            follow(pour, lambda _line: None)
    with pytest.raises(CommandError, match="does not understand"):
        read_line(b'{"kind": "other"}')


def test_a_run_that_stopped_says_why() -> None:
    """And how much is left."""
    with pytest.raises(CommandError, match="stopped with 7 left: 20 writes in a row failed"):
        check(end(left=7, stopped="20 writes in a row failed"), "checkout")
    check(end(applied=5), "checkout")


def test_what_a_person_should_know_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    """That the candidate goes on taking writes, and that some of the journal is lost."""
    with ExitStack() as stack:
        report = Report(stack)
        (line,) = encode(begin(0, is_live=True, unreadable=["orders/1.journal: 5 bytes from 9 on"]))
        report.take(line)

    first, second, _ = capsys.readouterr().err.splitlines()
    assert "roll back first" in first
    assert "5 bytes from 9 on" in second


def test_a_write_that_was_on_its_way_before_says_so() -> None:
    """Whoever looks at a failure should know that it may have been applied."""
    cells = list_cells(step(1, "failed", reason="reset", is_again=True))

    assert list_cells(step(1, "refused", is_again=True))[-1] == "sent before, and perhaps applied then"
    assert cells[0] == "2026-01-01T12:00:00.000Z"
    assert cells[-1] == "reset; sent before, and perhaps applied then"


def test_a_long_list_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal has an end; programs get all."""
    monkeypatch.setattr(reconcile, "LISTED", 1)
    report = Report(ExitStack())
    for line in encode(begin(2), step(1, "failed"), step(2, "failed")):
        report.take(line)
    report.conclude(end(failed=2))

    assert "and 1 more; all of them with --json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ""),
        ("2h", "2026-01-01T10:00:00+00:00"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("1d", "2025-12-31T12:00:00+00:00"),
    ],
)
def test_a_time_may_be_so_long_ago(text: str, read: str) -> None:
    """Anything else is the gateway's to judge."""
    assert read_time(text, NOON) == read


@pytest.mark.parametrize("text", ["yesterday", "2 weeks"])
def test_what_is_no_time_is_wrong_usage(text: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(click.BadParameter):
        read_time(text, NOON)
