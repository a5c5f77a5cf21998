"""`crossfade simulate`: what a plan and its guard would do, on a virtual clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec

from gateway.cli.simulated import show_progress, show_summary, show_trial
from gateway.cli.table import read_table
from gateway.core.conducting import Outcome
from gateway.core.figures import Subject
from gateway.core.types import Mode, Rollout, Table
from gateway.core.windows import Cell
from gateway.errors import CommandError, UnknownRollout
from gateway.settings.quantities import parse_duration, parse_percent
from gateway.simulation.campaign import run_campaign, summarize
from gateway.simulation.faults import Fault, FaultKind, parse_fault
from gateway.simulation.plot import check_plotting, draw
from gateway.simulation.recording import Recording
from gateway.simulation.traffic import Traffic, list_places
from gateway.simulation.trial import Scenario, Trial, run_trial, usual_bound

SHORTEST_SECONDS = 1e-5
"""A latency of less than 10 µs is one that no proxy sees."""


class _Parsed(click.ParamType[Any]):
    """An option whose text something else reads; what that finds wrong is a wrong usage."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the text means."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


TIME = _Parsed("time", parse_duration)
SHARE = _Parsed("percentage", parse_percent)
FAULT = _Parsed("fault", parse_fault)


def _parse_picture(text: str) -> Path:
    if Path(text).suffix.lower() != ".png":
        raise ValueError(f"{text!r} is not a PNG's name; write one that ends with .png")
    return Path(text)


PICTURE = _Parsed("picture", _parse_picture)


def _traffic_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what users do; the command gets ``traffic``."""

    @click.option("--rps", default=50.0, show_default=True, type=click.FloatRange(0.01, 10_000), help="Of both arms.")
    @click.option("--latency", default="50ms", show_default=True, type=TIME, help="The median.")
    @click.option("--sigma", default=0.5, show_default=True, type=click.FloatRange(0, 3), help="Of log(latency).")
    @click.option("--errors", default="0.2%", show_default=True, type=SHARE, help="The share, when all is well.")
    @click.option("--zipf", is_flag=True, help="The n-th path gets 1/n of the first one's requests; else all alike.")
    @click.option("--keys", default=10_000, show_default=True, type=click.IntRange(1, 10**9), help="Different ones.")
    @click.option(
        "--cohorts", default="1%", show_default=True, type=SHARE, help="The share of all keys in each cohort."
    )
    @wraps(command)
    def with_traffic(  # noqa: PLR0913 - what a person may say
        *args: Any,
        rps: float,
        latency: float,
        sigma: float,
        errors: float,
        zipf: bool,
        keys: int,
        cohorts: float,
        **others: Any,
    ) -> None:
        if latency < SHORTEST_SECONDS:
            raise click.BadParameter("must be 0.01ms or more", param_hint="--latency")
        traffic = Traffic(
            requests_per_second=rps,
            median_seconds=latency,
            sigma=sigma,
            error_rate=errors / 100,
            is_zipf=zipf,
            keys=keys,
            cohort_percent=cohorts,
        )
        command(*args, traffic=traffic, **others)

    return with_traffic


@click.command(name="simulate")
@click.option("-c", "--config", "path", metavar="FILE", required=True, type=click.Path(path_type=Path))
@click.option("--rollout", "name", metavar="NAME", required=True, help="Of the configuration.")
@_traffic_options
@click.option("--paths", type=click.IntRange(1, 1000), help="How many; as many as the routes name, if not said.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=FAULT,
    help="Of the candidate: errors=5%, latency=3x, path=1, mismatch=1%, leak=10m; of both arms: both=20%. Repeatable.",
)
@click.option("--fault-at", type=TIME, help="Since the start; at a random time of a stage, if not said.")
@click.option("--fault-stage", default=1, show_default=True, type=click.IntRange(1), help="Which stage, from 1.")
@click.option("--for", "bound", type=TIME, help="The end in any case; twice the plan's time and an hour, if not said.")
@click.option("--approve/--no-approve", default=True, show_default=True, help="Whether a person approves at once.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same run.")
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1, 1_000_000), help="Seeds from SEED on.")
@click.option("--processes", default=None, type=click.IntRange(1, 1024), help="Of several runs; all CPUs, if not said.")
@click.option("--json", "as_json", is_flag=True, help="Machine output.")
@click.option("--plot", metavar="FILE.png", type=PICTURE, help="A picture of the first run.")
def command(  # noqa: PLR0913 - what a person may say
    *,
    path: Path,
    name: str,
    traffic: Traffic,
    paths: int | None,
    faults: tuple[Fault, ...],
    fault_at: float | None,
    fault_stage: int,
    bound: float | None,
    approve: bool,
    seed: int,
    runs: int,
    processes: int | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Run a rollout's plan and guard against synthetic traffic on a virtual clock, as the gateway would.

    Shows when what acts, how many requests and keys a fault hits until then, and, with --runs, how often guards act
    without a fault. External gates answer ok. Emergency switches in the environment count.
    """
    table = read_table(path)
    rollout = _find_rollout(table, name)
    routes = [route for route in table.routes if route.rollout == name]
    places = list_places(routes, paths)
    _check_faults(rollout, faults, fault_stage, len(places))
    scenario = Scenario(
        rollout=rollout,
        places=places,
        traffic=traffic,
        faults=faults,
        fault_at_seconds=fault_at,
        fault_stage=fault_stage - 1,
        bound_seconds=bound,
        is_approved=approve,
        shadows={route.name: route.shadow for route in routes if route.shadow is not None},
    )
    if plot is not None:
        check_plotting()
    first = _run_once(scenario, seed, is_drawn=plot is not None) if runs == 1 or plot else None
    if first is not None and runs == 1:
        click.echo(msgspec.json.encode(first[0]) if as_json else show_trial(first[0], scenario))
    else:
        _show_all(scenario, seed, runs, processes or len(os.sched_getaffinity(0)), as_json=as_json)
    if first is not None and plot is not None:  # last: a picture that can't be written costs nobody the result
        _draw(*first, f"{name}, simulated with seed {seed}", plot)


