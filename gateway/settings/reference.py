"""The two files made from the schema: ``docs/configuration.md`` for people, ``config/schema.json`` for editors.

``python -m gateway.settings.reference --write`` makes them, ``--check`` fails when they are not what would be made.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic.fields import FieldInfo

from gateway.settings.faults import sections_in
from gateway.settings.fields import Section
from gateway.settings.json_schema import render_schema
from gateway.settings.schema import Config
from gateway.settings.wording import format_default, word_type

PAGE = "docs/configuration.md"
SCHEMA = "config/schema.json"

PREAMBLE = """\
# Configuration

<!-- Made by `python -m gateway.settings.reference --write`: edit the docstrings in gateway/settings/schema instead. -->

One YAML file; `crossfade check FILE` says whether it is right, `config/schema.json` lets an editor say so while you
type. A field that is not listed here is an error. So is an empty one: write a value, or leave the field out.

| value | how it is written |
|---|---|
| duration | a number with a unit: `250ms`, `10s`, `5m`, `1h`, `7d` |
| size | bytes, or `64KiB`, `1MiB`, `2GiB` |
| percentage | `5`, `0.01` or `5%`, from 0 to 100 |
| list | `[a, b]`, lines with dashes, or one bare value for a list of one |
| name | up to 64 letters, digits, `_`, `.` and `-` |
| key source | `header:NAME`, `cookie:NAME`, `query:NAME`, `path:NAME`, `jwt:CLAIM` or `client_ip` |
| path pattern | `/api/{id}/*/**`: `{id}` and `*` stand for one segment each, a last `**` for the rest |
| JSONPath | as in RFC 9535: `$.items[*].price`, `$..request_id`, `$['odd name']` |
| file | a path, relative to the configuration |
| URL or file | `https://HOST/PATH`, or a path, relative to the configuration |
| rule | `METRIC OP BOUND [for DURATION]`: `error_rate > 5% for 1m`, `p95 < 0.9x baseline`, `p99 > baseline + 50ms` |

In a rule METRIC is `error_rate`, `client_error_rate` (4xx), `mismatch_rate` or `failover_rate`, which take a `%`;
`p50`, `p90`, `p95` or `p99`, which take `ms` or `s`; `errors`, `mismatches` or `requests`, which take a bare number.
OP is `<`, `<=`, `>` or `>=`. BOUND is a value, a multiple of the baseline's (`1.1x baseline`), or so much above it
(`baseline + 1%` are percentage points). `for` is the time that it is taken over: `1m` without it, from `1s` to `24h`.

`${NAME}` takes an environment variable, `${NAME:-default}` has a default for one that is unset or empty, and `$${`
stands for `${`. Variables are put in after the YAML was read, so a value can't change the file's structure.
The YAML is version 1.2: `yes`, `no`, `on` and `off` are text, `true` and `false` are truth values. A key that is
written twice is an error. Anchors, aliases and `<<` work.
"""


def render_page() -> str:
    """The reference page, in Markdown."""
    return PREAMBLE + "".join(_render_section(path, section) for path, section in _walk("", Config, set()))


def _walk(path: str, section: type[Section], seen: set[type[Section]]) -> Iterator[tuple[str, type[Section]]]:
    """``section`` and those below it, each described once, at the highest place where it may stand."""
    yield path, section
    places = [
        (_join(path, field.alias or name, field), inner)
        for name, field in section.model_fields.items()
        for inner in sections_in(field.annotation)
        if inner not in seen
    ]
    seen.update(inner for _, inner in places)
    for place, inner in places:
        yield from _walk(place, inner, seen)


def _join(path: str, name: str, field: FieldInfo) -> str:
    """``routes[].match``, ``backends.<name>.tls``: how a section's heading names its place."""
    annotation = str(field.annotation)
    step = name + ("[]" if "tuple[" in annotation else ".<name>" if "dict[" in annotation else "")
    return f"{path}.{step}" if path else step


def _render_section(path: str, section: type[Section]) -> str:
    heading = f"## `{path}`" if path else "## The whole file"
    heading += f" ({section.form})" if section.form else ""
    rows = [_render_field(field.alias or name, field) for name, field in section.model_fields.items()]
    table = "\n".join(["| field | value | default | meaning |", "|---|---|---|---|", *rows])
    return f"\n{heading}\n\n{_flatten(section.__doc__)}\n\n{table}\n"


def _render_field(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {word_type(field)} | {_render_default(field)} | {_flatten(field.description)} |"


def _render_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or isinstance(field.default, Section):
        return "" if field.default is None else "see below"
    default = format_default(field)
    text = default if isinstance(default, str) else json.dumps(default)
    return f"`{text}`" if text else "empty"


def _flatten(text: str | None) -> str:
    return " ".join((text or "").split())


def main(arguments: Sequence[str]) -> int:
    """``--write`` or ``--check``; returns the exit status."""
    if list(arguments) not in (["--write"], ["--check"]):
        sys.stderr.write("usage: python -m gateway.settings.reference --write|--check\n")
        return 2
    root = Path(__file__).resolve().parents[2]
    stale = [path for path, text in render_files().items() if _read(root / path) != text]
    if arguments[0] == "--write":
        for path in stale:
            (root / path).write_text(render_files()[path], encoding="utf-8")
    elif stale:
        sys.stderr.write(f"{', '.join(stale)}: not current; run python -m gateway.settings.reference --write\n")
        return 1
    return 0


def render_files() -> dict[str, str]:
    """What the generated files should hold, by their path inside the project."""
    return {PAGE: render_page(), SCHEMA: render_schema()}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
