"""What every question's command has in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench.processes import BenchError, prepare
from bench.proxies import ALL, Proxy


def carry_out(body: Callable[[], None]) -> None:
    """Run ``body``; what keeps it from being answered becomes one line on standard error and exit status 1."""
    prepare()
    try:
        body()
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")


def add_proxies(parser: argparse.ArgumentParser) -> None:
    """Let the command choose among the proxies; all by default."""
    parser.add_argument("--proxies", nargs="+", choices=ALL, metavar="NAME", help=f"of {', '.join(ALL)}; default: all")


def chosen(names: list[str] | None) -> list[Proxy]:
    """The proxies of these names, or all, that are found here; says which are not."""
    proxies = [ALL[name] for name in names or ALL]
    missing = [proxy.name for proxy in proxies if not proxy.is_found]
    if missing:
        print(f"not found, left out: {', '.join(missing)}", file=sys.stderr)
    return [proxy for proxy in proxies if proxy.is_found]
