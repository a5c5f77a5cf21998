"""What one scalar of a YAML file means: environment variables first, then the core schema of YAML 1.2.

PyYAML follows YAML 1.1, in which ``no`` is false, ``12:30`` is 750 and ``017`` is 15. A routing file is no place for
such surprises, so plain scalars are resolved here after the core schema (YAML 1.2.2, section 10.3.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Scalar = str | int | float | bool | None

LONGEST_NUMBER = 64
"""More digits than any field takes; beyond it a scalar stays text (Python refuses to parse 4,300 digits and more)."""

_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_MAY_BE_NUMBER = frozenset("+-.0123456789")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")


class Expanded(str):
    """A scalar, plain or in quotes, that came out of an environment variable.

    It has not settled on a type: a field that takes text takes it as it is (a token of digits stays a token), and a
    field that takes a number or a truth value resolves it.
    """

    __slots__ = ()


def resolve_plain(text: str) -> Scalar:
    """The value of a scalar without quotes and tag (YAML 1.2.2, section 10.3.2)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in _MAY_BE_NUMBER and len(text) <= LONGEST_NUMBER:
        return _resolve_number(text)
    return text


def _resolve_number(text: str) -> Scalar:
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, base=0)
    return float(text) if _FLOAT.fullmatch(text) else text


def settle(value: object) -> object:
    """What a field that does not take text makes of ``value``: an `Expanded` one is resolved, others stay."""
    return resolve_plain(str(value)) if isinstance(value, Expanded) else value


def expand(text: str, env: Mapping[str, str]) -> str:
    """``text`` with ``${NAME}`` and ``${NAME:-default}`` replaced from ``env``; ``$${`` stands for ``${``.

    As in a shell, the default also counts when the variable is empty. What comes out is not expanded again.

    Raises ValueError when a variable is missing or a reference is malformed.
    """

    def replacement(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        if found["name"] is None:
            raise ValueError(
                "`${` begins an environment variable: write ${NAME} or ${NAME:-default}, or $${ for itself"
            )
        return _read_variable(found["name"], found["default"], env)

    return _REFERENCE.sub(replacement, text)


def _read_variable(name: str, default: str | None, env: Mapping[str, str]) -> str:
    value = env.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise ValueError(
            f"the environment variable {name} is not set; set it, or give a default with ${{{name}:-default}}"
        )
    return value
