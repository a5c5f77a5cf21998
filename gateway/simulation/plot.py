"""The picture of a trial: the share, the error rates and p99 of both arms, and when which guard was broken.

matplotlib draws it; it comes with ``crossfade[plot]``, as a gateway has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.core.types import Arm
from gateway.errors import CommandError
from gateway.simulation.recording import Slot
from gateway.simulation.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {Arm.BASELINE: "#8d99ae", Arm.CANDIDATE: "#d1495b"}
SHARE_COLOUR, FAULT_COLOUR, ACT_COLOUR = "#2a6f97", "#e09f3e", "#9d0208"

_SECONDS_UP_TO: Final = 300.0
_MINUTES_UP_TO: Final = 3 * 3600.0
"""What is longer is told in hours."""


def check_plotting() -> None:
    """Raises CommandError when there is nothing to draw with: better before a long simulation than after it."""
    if find_spec("matplotlib") is None:
        raise CommandError("--plot needs matplotlib: pip install 'crossfade[plot]'")


def draw(trial: Trial, slots: Sequence[Slot], title: str, path: Path) -> None:
    """Write the PNG. Raises CommandError without matplotlib, OSError where the file can't be written."""
    check_plotting()
    from matplotlib.figure import Figure  # noqa: PLC0415 - see check_plotting
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - likewise

    unit, name = choose_unit(trial.seconds)
    times = [slot.second / unit for slot in slots]
    figure = Figure(figsize=(10, 8))
    share, errors, latency, guards = figure.subplots(4, 1, sharex=True, height_ratios=(2, 2, 2, 1))
    share.step(times, [slot.percent for slot in slots], where="pre", color=SHARE_COLOUR)
    share.set_ylabel("candidate, %")
    share.set_ylim(-3, 103)
    _draw_arms(errors, times, slots, lambda slot, arm: _scale(slot.error_rates[arm]))
    errors.set_ylabel("errors, %")
    errors.set_ylim(bottom=0)
    _draw_arms(latency, times, slots, lambda slot, arm: slot.p99_ms[arm])
    latency.set_ylabel("p99, ms")
    latency.set_yscale("log")
    latency.yaxis.set_major_formatter("{x:g}")
    # Labels at 1, 2 and 5 of each decade, and none between: they would overprint each other.
    latency.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    latency.yaxis.set_minor_formatter(NullFormatter())
    errors.legend(loc="upper left", fontsize=8)
    _draw_guards(guards, times, slots)
    for panel in (share, errors, latency, guards):
        _mark(panel, trial, unit)
    guards.set_xlabel(f"{name} since the start")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def choose_unit(seconds: float) -> tuple[float, str]:
    """The unit of a time axis so long, in seconds, and its name."""
    if seconds <= _SECONDS_UP_TO:
        return 1.0, "seconds"
    return (60.0, "minutes") if seconds <= _MINUTES_UP_TO else (3600.0, "hours")


def _scale(rate: float | None) -> float | None:
    return None if rate is None else rate * 100


def _draw_arms(
    panel: Axes, times: Sequence[float], slots: Sequence[Slot], value: Callable[[Slot, Arm], float | None]
) -> None:
    for arm, colour in COLOURS.items():
        values = [value(slot, arm) for slot in slots]
        known = [float("nan") if each is None else each for each in values]
        panel.plot(times, known, color=colour, linewidth=1, label=str(arm))


def _draw_guards(panel: Axes, times: Sequence[float], slots: Sequence[Slot]) -> None:
    """A dot for each time in which a guard was broken, a row for each guard."""
    rules = sorted({rule for slot in slots for rule in slot.broken})
    for row, rule in enumerate(rules):
        marks = [time for time, slot in zip(times, slots, strict=True) if rule in slot.broken]
        panel.plot(marks, [row] * len(marks), "o", color=ACT_COLOUR, markersize=5)
    panel.set_yticks(range(len(rules)), rules, fontsize=8)
    panel.set_ylim(-0.5, max(len(rules), 1) - 0.5)
    panel.set_ylabel("broken")


def _mark(panel: Axes, trial: Trial, unit: float) -> None:
    """When the fault struck, and when a guard acted."""
    for second, colour in ((trial.fault_second, FAULT_COLOUR), (trial.acted_second, ACT_COLOUR)):
        if second is not None:
            panel.axvline(second / unit, color=colour, linestyle="--", linewidth=1)
    panel.spines[["top", "right"]].set_visible(False)
