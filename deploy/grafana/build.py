"""Grafana's dashboards, ``dashboards/*.json``, made from ``boards/*.yaml``, which say what they show.

``python deploy/grafana/build.py --write`` makes them, ``--check`` fails when they are not what would be made.

A board has rows of panels. A panel ``shows`` lines, areas, bars, a number, states, a heat map or a table. Its
``queries`` are PromQL by legend, or by column of a table; GATEWAY, ROLLOUT and ROUTE stand for what is chosen above.
Panels keep their ``id``, because links lead to it. The arms have the same colours everywhere.
"""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent
BOARDS: Final = FOLDER / "boards"
DASHBOARDS: Final = FOLDER / "dashboards"

Json = dict[str, Any]

SCHEMA_VERSION: Final = 39
"""Of Grafana 10.4 and 11; newer ones migrate it when they load it."""
GRID_COLUMNS: Final = 24
DEFAULT_HEIGHT: Final = 8
SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}

ARM_COLOURS: Final = {"baseline": "#6E8FB5", "candidate": "#E07B1A"}

LEGEND: Final[Json] = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
TOOLTIP: Final[Json] = {"mode": "multi", "sort": "desc"}

QUERIED: Final = {
    "gateway": ("Gateway", "label_values(crossfade_build_info, instance)"),
    "rollout": ("Rollout", 'label_values(crossfade_rollout_percent{instance=~"$gateway"}, rollout)'),
    "route": ("Route", 'label_values(crossfade_requests_total{instance=~"$gateway",route!=""}, route)'),
}
"""Variables whose values Prometheus knows: label and query."""
CHOSEN: Final = {
    "objective": ("Objective", {"99 %": "0.99", "99.5 %": "0.995", "99.9 %": "0.999", "99.99 %": "0.9999"}, "99.9 %"),
    "latency": ("Quick is within", {"100 ms": "0.1", "250 ms": "0.25", "500 ms": "0.5", "1 s": "1"}, "500 ms"),
}
"""Variables with a choice: label, values by text, the text that is chosen at first. Latencies are bounds of buckets."""

SELECTORS: Final = {
    "GATEWAY": 'instance=~"$gateway"',
    "ROLLOUT": 'instance=~"$gateway", rollout=~"$rollout"',
    "ROUTE": 'instance=~"$gateway", route=~"$route"',
}
"""What is chosen, as queries ask for it."""


# Panels.


def render_panel(panel: Json, place: Json) -> Json:
    """A panel of a board at its place on the grid."""
    custom, options = SHAPES[panel["shows"]](panel)
    defaults: Json = {
        "unit": panel.get("unit", "short"),
        "color": {"mode": "thresholds" if panel["shows"] in {"number", "states"} else "palette-classic"},
        "custom": custom,
        "mappings": _render_words(panel.get("words", {})),
        "thresholds": {"mode": "absolute", "steps": _render_thresholds(panel.get("thresholds", []))},
    }
    defaults.update({bound: panel[bound] for bound in ("min", "max", "decimals") if bound in panel})
    return {
        "id": panel["id"],
        "type": TYPES[panel["shows"]],
        "title": panel["title"],
        "description": panel["about"],
        "datasource": SOURCE,
        "gridPos": place,
        "targets": _render_targets(panel),
        "fieldConfig": {"defaults": defaults, "overrides": _render_overrides(panel)},
        "options": options,
        "transformations": _render_transformations(panel) if panel["shows"] == "table" else [],
    }


def _render_targets(panel: Json) -> list[Json]:
    is_now = panel["shows"] in {"number", "table"}
    formats = {"table": "table", "heat": "heatmap"}
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": re.sub("|".join(SELECTORS), lambda name: SELECTORS[name.group()], query.strip()),
            "format": formats.get(panel["shows"], "time_series"),
            "instant": is_now,
            "range": not is_now,
            "legendFormat": "" if panel["shows"] == "table" else legend,
        }
        for number, (legend, query) in enumerate(panel["queries"].items())
    ]


def _render_words(words: Mapping[int, Sequence[str]]) -> list[Json]:
    """Words and colours in place of numbers."""
    options = {
        str(number): {"text": text, "color": colour, "index": index}
        for index, (number, (text, colour)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}] if options else []


def _render_thresholds(thresholds: Sequence[Sequence[Any]]) -> list[Json]:
    """Each a bound and the colour from there on; the first is for all below the second."""
    steps = [{"value": bound, "color": colour} for bound, colour in thresholds]
    return steps or [{"value": None, "color": "text"}]


def _render_overrides(panel: Json) -> list[Json]:
    """The arms' colours, and the units of a table's columns."""
    if panel["shows"] == "table":
        columns = panel.get("units", {}).items()
        return [_override("byName", name, {"unit": unit}) for name, unit in columns]
    mode = "fixed" if panel["shows"] == "number" else "shades"
    return [
        _override("byRegexp", f"/{arm}$/", {"color": {"mode": mode, "fixedColor": colour}})
        for arm, colour in ARM_COLOURS.items()
    ]


def _override(matcher: str, options: str, properties: Mapping[str, Any]) -> Json:
    values = [{"id": name, "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": options}, "properties": values}


def _render_transformations(panel: Json) -> list[Json]:
    """One row for all that has the same labels, with a column for each query; those named ``_…`` are hidden."""
    columns = list(panel["queries"])
    fields = ["Value"] if len(columns) == 1 else [f"Value #{chr(ord('A') + each)}" for each in range(len(columns))]
    named = dict(zip(fields, columns, strict=True))
    hidden = {"Time": True, **{field: True for field, column in named.items() if column.startswith("_")}}
    shown = {field: column for field, column in named.items() if field not in hidden}
    organized = {"excludeByName": hidden, "renameByName": shown, "indexByName": {}, "includeByName": {}}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organized}]


