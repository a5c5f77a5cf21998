"""The Dockerfile, by the rules that matter most of hadolint's and of the CIS benchmark's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.settings.schema.server import Admin, Server

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def steps():
    """Every instruction with its argument, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def _of(steps, name):
    return [argument for instruction, argument in steps if instruction == name]


def test_the_base_is_one_release_of_debian_and_one_minor_version_of_python(steps):
    """A new build brings what was mended, and nothing that breaks; both stages stand on the same."""
    (base,) = _of(steps, "ARG")

    assert re.fullmatch(r"BASE=python:3\.\d+-slim-[a-z]+", base)
    assert {source.split()[0] for source in _of(steps, "FROM")} == {"${BASE}"}


def test_it_runs_as_a_number_that_is_not_root(steps):
    """Kubernetes' runAsNonRoot can tell."""
    users = _of(steps, "USER")

    assert len(users) == 1
    assert all(int(number) > 10_000 for number in users[0].split(":"))


def test_nothing_is_fetched_but_by_pip_and_nothing_secret_is_given(steps):
    """No ADD of a URL, no shell that fetches, no variable that looks like a secret."""
    runs = " ".join(_of(steps, "RUN"))
    variables = " ".join([*_of(steps, "ARG"), *_of(steps, "ENV")])

    assert _of(steps, "ADD") == []
    assert not re.search(r"\b(curl|wget|git|sudo|apt-get)\b", runs)
    assert not re.search(r"token|secret|password", variables, re.IGNORECASE)


def test_only_what_the_image_needs_is_sent_to_the_builder(steps):
    """What .dockerignore lets through is what COPY takes: no store, no environment file, no history."""
    allowed = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        name for argument in _of(steps, "COPY") if not argument.startswith("--from") for name in argument.split()[:-1]
    }

    assert copied == allowed


def test_it_asks_the_ports_that_are_the_defaults(steps):
    """The health check and EXPOSE go by the addresses that a configuration has when it says nothing."""
    (check,) = _of(steps, "HEALTHCHECK")

    assert f"127.0.0.1:{Admin().listen.port}/healthz" in check
    assert _of(steps, "EXPOSE") == [str(Server().listen[0].port)]


def test_pid_1_is_the_gateway(steps):
    """Commands are lists, not shells: SIGTERM reaches the master, which drains."""
    assert _of(steps, "ENTRYPOINT") == ['["crossfade"]']
    assert _of(steps, "CMD") == ['["run", "-c", "/etc/crossfade/gateway.yaml"]']
    assert _of(steps, "STOPSIGNAL") == ["SIGTERM"]
