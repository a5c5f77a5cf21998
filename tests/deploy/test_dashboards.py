"""The dashboards are what Grafana takes, ask for what there is, and show something of a gateway that runs."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from deploy.grafana.build import ARM_COLOURS, CHOSEN, DASHBOARDS, GRID_COLUMNS, QUERIED, main, render_all
from gateway.core.figures import DURATION_BOUNDS
from tests.deploy.promql import METRICS, find_metric, list_faults, list_selectors
from tests.deploy.scene import Scene, scene

Json = dict[str, Any]

FILES = sorted(DASHBOARDS.glob("*.json"))
BOARDS: dict[str, Json] = {path.stem: json.loads(path.read_text()) for path in FILES}
EVERY_BOARD = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
CHOICES = {
    "$__rate_interval": "10m",
    "$__range": "10m",
    "$gateway": ".+",
    "$rollout": ".+",
    "$route": ".+",
    "$objective": "0.999",
    "$latency": "1",
}
"""What Grafana would put in, with all chosen."""


def panels_of(board: Json) -> list[Json]:
    """Those that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries_of(board: Json) -> dict[str, str]:
    """Every query of the panels, by the panel's title and the query's letter, as Prometheus gets it."""
    return {
        f"{board['title']}: {panel['title']} ({target['refId']})": choose(target["expr"])
        for panel in panels_of(board)
        for target in panel["targets"]
    }


def choose(query: str) -> str:
    """A query with what is chosen in place of the variables."""
    return re.sub("|".join(map(re.escape, CHOICES)), lambda name: CHOICES[name.group()], query)


QUERIES = {title: query for board in BOARDS.values() for title, query in queries_of(board).items()}


def test_the_dashboards_are_what_their_boards_say() -> None:
    """Whoever changed a board made the JSON anew, and nobody changed the JSON alone."""
    assert render_all().keys() == set(FILES)
    assert main(["--check"]) == 0


def test_the_five_views_are_there() -> None:
    """Status, errors, performance, migration, objectives; each with an address of its own that does not change."""
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        "rollouts": "crossfade-rollouts",
        "errors": "crossfade-errors",
        "performance": "crossfade-performance",
        "migration": "crossfade-migration",
        "objectives": "crossfade-objectives",
    }


@EVERY_BOARD
def test_every_panel_says_what_it_shows(board: Json) -> None:
    """A title, a sentence, a unit, a query of the chosen Prometheus, and an id that no other has."""
    panels = panels_of(board)
    for panel in panels:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert max(Counter(panel["id"] for panel in board["panels"]).values()) == 1
    assert max(Counter(panel["title"] for panel in panels).values()) == 1


@EVERY_BOARD
def test_panels_do_not_overlap(board: Json) -> None:
    """Each cell of the grid has one panel at most, and none sticks out."""
    cells: Counter[tuple[int, int]] = Counter()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID_COLUMNS
        cells.update((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in _rows_of(place))

    assert max(cells.values()) == 1


def _rows_of(place: Json) -> range:
    return range(place["y"], place["y"] + place["h"])


@EVERY_BOARD
def test_variables_are_defined_and_used(board: Json) -> None:
    """A query asks for no variable that the board lacks, and the board offers none that changes nothing."""
    defined = {variable["name"] for variable in board["templating"]["list"]} - {"datasource"}
    exprs = [target["expr"] for panel in panels_of(board) for target in panel["targets"]]
    used = {name for expr in exprs for name in re.findall(r"\$(\w+)", expr) if not name.startswith("__")}

    assert used == defined


@EVERY_BOARD
def test_arms_have_their_colours_everywhere(board: Json) -> None:
    """Where a legend names the arm last, it is the arm's colour that is drawn."""
    for panel in panels_of(board):
        if any(target["legendFormat"].endswith("{{arm}}") for target in panel["targets"]):
            drawn = {each["matcher"]["options"]: each["properties"] for each in panel["fieldConfig"]["overrides"]}
            colours = {name: drawn[f"/{name}$/"][0]["value"]["fixedColor"] for name in ARM_COLOURS}
            assert colours == ARM_COLOURS


@pytest.mark.parametrize("title", QUERIES)
def test_every_query_asks_for_what_there_is(title: str) -> None:
    """Its metrics, labels and values are those of the catalogue."""
    assert list_faults(QUERIES[title]) == []


def test_every_metric_is_shown() -> None:
    """Nothing is counted that nobody sees."""
    shown = {find_metric(each.name) for query in QUERIES.values() for each in list_selectors(query)}

    assert METRICS.keys() - {metric.name for metric in shown if metric} == set()


def test_latencies_to_choose_are_bounds_of_buckets() -> None:
    """Of another latency nobody knows how many requests were quicker."""
    _, latencies, _ = CHOSEN["latency"]

    assert {float(value) for value in latencies.values()} <= set(DURATION_BOUNDS)


def test_provisioning_names_where_the_dashboards_are_mounted() -> None:
    """What the README mounts is where Grafana is told to look."""
    folder = DASHBOARDS.parent
    (provider,) = yaml.safe_load((folder / "provisioning/dashboards/crossfade.yaml").read_text())["providers"]
    (source,) = yaml.safe_load((folder / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]

    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in (folder.parent / "README.md").read_text()
    assert source["type"] == "prometheus"


# Against a gateway that runs.


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway, its backends and a Prometheus."""
    with scene(tmp_path_factory.mktemp("dashboards")) as started:
        yield started


def test_every_panel_shows_something(running: Scene) -> None:
    """Each query, and each variable's, gives numbers in a real Prometheus that scrapes a gateway with traffic."""
    found, missing = running.prometheus, dict(QUERIES)

    def is_all_shown() -> bool:
        running.send()
        for title, query in list(missing.items()):
            if any(math.isfinite(value) for value in found.query(query).values()):
                del missing[title]
        return not missing

    found.wait_until(is_all_shown, lambda: missing)
    for name, (_, query) in QUERIED.items():
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        asked = urlencode({"match[]": choose(selector)})
        assert found.ask(f"/api/v1/label/{label}/values?{asked}"), name


def test_what_panels_show_is_what_happened(running: Scene) -> None:
    """The candidate fails more, some answers differ, one rollout was rolled back, and its users are at home."""
    found = running.prometheus

    def shown(title: str) -> dict[str, float]:
        (query,) = (query for each, query in QUERIES.items() if each.endswith(f": {title}"))
        return {"/".join(value for _, value in labels): value for labels, value in found.query(query).items()}

    running.send()
    found.wait_until(lambda: shown("Rollbacks (A)").get("") == 1)
    found.wait_until(lambda: shown("Drift (A)").get("", 0) > 0)
    errors = shown("Error rate of each arm (A)")
    assert errors["candidate"] > errors["baseline"] > 0
    assert set(shown("Where each stands (A)")) == {"failing/rolled_back", "moving/running"}
    assert shown("Where each stands (B)") == {"failing": 0, "moving": 50}
    assert shown("By whom (A)") == {"failing/errors > 3 for 1m": 1}
    assert shown("Saved by the baseline (A)")[""] > 0
    assert 0 < shown("How full journals are (A)")["payments"] < 1
