"""An admin API that answers over a socket, the real parts behind it; and someone who asks and checks every answer."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from jsonschema import Draft202012Validator

from gateway.admin import api
from gateway.control.configuration import Configuration
from gateway.control.crowds import Crowds
from gateway.control.figures import Batch, Figures
from gateway.control.history import History
from gateway.control.mismatches import Mismatches
from gateway.control.notices import Notices
from gateway.control.overview import Sources, take_snapshot
from gateway.control.reconciling import Reconciling
from gateway.control.rollouts import Rollouts
from gateway.control.roster import Roster
from gateway.control.rules import RuleState
from gateway.control.tracing import Exports
from gateway.core.figures import Answer, Counted, PathFigures, Subject
from gateway.core.histogram import bucket_of
from gateway.core.types import Table
from gateway.runtime.sockets import open_single, show_address
from gateway.store import open_store
from tests.control.texts import GOOD, source

if TYPE_CHECKING:
    from gateway.control.membership import Membership

NOW = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
UPTIME_SECONDS = 100


class Desk:
    """An API, with a worker whose diligence is ours to decide, and a clock that stands still."""

    def __init__(self, folder: Path, env: Mapping[str, str], membership: Membership | None = None) -> None:
        self.file = GOOD
        self.membership = membership
        self.now = NOW
        self.roster = Roster(1)
        self.applies = True
        self.seat = self.roster.joined(0, pid=11, revision="", run=1)
        self.figures = Figures((NOW - timedelta(seconds=UPTIME_SECONDS)).timestamp())
        self.mismatches = Mismatches()
        self.store = open_store(f"sqlite:{folder / 'crossfade.db'}")
        self.rollouts = Rollouts(self.store, self._publish, lambda: self.now)
        self.reconciling = Reconciling(
            folder / "crossfade.db.journal", self.rollouts, self.store.record, lambda: self.now
        )
        self.configuration = Configuration(source(folder, **env), self.rollouts.publish, lambda _accepted: None)
        self.listening = open_single("127.0.0.1", 0)
        self.url = f"http://{show_address(self.listening)}"
        self.crowds = Crowds(lambda: self.now.timestamp())  # noqa: PLW0108 - it moves
        self.said: list[RuleState] = []
        """By the rules of every rollout."""
        self._batches = 0

    @property
    def control(self) -> api.Control:
        """What the API sees."""
        return api.Control(
            configuration=self.configuration,
            roster=self.roster,
            rollouts=self.rollouts,
            rules=lambda _name: self.said,
            figures=self.figures,
            crowds=self.crowds,
            reconciling=self.reconciling,
            mismatches=self.mismatches,
            store=self.store,
            reload=self.reload,
            snapshot=lambda: take_snapshot(self.sources),
            now=lambda: self.now,
            membership=self.membership,
        )

    @property
    def sources(self) -> Sources:
        """What the metrics are made from."""
        return Sources(
            configuration=self.configuration,
            roster=self.roster,
            rollouts=self.rollouts,
            rules=lambda _name: [],
            figures=self.figures,
            history=History(),
            exports=Exports(),
            notices=Notices(self.url),
            store=self.store,
            membership=self.membership,
        )

    async def reload(self) -> bool:
        """Read "the file"."""
        return await self.configuration.take(self.file.encode(), self.now)

    async def load(self, text: str) -> None:
        """Put a configuration in force."""
        self.file = text
        assert await self.reload(), self.configuration.problems

    def count(self, *counted: Counted, ago: float = 0) -> None:
        """A worker reports, so many seconds ago."""
        self._batches += 1
        self.figures.record(Batch(1, self._batches, self.now.timestamp() - ago, counted))

    def _publish(self, table: Table) -> None:
        self.roster.published(self.roster.newest + 1, table.revision)
        self.figures.adopt(table)
        self.mismatches.adopt(table, self.now.timestamp())
        if self.applies:
            self.roster.applied(self.seat, self.roster.newest)


def counted(
    path: str,
    arm: str = "baseline",
    latencies_ms: Iterable[float] = (),
    *,
    route: str = "shop",
    errors: int = 0,
    client_errors: int = 0,
    is_forced: bool = False,
) -> Counted:
    """A request per latency; so many of them failed, or were refused."""
    figures = PathFigures(errors={"5xx": errors} if errors else {}, client_errors=client_errors)
    for latency in latencies_ms:
        answer = Answer("legacy", "GET", 200, "split")
        figures.answers[answer] = figures.answers.get(answer, 0) + 1
        bucket = bucket_of(latency / 1000)
        figures.latencies[bucket] = figures.latencies.get(bucket, 0) + 1
    return Counted(Subject(route, path, arm, is_forced), figures)


@dataclass(frozen=True)
class Reply:
    """What came back, found to be as the API's own description says."""

    status: int
    headers: Mapping[str, str]
    content_type: str
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Asks, and compares each answer with the OpenAPI document."""

    def __init__(self, session: aiohttp.ClientSession, document: Any) -> None:
        self.session = session
        self.document = document

    async def ask(self, method: str, path: str, **more: Any) -> Reply:
        """The reply to one call."""
        async with self.session.request(method, path, **more) as response:
            reply = Reply(response.status, response.headers.copy(), response.content_type, await response.text())
        check_reply(self.document, method, path, reply)
        return reply

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, **more: Any) -> Reply:
        return await self.ask("POST", path, **more)

    async def put(self, path: str, **more: Any) -> Reply:
        return await self.ask("PUT", path, **more)

    async def delete(self, path: str, **more: Any) -> Reply:
        return await self.ask("DELETE", path, **more)


def check_reply(document: Any, method: str, path: str, reply: Reply) -> None:
    """A reply has a status, a content type and a shape that its operation names; what no operation is, is a problem."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    operation = find_operation(document, method, path)
    if operation is None or reply.status == 500:
        content = problem
    else:
        assert str(reply.status) in operation["responses"], (method, path, reply)
        content = operation["responses"][str(reply.status)]["content"]
    assert reply.content_type in content, (method, path, reply)
    if reply.content_type.endswith(("/json", "+json")) and method != "HEAD":
        schema = {**content[reply.content_type]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(reply.json)


def find_operation(document: Any, method: str, path: str) -> Any:
    """What the document says of a call; None when it is not there."""
    for template, operations in document["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path.partition("?")[0]):
            return operations.get("get" if method == "HEAD" else method.lower())
    return None


@asynccontextmanager
async def desk(
    folder: Path, config: str | None = GOOD, membership: Membership | None = None, **env: str
) -> AsyncIterator[tuple[Desk, Client]]:
    """A desk with a configuration in force, and someone who asks; without ``config``, before the first."""
    made = Desk(folder, env, membership)
    await made.rollouts.begin()
    if config is not None:
        await made.load(config)
    runner = await api.serve(made.control, made.listening)
    headers = {"Authorization": f"Bearer {env['TOKEN']}"} if "TOKEN" in env else {}
    async with aiohttp.ClientSession(made.url) as session:
        document = await (await session.get("/openapi.json", headers=headers)).json()
        yield made, Client(session, document)
    await runner.cleanup()
    await made.rollouts.close()
    await made.store.close()
