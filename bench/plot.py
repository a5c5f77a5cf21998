"""The picture: a panel per case, a bar per proxy, CPU per request."""

from __future__ import annotations

import math
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.cases import CASES
from bench.report import Figures, Results, duration

PANELS_PER_ROW = 4
OURS, THEIRS = "#d1495b", "#8d99ae"


def draw(results: Results, path: Path) -> None:
    """Write the PNG."""
    cases = [list(group) for _, group in groupby(results.figures, key=lambda figures: figures.case)]
    columns = min(PANELS_PER_ROW, len(cases))
    rows = math.ceil(len(cases) / columns)
    figure = Figure(figsize=(4 * columns, 2.4 * rows + 0.6))
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat[len(cases) :]:
        panel.set_visible(False)
    for panel, of_case in zip(panels.flat, cases, strict=False):
        _draw_case(panel, of_case)
    figure.suptitle("CPU per request, whole process tree (shorter is better)")
    figure.text(0.5, 0.005, results.heading(), ha="center", fontsize=8, color="#555555")
    figure.tight_layout(rect=(0, 0.03, 1, 0.98))
    figure.savefig(path, dpi=120)


def _draw_case(panel: Axes, of_case: list[Figures]) -> None:
    names = [figures.proxy for figures in of_case]
    costs = [figures.cpu_us for figures in of_case]
    bars = panel.barh(names, costs, color=[OURS if name == "crossfade" else THEIRS for name in names])
    panel.bar_label(bars, [duration(cost) for cost in costs], padding=3, fontsize=8)
    panel.set_xlim(0, max(costs) * 1.3)  # room for the labels
    panel.invert_yaxis()
    panel.set_title(CASES[of_case[0].case].title, fontsize=10)
    panel.set_xticks([])
    panel.spines[["top", "right", "bottom"]].set_visible(False)
