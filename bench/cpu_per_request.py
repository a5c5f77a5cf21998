"""How much CPU a request costs, beside other proxies.

``python -m bench [CASE...] [--seconds N] [--rounds N] [--plot FILE.png] [--json FILE] [--markdown]``

All proxies of a case are up at once and take turns (A B C, A B C, …), so that whatever else the machine does falls on
all of them; each figure is the median of the rounds. The load is a closed loop on the same cores, so requests per
second and latencies tell of the whole machine; CPU per request is the proxy's own and holds from run to run.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import arena, load, report
from bench.arena import Arena, Contender
from bench.cases import CASES, Case
from bench.command import add_proxies, carry_out, chosen
from bench.processes import BenchError
from bench.proxies import Proxy
from bench.report import Figures, Results

WARM_UP_SECONDS = 0.3  # at most; code is paged in and pools are filled before anything is counted


def compare(cases: list[Case], proxies: list[Proxy], seconds: float, rounds: int) -> Iterator[Figures]:
    """Each case's figures of each proxy that can run it, as they come to be known."""
    with arena.opened() as place:
        for case in cases:
            yield from _compare_one(place, case, [proxy for proxy in proxies if proxy.can_run(case)], seconds, rounds)


def _compare_one(place: Arena, case: Case, proxies: list[Proxy], seconds: float, rounds: int) -> list[Figures]:
    with contextlib.ExitStack() as stack:
        contenders = [stack.enter_context(place.contender(proxy, case)) for proxy in proxies]
        for contender in contenders:
            load.apply(case, contender.setup.url, min(WARM_UP_SECONDS, seconds))
        turns = [[take_turn(contender, seconds) for contender in contenders] for _ in range(rounds)]
    return [median(list(of_one)) for of_one in zip(*turns, strict=True)]


def take_turn(contender: Contender, seconds: float) -> Figures:
    """Load one proxy and see what it used. Raises `BenchError` when it died or served nothing."""
    case = contender.setup.case
    before = contender.process.cpu_seconds()
    seen = load.apply(case, contender.setup.url, max(seconds, case.least_seconds))
    cpu_seconds = contender.process.cpu_seconds() - before
    contender.process.check_alive()
    served = seen.served(case)
    if not served:
        raise BenchError(f"{contender.name} served nothing in {seen.seconds:g} s of {case.name}")
    return Figures(
        case=case.name,
        proxy=contender.name,
        cpu_us=cpu_seconds / served * 1e6,
        per_second=served / seen.seconds,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        resident_bytes=contender.process.resident_bytes(),
        failed=seen.failed,
    )


def median(turns: list[Figures]) -> Figures:
    """The median of each figure; failures add up, so that none is lost."""
    return Figures(
        case=turns[0].case,
        proxy=turns[0].proxy,
        cpu_us=statistics.median(turn.cpu_us for turn in turns),
        per_second=statistics.median(turn.per_second for turn in turns),
        p50_ms=statistics.median(turn.p50_ms for turn in turns),
        p99_ms=statistics.median(turn.p99_ms for turn in turns),
        resident_bytes=int(statistics.median(turn.resident_bytes for turn in turns)),
        failed=sum(turn.failed for turn in turns),
    )


def main() -> None:
    """The command."""
    options = _parser().parse_args()
    carry_out(lambda: _publish(_run(options), options))


def _run(options: argparse.Namespace) -> Results:
    cases = [CASES[name] for name in options.cases or CASES]
    results = Results.begin(options.seconds, options.rounds)
    for figures in compare(cases, chosen(options.proxies), options.seconds, options.rounds):
        print(report.line(figures), file=sys.stderr)
        results.figures.append(figures)
    return results


def _publish(results: Results, options: argparse.Namespace) -> None:
    print(report.markdown(results)) if options.markdown else report.show(results)
    if options.json:
        options.json.write_bytes(report.json_of(results))
    if options.plot:
        from bench.plot import draw  # noqa: PLC0415  loading matplotlib takes a second

        draw(results, options.plot)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench", description="The gateway beside other proxies.")
    parser.add_argument(
        "cases", nargs="*", type=_case_name, metavar="CASE", help=f"of {', '.join(CASES)}; default: all"
    )
    add_proxies(parser)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one proxy's turn (default 3)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each proxy (default 5)")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw CPU per request")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--markdown", action="store_true", help="print the table as bench/README.md has it")
    return parser


def _case_name(text: str) -> str:
    if text not in CASES:
        raise argparse.ArgumentTypeError(f"no case {text!r}; there are {', '.join(CASES)}")
    return text