# What a panel may show: what its fields and the panel itself need.


def _draw(panel: Json) -> tuple[Json, Json]:
    is_stacked = panel["shows"] == "areas"
    custom = {
        "drawStyle": "bars" if panel["shows"] == "bars" else "line",
        "lineInterpolation": "stepAfter" if panel.get("steps") else "linear",
        "lineWidth": 1,
        "fillOpacity": {"areas": 35, "bars": 60}.get(panel["shows"], 6),
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if is_stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if "thresholds" in panel else "off"},
    }
    return custom, {"legend": LEGEND, "tooltip": TOOLTIP}


def _number(panel: Json) -> tuple[Json, Json]:
    return {}, {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "orientation": "auto",
        "textMode": "value_and_name" if any("{{" in legend for legend in panel["queries"]) else "value",
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
    }


def _states(_panel: Json) -> tuple[Json, Json]:
    options = {"mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.8}
    return {"lineWidth": 0, "fillOpacity": 75}, {**options, "legend": LEGEND, "tooltip": {"mode": "single"}}


def _heat(panel: Json) -> tuple[Json, Json]:
    return {}, {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": panel["scheme"], "exponent": 0.5, "steps": 64, "fill": "dark-orange"},
        "yAxis": {"axisPlacement": "left", "unit": panel["unit"]},
        "rowsFrame": {"layout": "auto"},
        "filterValues": {"le": 1e-9},
        "showValue": "never",
        "cellGap": 1,
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
    }


def _table(panel: Json) -> tuple[Json, Json]:
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
    order = [{"displayName": panel["sort"], "desc": True}] if "sort" in panel else []
    return custom, {"showHeader": True, "cellHeight": "sm", "sortBy": order, "footer": {"show": False, "reducer": []}}


SHAPES: Final[dict[str, Callable[[Json], tuple[Json, Json]]]] = {
    "lines": _draw,
    "areas": _draw,
    "bars": _draw,
    "number": _number,
    "states": _states,
    "heat": _heat,
    "table": _table,
}
TYPES: Final = {
    "lines": "timeseries",
    "areas": "timeseries",
    "bars": "timeseries",
    "number": "stat",
    "states": "state-timeline",
    "heat": "heatmap",
    "table": "table",
}
"""Grafana's names for them."""


# Boards.


def render_board(board: Json) -> Json:
    """A dashboard, as Grafana's provisioning takes it."""
    return {
        "uid": board["uid"],
        "title": board["title"],
        "description": board["about"],
        "tags": ["crossfade"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": board.get("from", "now-1h"), "to": "now"},
        "timepicker": {},
        "refresh": "30s",
        "links": [_render_links()],
        "templating": {"list": [_render_source(), *map(_render_variable, board["variables"])]},
        "annotations": {"list": [_render_rollbacks()]},
        "panels": _render_rows(board["rows"]),
    }


def _render_rows(rows: Sequence[Json]) -> list[Json]:
    """Each row from left to right, its panels as wide as they ask for, going on below when a line is full."""
    panels: list[Json] = []
    top = 0
    for number, row in enumerate(rows):
        panels.append(_render_heading(number, row["title"], top))
        left, top, height = 0, top + 1, row.get("height", DEFAULT_HEIGHT)
        for panel in row["panels"]:
            if left + panel["width"] > GRID_COLUMNS:
                left, top = 0, top + height
            panels.append(render_panel(panel, {"x": left, "y": top, "w": panel["width"], "h": height}))
            left += panel["width"]
        top += height
    return panels


def _render_heading(number: int, title: str, top: int) -> Json:
    place = {"x": 0, "y": top, "w": GRID_COLUMNS, "h": 1}
    return {"id": 1000 + number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _render_links() -> Json:
    """To the other boards, with what is chosen."""
    link = {"type": "dashboards", "tags": ["crossfade"], "title": "Crossfade", "asDropdown": False}
    return {**link, "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "dashboard", "url": ""}


def _render_rollbacks() -> Json:
    """A mark in every chart at each rollback."""
    return {
        "name": "Rollbacks",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'sum by (rollout, rule) (increase(crossfade_rollbacks_total{instance=~"$gateway"}[2m])) > 0',
        "step": "60s",
        "titleFormat": "{{rollout}} rolled back",
        "textFormat": "{{rule}}",
    }


def _render_source() -> Json:
    variable = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {**variable, "refresh": 1, "multi": False, "includeAll": False, "current": {}, "options": []}


def _render_variable(name: str) -> Json:
    if name in CHOSEN:
        return _render_choice(name)
    label, query = QUERIED[name]
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def _render_choice(name: str) -> Json:
    label, values, chosen = CHOSEN[name]
    options = [{"text": text, "value": value, "selected": text == chosen} for text, value in values.items()]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ", ".join(f"{text} : {value}" for text, value in values.items()),
        "multi": False,
        "includeAll": False,
        "current": next(option for option in options if option["selected"]),
        "options": options,
    }


# Files.


def render_all() -> dict[Path, str]:
    """What each dashboard's file should have."""
    boards = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(BOARDS.glob("*.yaml"))}
    return {
        DASHBOARDS / f"{name}.json": json.dumps(render_board(board), indent=2, ensure_ascii=False) + "\n"
        for name, board in boards.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Write or check the dashboards; the exit status."""
    if list(arguments) not in (["--write"], ["--check"]):
        sys.stderr.write("--write or --check\n")
        return 2
    stale = {path: text for path, text in render_all().items() if not path.exists() or path.read_text() != text}
    if arguments[0] == "--write":
        for path, text in stale.items():
            path.write_text(text)
        return 0
    for path in stale:
        sys.stderr.write(f"{path.name} is not what its board says: python deploy/grafana/build.py --write\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
