"""Durations, sizes and percentages, as people write them: ``250ms``, ``64KiB``, ``5%``."""

from __future__ import annotations

import math
import re

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
LONGEST_SECONDS = 366 * 86400.0
"""A year: whoever writes more has mistaken the unit."""
LARGEST_BYTES = 1 << 50

DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h|d)$"
SIZE_PATTERN = r"^[0-9]{1,16}(KiB|MiB|GiB)?$"
PERCENT_PATTERN = r"^[0-9]{1,3}(\.[0-9]{1,12})?%?$"

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,16})(KiB|MiB|GiB)?", re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,12})?)%?", re.ASCII)


def parse_duration(value: object) -> float:
    """Seconds: ``250ms`` is 0.25.

    Raises ValueError for anything but a number and a unit, a bare number included: nobody can know its unit.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{show(value)} is not a duration; write a number with a unit: 250ms, 10s, 5m, 1h or 7d")
    seconds = float(found[1]) * SECONDS[found[2]]
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{show(value)} is longer than a year; at most 366d is allowed")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest way to write ``seconds``: 90.0 is ``90s``, 3600.0 is ``1h``."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{int(seconds / SECONDS[unit])}{unit}"
    return f"{format_number(round(seconds * 1000, 3))}ms" if seconds else "0s"


def parse_size(value: object) -> int:
    """Bytes: ``64KiB`` is 65536, and a bare whole number is bytes.

    Raises ValueError for anything else; ``64KB`` could be 64,000 or 65,536 and is refused.
    """
    found = _SIZE.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None:
        raise ValueError(f"{show(value)} is not a size; write bytes as a whole number, or 64KiB, 1MiB or 2GiB")
    size = int(found[1]) * BYTES.get(found[2], 1)
    if size > LARGEST_BYTES:
        raise ValueError(f"{show(value)} is more than a pebibyte")
    return size


def format_size(size: int) -> str:
    """The shortest way to write ``size``: 65536 is ``64KiB``, 1000 is ``1000``."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % BYTES[unit] == 0:
            return f"{size // BYTES[unit]}{unit}"
    return str(size)


def parse_percent(value: object) -> float:
    """A percentage from 0 to 100: ``5``, ``0.01`` or ``5%``.

    Raises ValueError for anything else.
    """
    number = _read_percent(value)
    if number is None or not 0 <= number <= 100:  # noqa: PLR2004 - what a percentage is
        raise ValueError(f"{show(value)} is not a percentage; write a number from 0 to 100, such as 5, 0.01 or 5%")
    return number


def _read_percent(value: object) -> float | None:
    if isinstance(value, str):
        found = _PERCENT.fullmatch(value)
        return float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def format_number(number: float) -> str:
    """``number`` without exponent and trailing zeros: 5.0 is ``5``."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


def show(value: object) -> str:
    """``value`` as an error message quotes it: short, on one line, as YAML would have it."""
    if isinstance(value, str):
        return f"`{value[:60] + ('…' if len(value) > 60 else '')}`" if value.isprintable() else repr(value[:60])  # noqa: PLR2004
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else str(value)[:60]
