"""What `crossfade simulate` shows: a run as a list of what happened, many runs as figures, and a bar meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.cli.grid import UNKNOWN, show_milliseconds, show_percent, show_rate, show_span
from gateway.core.plans import QUANTILES, RATES
from gateway.core.progress import say_state
from gateway.core.verdicts import Judgement
from gateway.simulation.campaign import Spans, Summary
from gateway.simulation.trial import Happening, Scenario, Trial

BAR_STEPS = 200
"""A bar is as good as still when it moves by less."""

_CLOCK_WIDTH = 12
_KIND_WIDTH = 10


def show_trial(trial: Trial, scenario: Scenario) -> str:
    """All that happened in one run, and what it says in the end."""
    lines = [_show_scenario(scenario), ""]
    stages = max(1, len(scenario.rollout.plan.stages))
    lines += [line for each in trial.happenings for line in _show_happening(each, stages)]
    lines += ["", *_conclude(trial)]
    if scenario.faults and trial.fault_second is None:
        lines.append("the fault did not strike: the rollout did not get that far")
    return "\n".join(lines)


def show_summary(summary: Summary, scenario: Scenario) -> str:
    """What many runs say together."""
    lines = [_show_scenario(scenario), "", f"{summary.runs:,} runs, {_count_states(summary)}"]
    lines.append(_show_count("rolled back without cause", summary.false_alarms, summary.runs))
    lines.append(_show_count("paused or stepped back without cause", summary.false_acts, summary.runs))
    lines += [f"  {rule}: {count:,}" for rule, count in sorted(summary.false_rules.items(), key=lambda each: -each[1])]
    if summary.faults:
        lines.append(_show_count("faults that no guard acted on", summary.undetected, summary.faults))
        lines.append(_show_spans("time to act", summary.detection_seconds, lambda seconds: f"{seconds:,.0f} s"))
        lines.append(_show_spans("requests hit", summary.requests_hit, lambda count: f"{count:,.0f}"))
        lines.append(_show_spans("keys hit", summary.keys_hit, lambda count: f"{count:,.0f}"))
    return "\n".join(lines)


def _show_scenario(scenario: Scenario) -> str:
    traffic = scenario.traffic
    paths = "1 path" if len(scenario.places) == 1 else f"{len(scenario.places)} paths"
    return (
        f"{scenario.rollout.name}: {traffic.requests_per_second:g} requests/s on {paths}, "
        f"median {show_milliseconds(traffic.median_seconds * 1e3)}, "
        f"{show_rate(traffic.error_rate)} errors, {traffic.keys:,} keys"
    )


def _show_happening(happening: Happening, stages: int) -> Iterator[str]:
    where = f"stage {happening.stage} of {stages}, {show_percent(happening.percent)}"
    what = f"{happening.kind:<{_KIND_WIDTH}}{where:<24}{happening.text}"
    yield f"{_show_clock(happening.second):>{_CLOCK_WIDTH}}  {what}"
    if happening.judgement is not None:
        yield " " * (_CLOCK_WIDTH + 2 + _KIND_WIDTH) + _show_judgement(happening.judgement)


def _show_clock(second: float) -> str:
    """``1 d 02:03:04``."""
    days, rest = divmod(int(second), 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def _show_judgement(judgement: Judgement) -> str:
    """The numbers that a verdict rests on."""
    metric = judgement.rule.split(" ", 1)[0]
    parts = [f"{_show_value(metric, judgement.value)} against {_show_value(metric, judgement.bound)}"]
    if judgement.baseline is not None:
        parts.append(f"baseline {_show_value(metric, judgement.baseline)}")
    parts.append(f"{judgement.candidate_requests:,} requests of the candidate")
    parts.append(f"{judgement.baseline_requests:,} of the baseline")
    where = f" on {judgement.path}" if judgement.path else ""
    return ", ".join(parts) + where


def _show_value(metric: str, value: float | None) -> str:
    if metric in set(QUANTILES):
        return show_milliseconds(value) or UNKNOWN
    if metric in set(RATES):
        return show_rate(value) or UNKNOWN
    return UNKNOWN if value is None else f"{value:,.0f}"


def _conclude(trial: Trial) -> Iterator[str]:
    yield f"{say_state(trial.state)} at {show_percent(trial.percent)} after {show_span(trial.seconds)}"
    for rule in (*trial.false_alarms, *trial.false_acts):
        yield f"without cause: {rule}"
    if trial.fault_second is None:
        return
    if trial.detection_seconds is None:
        yield "no guard acted on the fault"
    else:
        yield f"acted {show_span(trial.detection_seconds)} after the fault"
    yield f"hit: {trial.requests_hit:,} requests of {trial.keys_hit:,} keys, {trial.errors_hit:,} of them errors"


def _count_states(summary: Summary) -> str:
    return ", ".join(f"{count:,} {say_state(state)}" for state, count in sorted(summary.states.items()))


def _show_count(what: str, count: int, of: int) -> str:
    return f"{what}: {count:,} of {of:,} ({show_rate(count / of)})"


def _show_spans(what: str, spans: Spans | None, show: Callable[[float], str]) -> str:
    if spans is None:
        return f"{what}: {UNKNOWN}"
    return f"{what}: median {show(spans.median)}, 90 % within {show(spans.p90)}, at most {show(spans.max)}"


@contextmanager
def show_progress(what: str, total: float) -> Iterator[Callable[[float], None]]:
    """A bar on standard error while it lasts, if that is a terminal; what it yields moves it, up to ``total``."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a person at a terminal needs it
    from rich.progress import Progress  # noqa: PLC0415 - likewise

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        shown = 0.0

        def move(done: float) -> None:
            nonlocal shown
            if done - shown >= total / BAR_STEPS:
                progress.update(task, completed=done)
                shown = done

        yield move
