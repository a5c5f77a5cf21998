"""What must not be stored is nowhere: neither in the store nor in logs, answers of the API, exports or incidents."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.shop import Asked, Said, say, say_json, shop
from tests.e2e.test_commands import crossfade
from tests.e2e.users import await_comparing, await_copies

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, access_log: all}}
admin: {{listen: 127.0.0.1:0}}
store: sqlite:state.db
backends: {{legacy: {legacy}, new: {new}}}
rollouts:
  shop: {{key: "header:X-User-ID", percent: 0, guard: []}}
  fragile: {{key: "header:X-User-ID", percent: 1, guard: [{{when: mismatches > 2 for 1m, do: rollback}}]}}
routes:
  - {{name: fragile, match: /fragile/**, baseline: legacy, candidate: new, rollout: fragile, shadow: {shadow}}}
  - {{name: warm, match: /warm, baseline: legacy, candidate: new, rollout: shop, shadow: {shadow}}}
  - {{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop, shadow: {shadow}}}
"""
SHADOW = """{
      percent: 100, methods: [GET, POST], direction: both,
      compare: {
        headers: [Content-Type, Location, Set-Cookie, X-Token, Link],
        redact: ["$..password", "$..token", "$['X-Token']"],
      }}"""

NEEDLE = "s3cr3t"
"""A part of every secret."""
BASIC = base64.b64encode(f"ann:{NEEDLE}".encode()).decode()
OPEN = "in-the-open"
"""A part of what anybody may see: it must be found, or looking for the other proves nothing."""

BODIES: dict[str, Callable[[str], tuple[str, str]]] = {
    "/json": lambda arm: ("application/json", json.dumps(describe(arm))),
    "/fragile/json": lambda arm: ("application/json", json.dumps(describe(arm))),
    "/form": lambda arm: ("application/x-www-form-urlencoded", f"user%5Bpassword%5D={NEEDLE}+{arm}&b={OPEN}-{arm}"),
    "/text": lambda arm: ("text/plain", f"a line\npassword: {NEEDLE} {arm}\n{OPEN} {arm}\n"),
    "/xml": lambda arm: ("application/xml", f'<a token="{NEEDLE}{arm}"><password>{NEEDLE} {arm}</password></a>'),
    "/broken": lambda arm: ("application/json", f'{{"password": "{NEEDLE}-{arm}", '),
    "/lines": lambda arm: ("text/csv", f"https://x/?token={NEEDLE}{arm}&a={OPEN}{arm}\n"),
    "/multipart": lambda arm: ("multipart/form-data; boundary=b", compose_part(arm)),
}


def describe(arm: str) -> dict[str, object]:
    """A body with secrets in fields that differ, and in values that only one side has."""
    found: dict[str, object] = {
        "password": f"{NEEDLE}-{arm}",
        "users": [{"token": f"{NEEDLE}-{arm}", "name": f"{OPEN}-{arm}"}],
        "link": f"/next?a=1&token={NEEDLE}-{arm}",
        "note": f"Authorization: Bearer {NEEDLE}-{arm}",
    }
    return found | ({"account": {"deep": [{"password": {"old": [NEEDLE]}}]}} if arm == "new" else {})


def compose_part(arm: str) -> str:
    return f'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{NEEDLE} {arm}\r\n--b--\r\n'


def echo(arm: str, asked: Asked) -> dict[str, object]:
    """What careless services say of a request; but for the user's key, which is no secret of theirs."""
    fields = {name.decode(): f"{value.decode()} {arm}" for name, value in asked.fields if name != b"X-User-ID"}
    dump = "\n".join(f"{name}: {value}" for name, value in fields.items())
    error = f"no way: {asked.method.decode()} {asked.target.decode()} for {arm}, {fields.get('Authorization')}"
    return {"headers": fields, "dump": dump, "url": f"http://{arm}{asked.target.decode()}", "error": error}


