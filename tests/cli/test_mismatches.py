"""Mismatches on a terminal: what counts, what is noise, and samples of what counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from gateway.admin.answers import NDJSON
from gateway.admin.mismatches import MismatchList
from gateway.cli.mismatches import command, draw_findings, draw_totals, pass_on, show_value
from gateway.control.findings import CopyTotals, MismatchSample, MismatchView
from tests.cli.test_admin import answering

TOTALS = CopyTotals(match=17_500, mismatch=412, noise=88, error=3, skipped={"concurrency": 3, "body_size": 1_200})
SAMPLE = MismatchSample("req-1", "2026-11-21T10:15:00.000Z", 10.01, 10.02)


def finding(**changes: Any) -> MismatchView:
    """A price that is off now and then."""
    fields: dict[str, Any] = {
        "route": "orders",
        "path": "/orders/{id}",
        "field": "$.items[*].price",
        "kind": "value",
        "count": 412,
        "compared": 18_000,
        "rate": 412 / 18_000,
        "noise": False,
        "noise_rate": None,
        "samples": [SAMPLE],
        "counted": 412,
        "first_seen": "2026-11-21T10:00:00.000Z",
        "last_seen": SAMPLE.time,
    }
    return MismatchView(**fields | changes)


NOISE = finding(field="$.at", count=17_900, rate=0.994, noise=True, noise_rate=0.99, counted=0)
LIST = MismatchList([finding(), NOISE], 2, TOTALS)


def test_the_totals_say_what_was_compared_and_what_was_not() -> None:
    """With each reason, so that nobody takes the compared ones for all."""
    assert list(draw_totals(TOTALS, is_known=True)) == [
        "18,000 compared since the gateway started: 17,500 match, 412 mismatch, 88 differ in nothing but noise",
        "not compared: 3 errors; skipped: 1,200 body_size, 3 concurrency",
    ]


def test_without_comparisons_the_totals_say_so() -> None:
    """That nothing differs would be a poor way to put it, above a table of what does, too."""
    (nothing,) = draw_totals(CopyTotals(0, 0, 0, 0, {}), is_known=False)
    (waiting,) = draw_totals(CopyTotals(0, 0, 0, 0, {}), is_known=True)

    assert nothing == "nothing was compared since the gateway started; copies are made of routes that have `shadow`"
    assert "waits until it is known what noise is" in waiting


def test_without_twins_noise_is_pointed_to(capsys: pytest.CaptureFixture[str]) -> None:
    """Else everything differs, and nobody knows what to do about it."""
    draw_findings([finding()], 0)
    assert "see `compare.noise`" in capsys.readouterr().out

    draw_findings([finding(), NOISE], 0)
    assert "compare.noise" not in capsys.readouterr().out


def test_what_counts_stands_above_what_is_noise(capsys: pytest.CaptureFixture[str]) -> None:
    """And only what counts has samples, with both values side by side."""
    draw_findings([finding(), NOISE], 1)

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert rows == [
        ["path", "field", "kind", "count", "compared", "rate", "noise"],
        ["/orders/{id}", "$.items[*].price", "value", "412", "18,000", "2.29", "%", "–"],
        ["noise,", "which", "is", "not", "counted:"],
        ["path", "field", "kind", "count", "compared", "rate", "noise"],
        ["/orders/{id}", "$.at", "value", "17,900", "18,000", "99.4", "%", "99", "%"],
        ["$.items[*].price", "value", "on", "/orders/{id}"],
        ["time", "request", "id", "baseline", "candidate"],
        ["2026-11-21T10:15:00.000Z", "req-1", "10.01", "10.02"],
    ]


@pytest.mark.parametrize(("wanted", "shown"), [(0, 0), (1, 1), (2, 2), (9, 3)])
def test_so_many_samples_are_shown_as_were_asked_for(
    wanted: int, shown: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest, as they come first."""
    samples = [msgspec.structs.replace(SAMPLE, request_id=f"req-{number}") for number in range(3)]

    draw_findings([finding(samples=samples)], wanted)

    out = capsys.readouterr().out
    assert [name for name in ("req-0", "req-1", "req-2") if name in out] == ["req-0", "req-1", "req-2"][:shown]


def test_values_are_json_and_cut() -> None:
    """Text keeps its quotes, so that `"1"` is told from `1`; a long one says that it is not whole."""
    assert [show_value(value) for value in ("1", 1, None, {"a": [True]})] == ['"1"', "1", "null", '{"a":[true]}']
    assert show_value("x" * 100).endswith("x…")


def test_what_backends_wrote_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal takes no orders from the answers that are compared."""
    hostile = "\x1b[2J\x9b2J\u202e"
    draw_findings(
        [finding(field=hostile, path=hostile, samples=[SAMPLE.__class__(hostile, hostile, hostile, hostile)])], 1
    )
    totals = list(draw_totals(CopyTotals(1, 0, 0, 0, {hostile: 1}), is_known=True))

    shown = capsys.readouterr().out + "".join(totals)
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []


def test_json_is_passed_on_without_what_a_terminal_would_obey() -> None:
    """C1 controls need no escape in JSON; here they get one, and mean the same."""
    content = msgspec.json.encode({"a": "\x1b[2J\x9b2J\x7fü"})

    passed_on = pass_on(content)
    assert passed_on.isprintable()
    assert msgspec.json.decode(passed_on) == msgspec.json.decode(content)


def test_the_command_asks_for_the_route() -> None:
    """For people, totals come first; for programs, the answer is passed on as it is."""
    body = msgspec.json.encode(LIST)
    with answering(200, "application/json", body) as (url, seen):
        drawn = CliRunner().invoke(command, ["orders", "--admin", url])
        passed_on = CliRunner().invoke(command, ["orders", "--admin", url, "--json"])

    assert seen[0][1] == "/api/v1/mismatches?route=orders&limit=100"
    assert drawn.output.startswith("18,000 compared")
    assert drawn.output.endswith("these are the worst 100; more with --limit, all with --ndjson\n")
    assert passed_on.output.encode() == body + b"\n"


def test_an_export_is_passed_on_line_by_line() -> None:
    """What the API gives to whoever accepts lines of JSON."""
    lines = b'{"route":"orders"}\n{"route":"orders"}\n'
    with answering(200, NDJSON, lines) as (url, seen):
        result = CliRunner().invoke(command, ["orders", "--admin", url, "--ndjson"])

    assert (result.output.encode(), seen[0][2]["Accept"]) == (lines, NDJSON)


def test_the_record_begins_anew_when_that_is_asked_for() -> None:
    """With a reason, which the audit log has then."""
    with answering(200, "application/json", msgspec.json.encode(MismatchList([], None, TOTALS))) as (url, seen):
        result = CliRunner().invoke(command, ["orders", "--admin", url, "--clear", "--reason", "mended"])

    assert seen[0][:2] == ("DELETE", "/api/v1/mismatches?route=orders&reason=mended")
    assert result.output == "orders: what was found is forgotten\n"


@pytest.mark.parametrize(
    ("options", "said"), [(("--reason", "mended"), "--reason says why"), (("--json", "--ndjson"), "are both given")]
)
def test_options_that_have_no_meaning_together_are_wrong_usage(options: tuple[str, ...], said: str) -> None:
    """What would be ignored is not taken: whoever wrote it meant something."""
    result = CliRunner().invoke(command, ["orders", "--admin", "http://127.0.0.1:1", *options])

    assert result.exit_code == 2
    assert said in result.output
