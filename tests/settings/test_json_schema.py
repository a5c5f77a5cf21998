from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from gateway.settings.json_schema import build_schema, render_schema, walk_sections
from gateway.settings.load import load_text
from gateway.settings.schema import Config
from gateway.settings.yaml import read_document

SAMPLES = sorted((Path(__file__).parents[2] / "config").rglob("*.yaml"))
VALIDATOR = Draft7Validator(build_schema())
SMALLEST = """\
version: 1
backends: {legacy: http://127.0.0.1:9001}
routes: [{name: all, match: /**, backend: legacy}]
"""
SPLIT = "routes: [{name: a, match: /a, baseline: legacy, candidate: legacy, rollout: {key: client_ip}"
"""In place of the routes above."""

ACCEPTED = [
    "server: {listen: 127.0.0.1:80, workers: 3}",
    "server: {listen: [{address: '127.0.0.1:80'}, '[::1]:81'], workers: auto, trusted_proxies: []}",
    "server: {limits: {body: 0, header_bytes: 64KiB}, timeouts: {idle: 1.5m, drain: 0s}}",
    "server: {override: {from: 10.0.0.0/8}}",
    "server: {workers: '${W:-3}', expose: '${E:-true}', access_log: '${L:-off}', timeouts: {idle: '${I:-1s}'}}",
    "rollouts: {a: {key: client_ip, percent: 5%}, b: {key: [client_ip], percent: 0.01}}",
    "rollouts: {a: {key: client_ip, percent: '5'}}",
    "rollouts: {a: {key: client_ip, cohorts: {name: a, arm: candidate, when: {client_ip: a}}}}",
    "rollouts: {a: {key: client_ip, cohorts: [{name: a, percent: 5, when: {cookie:a: [a, b]}}]}}",
    "rollouts: {a: {key: client_ip, stages: [{percent: 5, hold: 1h}, {cohorts: [], percent: 100}], start: auto}}",
    "rollouts: {a: {key: client_ip, stages: {percent: 5, gates: errors < 5}, gates: [p95 < 1.1x baseline for 10m]}}",
    "rollouts: {a: {key: client_ip, gates: [{webhook: 'http://ci', secret: '${S:-s}'}, {when: p99 < 1s, per: path}]}}",
    "rollouts: {a: {key: client_ip, guard: [{prometheus: 'http://p', query: up, when: '< 1', for: 1m, do: pause}]}}",
    "rollouts: {a: {key: client_ip, guard: [], confidence: none, cooldown: 0s, retry: 1}}",
    "rollouts: {a: {key: client_ip, guard: error_rate > baseline + 1%, confidence: 99.9%}}",
    "notify: [{url: 'slack://a/b/c'}, {url: '${URL:-json://a}', events: [stage, config]}]",
    "notify: {url: 'json://a', events: rollback}",
    "store: sqlite:///var/lib/crossfade.db",
    f"{SPLIT}, shadow: {{}}, journal: {{}}}}]",
    f"{SPLIT}, shadow: {{methods: GET, compare: {{ignore: $.at, unordered: [$.a, '$..b'], headers: [ETag]}}}}}}]",
    f"{SPLIT}, shadow: {{compare: {{tolerance: {{$.a: 1%, $..b: 0.01, $.c: '${{C:-1}}'}}}}}}}}]",
    f"{SPLIT}, journal: {{methods: [POST], keep: 1d, size: 1GiB, when_full: drop}}}}]",
]
REFUSED = [
    "server: {listn: 127.0.0.1:80}",
    "server: {workers: 0}",
    "server: {expose: 1}",
    "server: {timeouts: {idle: 10}}",
    "rollouts: {a: {key: client_ip, percent: 101}}",
    "rollouts: {a: {percent: 5}}",
    "rollouts: {a b: {key: client_ip}}",
    "admin: {metrics: closed}",
    "rollouts: {a: {key: client_ip, guard: eror_rate > 5%}}",
    "rollouts: {a: {key: client_ip, guard: {when: error_rate > 5%, do: rolback}}}",
    "rollouts: {a: {key: client_ip, gates: {webhook: 'http://ci', do: pause}}}",
    "rollouts: {a: {key: client_ip, stages: {percent: 5, hold: 5}}}",
    "rollouts: {a: {key: client_ip, confidence: 49}}",
    "notify: {url: 'json://a', events: rolback}",
    f"{SPLIT}, shadow: on}}]",
    f"{SPLIT}, shadow: {{compare: {{ignore: at}}}}}}]",
    f"{SPLIT}, shadow: {{compare: {{tolerance: {{$.a: -1}}}}}}}}]",
    f"{SPLIT}, journal: {{when_full: wait}}}}]",
]


def complete(addition: str) -> str:
    """A whole configuration with it."""
    frame = SMALLEST.partition("routes:")[0] if addition.startswith("routes:") else SMALLEST
    return f"{frame}{addition}\n"


def faults_of(text: str) -> list[str]:
    """What an editor would underline: it knows YAML 1.2, and takes variables as they are written."""
    root, _ = read_document(text.replace("${", "$${"), {})
    assert root is not None
    return [error.message for error in VALIDATOR.iter_errors(root.plain)]


def test_the_schema_is_a_schema() -> None:
    """Draft 7 itself has nothing against it."""
    Draft7Validator.check_schema(build_schema())

    assert json.loads(render_schema()) == build_schema()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_valid_for_an_editor(path: Path) -> None:
    """What the loader takes is not underlined, and the first line leads the editor to the schema."""
    text = path.read_text()
    modeline = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")

    assert faults_of(text) == []
    assert (path.parent / modeline).resolve() == Path(__file__).parents[2] / "config" / "schema.json"


@pytest.mark.parametrize("addition", ACCEPTED)
def test_every_way_of_writing_is_accepted(addition: str) -> None:
    """Short forms, bare values, units and variables: the loader takes them, and so does the editor."""
    text = complete(addition)

    assert load_text(text, "gateway.yaml", {}, Path()).config.version == 1
    assert faults_of(text) == []


@pytest.mark.parametrize("addition", REFUSED)
def test_plain_mistakes_are_underlined(addition: str) -> None:
    """An editor sees unknown fields, wrong types and bounds by itself."""
    assert faults_of(complete(addition)) != []


def test_every_field_is_documented_in_the_editor() -> None:
    """What stands under the pointer says what a field means."""
    definitions: dict[str, Any] = build_schema()["definitions"]
    bare = [
        f"{section.__name__}.{name}"
        for section in walk_sections(Config)
        for name, field in section.model_fields.items()
        if not field.description and field.annotation is not None
    ]

    assert bare == []
    assert definitions["Eject"]["properties"]["for"]["default"] == "30s"