def answer_as(arm: str) -> Callable[[Asked], Said]:
    """An arm that is careless about headers, too, and says back what it was asked."""

    def answer(asked: Asked) -> Said:
        lines = [f"Location: /next?token={NEEDLE}-{arm}", f"X-Token: {NEEDLE}-{arm}"]
        lines += [f"Set-Cookie: session={NEEDLE}-{arm}; HttpOnly", f"Link: </x?a={arm}&password={NEEDLE}>"]
        if asked.path not in BODIES:
            return say_json(echo(arm, asked), *lines)
        content_type, body = BODIES[asked.path](arm)
        return say(body.encode(), f"Content-Type: {content_type}", *lines)

    return answer


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """It has seen every secret, in every place, and rolled back for what it saw."""
    with shop(answer_as("old")) as baseline, shop(answer_as("new")) as candidate:
        text = CONFIGURATION.format(legacy=baseline.url, new=candidate.url, shadow=SHADOW)
        with Gateway(text, tmp_path_factory.mktemp("secrets")) as running:
            await_comparing(running, "/warm", "warm")
            others = [path for path in BODIES if not path.startswith("/fragile")]
            for path in [*others, "/echo", *["/fragile/json"] * 5]:
                tell(running, "GET", path)
                tell(running, "POST", path)
            await_copies(running, "all", 2 * len(others) + 2)
            running.wait_until(lambda: running.ask("/api/v1/incidents")[1]["items"])
            yield running


def tell(gateway: Gateway, method: str, path: str) -> None:
    """Ask for something with a secret wherever one may be."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    headers = {
        "X-User-ID": f"{NEEDLE}-user",
        "Authorization": f"Basic {BASIC}",
        "Cookie": f"session={NEEDLE}; a=b",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = f"password={NEEDLE}&b=c" if method == "POST" else None
    connection.request(method, f"{path}?a=b&token={NEEDLE}&password={NEEDLE}", body, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 200


def fetch(gateway: Gateway, path: str, accept: str) -> str:
    """What the admin API answers."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=30)
    connection.request("GET", path, headers={"Accept": accept})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    assert response.status == 200, path
    return text


def list_places(gateway: Gateway) -> Iterator[tuple[str, str, str]]:
    """Where the API tells of requests and answers: a path, what to accept, and what must be found there."""
    plain = "application/json"
    yield "/api/v1/mismatches", plain, OPEN
    yield "/api/v1/mismatches?route=all", "application/x-ndjson", OPEN
    (incident,) = gateway.ask("/api/v1/incidents")[1]["items"]
    yield f"/api/v1/incidents/{incident['id']}", plain, OPEN
    yield f"/api/v1/incidents/{incident['id']}", "text/markdown", OPEN
    yield "/api/v1/events", plain, "mismatches > 2 for 1m was broken"
    yield "/api/v1/paths", plain, "/json"
    yield "/api/v1/rollouts/fragile", plain, "rolled_back"
    yield "/api/v1/status", plain, "fragile"
    yield "/metrics", "text/plain", "/json"


def test_the_api_has_no_secret_anywhere(gateway: Gateway) -> None:
    """Rows, exports, incidents, events, figures: what may be seen is there, and nothing else."""
    for path, accept, found in list_places(gateway):
        text = fetch(gateway, path, accept)
        assert found in text, path
        assert (NEEDLE in text, BASIC in text) == (False, False), (path, accept)


def test_samples_say_that_something_was_there(gateway: Gateway) -> None:
    """In its place, so that the difference can be found."""
    rows = gateway.ask("/api/v1/mismatches?route=all&limit=1000")[1]["items"]
    seen = {(row["path"], row["field"]) for row in rows if "[redacted]" in json.dumps(row["samples"])}

    assert {("/json", "$.password"), ("/json", "$.users[*].token"), ("/json", "Set-Cookie")} <= seen
    assert ("/json", "$.account") in seen


def test_the_command_shows_no_secret(gateway: Gateway) -> None:
    """Neither to people nor as an export."""
    status, out, _ = crossfade(gateway, "mismatches", "all", "--samples", "100")
    assert (status, OPEN in out, NEEDLE in out) == (0, True, False)
    status, out, _ = crossfade(gateway, "mismatches", "all", "--ndjson")
    assert (status, OPEN in out, NEEDLE in out) == (0, True, False)


def test_no_file_has_a_secret(gateway: Gateway) -> None:
    """The store with its log, and what was written to both outputs."""
    gateway.wait_until(lambda: OPEN.encode() in read_all(gateway.path.parent, "state.db*"))
    gateway.wait_until(lambda: b'"/json"' in read_all(gateway.path.parent, "gateway.out"))

    content = read_all(gateway.path.parent, "*")
    assert (NEEDLE.encode() in content, BASIC.encode() in content) == (False, False)


def read_all(folder: Path, pattern: str) -> bytes:
    """The bytes of all such files."""
    return b"".join(path.read_bytes() for path in folder.glob(pattern) if path.is_file())
