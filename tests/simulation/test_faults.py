"""What faults mean."""

from __future__ import annotations

from random import Random

import pytest

from gateway.simulation.faults import Condition, Fault, FaultKind, parse_fault, pick_broken, strike

USUAL = Condition(0.002)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("errors=5%", Fault(FaultKind.ERRORS, 0.05)),
        ("latency=3x", Fault(FaultKind.LATENCY, 3.0)),
        ("latency=0.7", Fault(FaultKind.LATENCY, 0.7)),
        ("path=2", Fault(FaultKind.PATH, 2.0)),
        ("leak", Fault(FaultKind.LEAK, 600.0)),
        ("leak=1h", Fault(FaultKind.LEAK, 3600.0)),
        ("mismatch=0.1%", Fault(FaultKind.MISMATCH, 0.001)),
        ("both", Fault(FaultKind.BOTH, 0.2)),
        ("both=50%", Fault(FaultKind.BOTH, 0.5)),
    ],
)
def test_faults_are_read_as_they_are_written(text: str, fault: Fault) -> None:
    """With what is usual where nothing else is said."""
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fire", "`fire` is not a fault; write errors=5%, latency=3x, path=1, mismatch=1%, leak or both"),
        ("errors", "`errors` needs a size; write it as errors=5%"),
        ("mismatch", "`mismatch` needs a size; write it as mismatch=1%"),
        ("latency=slow", "`slow` is no size of `latency`; write it as latency=3x"),
        ("path=0", "`0` is no size of `path`; write it as path=1"),
        ("path=1.5", "`1.5` is no size of `path`; write it as path=1"),
        ("leak=0s", "`leak` needs a time in which latencies double, such as leak=10m"),
    ],
)
def test_what_is_no_fault_says_what_would_be_one(text: str, message: str) -> None:
    """In one line, with the offending part."""
    with pytest.raises(ValueError) as refused:
        parse_fault(text)

    assert str(refused.value) == message


@pytest.mark.parametrize("text", ["errors=5%", "latency=3x", "path=2", "mismatch=1%", "leak=10m", "both=0.5%"])
def test_a_fault_is_shown_as_it_is_written(text: str) -> None:
    """So that what a run shows can be typed again."""
    assert str(parse_fault(text)) == text


def test_a_leak_doubles_latencies_in_its_time() -> None:
    """And goes on to; it begins with none."""
    leak = [parse_fault("leak=10m")]

    assert [strike(leak, USUAL, frozenset(), since).slowness for since in (0, 600, 1200)] == [1, 2, 4]


def test_faults_come_together() -> None:
    """The larger share of errors, the product of latencies, and the paths that are broken anyway."""
    faults = [parse_fault(text) for text in ("errors=5%", "both=3%", "latency=3x", "latency=2x")]

    assert strike(faults, USUAL, frozenset({4}), 0) == Condition(0.05, 6.0, frozenset({4}))


def test_a_path_fault_picks_so_many_paths() -> None:
    """Whichever the dice say, and none for any other fault."""
    assert len(pick_broken([parse_fault("path=3")], 20, Random(1))) == 3
    assert pick_broken([parse_fault("errors=5%")], 20, Random(1)) == frozenset()


def test_only_a_fault_of_both_arms_is_shared() -> None:
    """On any other somebody should act."""
    assert [parse_fault(text).is_shared for text in ("both", "errors=5%", "leak")] == [True, False, False]
