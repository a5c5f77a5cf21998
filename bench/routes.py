"""What a thousand times as many routes cost: CPU per request with 10 and with 10,000, the gateway only.

``python -m bench.routes [--seconds N] [--rounds N] [--proxies NAME...]``

Both gateways are up at once and take turns, so the ratio is not that of two different minutes. The promise is at most
1.1 times.
"""

from __future__ import annotations

import argparse
import contextlib

from rich.console import Console
from rich.table import Table

from bench import arena, load
from bench.cases import CASES
from bench.command import add_proxies, carry_out, chosen
from bench.cpu_per_request import WARM_UP_SECONDS, median, take_turn
from bench.proxies import Proxy
from bench.report import Figures, duration

FEW, MANY = CASES["routes-10"], CASES["routes-10000"]


def compare_tables(proxy: Proxy, seconds: float, rounds: int) -> tuple[Figures, Figures]:
    """The proxy's figures with few and with many routes."""
    with arena.opened() as place, contextlib.ExitStack() as stack:
        few, many = (stack.enter_context(place.contender(proxy, case)) for case in (FEW, MANY))
        for contender in (few, many):
            load.apply(contender.setup.case, contender.setup.url, min(WARM_UP_SECONDS, seconds))
        turns = [(take_turn(few, seconds), take_turn(many, seconds)) for _ in range(rounds)]
    with_few, with_many = zip(*turns, strict=True)
    return median(list(with_few)), median(list(with_many))


def show(proxies: list[Proxy], seconds: float, rounds: int) -> None:
    """Print a row per proxy."""
    table = Table("proxy", "10 routes", "10,000 routes", "ratio")
    for proxy in proxies:
        few, many = compare_tables(proxy, seconds, rounds)
        table.add_row(proxy.name, duration(few.cpu_us), duration(many.cpu_us), f"{many.cpu_us / few.cpu_us:.2f}")
    Console().print(table)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m bench.routes", description="CPU per request with 10 and 10,000 routes.")
    add_proxies(parser)
    parser.set_defaults(proxies=["crossfade"])
    parser.add_argument("--seconds", type=float, default=3.0, help="of one turn (default 3)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    options = parser.parse_args()
    carry_out(
        lambda: show(
            [proxy for proxy in chosen(options.proxies) if proxy.can_run(MANY)], options.seconds, options.rounds
        )
    )


if __name__ == "__main__":
    main()
