"""The admin API of a running gateway, against its own description: schemathesis asks what nobody would think of."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from jsonschema import Draft202012Validator

from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server

TOKEN = "a-token-for-operators"

# What a request may look like is more than a schema can say; its stream has no end, and tests of its own.
SETTINGS = """
seed = 20260101

[[operations]]
include-operation-id = "explain"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "422"]

[[operations]]
include-operation-id = "show_impact"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]

[[operations]]
include-operation-id = "reconcile"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]

[[operations]]
include-operation-id = "stream"
enabled = false
"""


def configuration(server: Server, token: str) -> str:
    """Half the users to each of two backends, the same server both."""
    return f"""\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0, token: "{token}"}}
backends: {{legacy: {server.url}, new: {server.url}}}
rollouts: {{shop: {{key: [header:X-User-ID, client_ip], percent: 50}}}}
routes:
  - {{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop,
     paths: ["/status/{{code}}"], journal: {{}}}}
"""


@pytest.fixture(params=["", TOKEN], ids=["open", "token"])
def headers(request: pytest.FixtureRequest) -> dict[str, str]:
    """What a caller shows: nothing, or the token."""
    return {"Authorization": f"Bearer {request.param}"} if request.param else {}


@pytest.fixture
def gateway(start_gateway: Start, nginx: Server, headers: dict[str, str]) -> Gateway:
    """A running gateway that had some requests."""
    gateway = start_gateway(configuration(nginx, TOKEN if headers else ""))
    for number in range(40):
        gateway.get("/status/404" if number % 4 == 0 else "/status/200", {"X-User-ID": f"user-{number}"})
    return gateway


@pytest.mark.timeout(300)
def test_the_api_is_as_it_describes_itself(gateway: Gateway, headers: dict[str, str], tmp_path: Path) -> None:
    """All checks of schemathesis, on calls that fit the description and on calls that do not; nothing fails, whoever
    lacks the token gets nowhere, and the gateway has no fault in its log.
    """
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    shown = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    options = ["--checks", "all", "--max-examples", "15", "--request-timeout", "30", "--no-color", *shown]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "schemathesis.cli",
        "run",
        f"{gateway.admin}/openapi.json",
        *options,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    (generated,) = re.findall(r"(\d+) generated", done.stdout)
    assert int(generated) > 300
    assert gateway.events("admin_call_failed") == []


def test_what_went_through_is_shown(gateway: Gateway, headers: dict[str, str]) -> None:
    """Per path and arm, over time, and by who served it."""
    with requests.Session() as session:
        session.headers.update(headers)
        gateway.wait_until(lambda: count(session, gateway) == 40)
        items = session.get(f"{gateway.admin}/api/v1/paths").json()["items"]
        codes = {f"{arm}": row[arm]["requests"] for row in items for arm in ("baseline", "candidate")}
        series = session.get(f"{gateway.admin}/api/v1/series?metric=client_error_rate&window=1m").json()
        status = session.get(f"{gateway.admin}/api/v1/status").json()

        assert [row["path"] for row in items] == ["/status/{code}"]
        assert min(codes.values()) > 0
        assert max(rate or 0 for rate in series["baseline"] + series["candidate"]) > 0
        assert sorted(worker["pid"] for worker in status["workers"]) == sorted(gateway.pids("w"))
        assert status["ready"]


def count(session: requests.Session, gateway: Gateway) -> int:
    """All requests, of both arms."""
    items = session.get(f"{gateway.admin}/api/v1/paths?route=all&window=1h").json()["items"]
    return sum(row[arm]["requests"] for row in items for arm in ("baseline", "candidate"))


def test_a_percentage_moves_users_and_is_told_to_who_watches(gateway: Gateway, headers: dict[str, str]) -> None:
    """When the call returns every worker has it, explain says so, and the stream tells who did it."""
    with requests.Session() as session, requests.Session() as other:
        session.headers.update(headers)
        watched = other.get(f"{gateway.admin}/api/v1/stream", headers=headers, stream=True, timeout=30)
        lines = watched.iter_lines(decode_unicode=True)
        assert next(lines) == "event: status"
        wish = {"percent": 0, "reason": "it hurts"}
        named = {"X-Crossfade-Operator": "ann"}
        answer = session.put(f"{gateway.admin}/api/v1/rollouts/shop/percent", json=wish, headers=named)
        arms = {requests.get(f"{gateway.url}/status/200", timeout=30).headers["X-Crossfade-Arm"] for _ in range(20)}
        explained = session.post(f"{gateway.admin}/api/v1/explain", json={"url": "/status/200"}).json()

        assert (answer.status_code, answer.json()["percent"], answer.json()["source"]) == (200, 0, "operator")
        assert arms == {explained["arm"]} == {"baseline"}
        assert '"actor":{"type":"operator","name":"ann"}' in find_event(lines)
        watched.close()


def find_event(lines: Iterator[str]) -> str:
    """The content of the next event of the audit log that is about a rollout."""
    for line in lines:
        if line.startswith('data: {"time"') and '"kind":"percent"' in line:
            return line
    raise AssertionError("the stream ended")


def test_the_description_is_openapi(gateway: Gateway, headers: dict[str, str]) -> None:
    """Every shape in it is a JSON Schema that tools can read."""
    document = requests.get(f"{gateway.admin}/openapi.json", headers=headers, timeout=30).json()

    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
