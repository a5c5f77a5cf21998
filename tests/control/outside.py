"""Someone outside, who is asked over a real socket and answers what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Question:
    """What came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Outside:
    """Answers every question alike."""

    url: str = ""
    status: int = 200
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/plain"
    questions: list[Question] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.questions.append(Question(request.method, request.path_qs, request.headers, await request.read()))
        return web.Response(
            status=self.status, text=self.text, content_type=self.content_type, headers=dict(self.headers)
        )

    def figure(self, *values: str) -> None:
        """Answer as Prometheus does, with a vector of these values."""
        elements = ",".join(f'{{"metric":{{}},"value":[1.5,"{value}"]}}' for value in values)
        self.text = f'{{"status":"success","data":{{"resultType":"vector","result":[{elements}]}}}}'
        self.content_type = "application/json"


@asynccontextmanager
async def outside(**answer: object) -> AsyncIterator[Outside]:
    """Someone who listens."""
    made = Outside(**answer)  # type: ignore[arg-type]
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.answer)
    server = TestServer(app)
    await server.start_server()
    made.url = str(server.make_url("/")).rstrip("/")
    try:
        yield made
    finally:
        await server.close()