def _show_all(scenario: Scenario, seed: int, runs: int, processes: int, *, as_json: bool) -> None:
    trials = _run_all(scenario, seed, runs, processes)
    summary = summarize(trials)
    click.echo(msgspec.json.encode(summary) if as_json else show_summary(summary, scenario))


def _find_rollout(table: Table, name: str) -> Rollout:
    """Raises UnknownRollout, and CommandError where there is nothing to simulate."""
    rollout = next((each for each in table.rollouts if each.name == name), None)
    if rollout is None:
        known = ", ".join(each.name for each in table.rollouts) or "none"
        raise UnknownRollout(f"there is no rollout `{name}`; there are: {known}")
    if rollout.mode is not Mode.LIVE or rollout.killed:
        why = "a switch in the environment rolls it back" if rollout.killed else f"its mode is `{rollout.mode}`"
        raise CommandError(f"nobody would be answered by the candidate of `{name}`: {why}")
    if not rollout.plan.stages and not rollout.percent and not rollout.cohorts:
        raise CommandError(f"nobody would be answered by the candidate of `{name}`: it has 0 % and no stages")
    return rollout


def _check_faults(rollout: Rollout, faults: tuple[Fault, ...], stage: int, paths: int) -> None:
    """Raises CommandError where a fault would never strike as it is meant to."""
    stages = len(rollout.plan.stages)
    if stage > max(stages, 1):
        raise CommandError(f"--fault-stage {stage}: `{rollout.name}` has {stages} stages")
    broken = sum(fault.size for fault in faults if fault.kind is FaultKind.PATH)
    if broken > paths:
        raise CommandError(f"{broken:g} paths can't fail: there are {paths}; --paths makes up more")


def _draw(trial: Trial, recording: Recording, title: str, path: Path) -> None:
    try:
        draw(trial, recording.slots(), title, path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _run_once(scenario: Scenario, seed: int, *, is_drawn: bool) -> tuple[Trial, Recording]:
    recording = Recording()
    total = usual_bound(scenario) if scenario.bound_seconds is None else scenario.bound_seconds
    with show_progress("simulating", total) as move:

        def observe(second: float, percent: float, cells: Mapping[Subject, Cell], outcome: Outcome) -> None:
            move(second)
            if is_drawn:
                recording.observe(second, percent, cells, outcome)

        trial = run_trial(scenario, seed, observe)
    return trial, recording


def _run_all(scenario: Scenario, seed: int, runs: int, processes: int) -> list[Trial]:
    trials = []
    with show_progress(f"{runs:,} runs", runs) as move:
        for trial in run_campaign(scenario, seed, runs, processes):
            # Of thousands, only what is summed up is kept.
            trials.append(msgspec.structs.replace(trial, happenings=()))
            move(len(trials))
    return trials
