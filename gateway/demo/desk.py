"""The operator's desk: what a person sees and does over the admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from gateway.admin.control import OPERATOR_HEADER
from gateway.admin.events import EventList
from gateway.admin.incidents import MARKDOWN
from gateway.admin.mismatches import MismatchList
from gateway.admin.rollouts import RolloutView
from gateway.core.lifecycle import Action
from gateway.demo.configuration import ROLLOUT, ROUTE
from gateway.demo.drift import Drift
from gateway.errors import CommandError
from gateway.store.records import Event

CALL_SECONDS = 30.0
"""How long one call may take: a change is answered when it is in force in every worker."""

OPERATOR = "demo"
"""Who acts, for the audit log."""


class Desk:
    """Calls of the admin API. Each raises `CommandError` when it is not answered well."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._last_id = 0

    async def look(self) -> RolloutView:
        """How the rollout stands."""
        return msgspec.json.decode(await self._call("GET", f"/api/v1/rollouts/{ROLLOUT}"), type=RolloutView)

    async def read_events(self) -> list[Event]:
        """What the audit log has of the rollout since the last time, the oldest first."""
        query = {"after": str(self._last_id), "rollout": ROLLOUT}
        events = msgspec.json.decode(await self._call("GET", "/api/v1/events", query), type=EventList).items
        self._last_id = events[-1].id if events else self._last_id
        return events

    async def act(self, action: Action, reason: str, *, force: bool = False) -> None:
        """Drive the rollout; returns when it is in force in every worker."""
        await self._call("POST", f"/api/v1/rollouts/{ROLLOUT}/{action}", body={"reason": reason, "force": force})

    async def read_incident(self, name: str) -> str:
        """An incident as Markdown."""
        return (await self._call("GET", f"/api/v1/incidents/{name}")).decode()

    async def read_drift(self) -> Drift:
        """What comparing both shops' answers has found."""
        content = await self._call("GET", "/api/v1/mismatches", {"route": ROUTE})
        return Drift.read(msgspec.json.decode(content, type=MismatchList))

    async def is_in_force(self) -> bool:
        """Whether every worker serves what was published last."""
        try:
            async with self._session.get("/readyz") as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _call(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, object] | None = None
    ) -> bytes:
        try:
            async with self._session.request(method, path, params=query, json=body) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandError(f"the admin API does not answer {method} {path}: {error!r}") from error
        if not response.ok:
            raise CommandError(f"the admin API answers {response.status} to {method} {path}: {content.decode()}")
        return content


@asynccontextmanager
async def open_desk(admin_url: str) -> AsyncIterator[Desk]:
    """A desk at the admin API of the gateway."""
    headers = {OPERATOR_HEADER: OPERATOR, "Accept": f"application/json, {MARKDOWN}"}
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with aiohttp.ClientSession(admin_url, headers=headers, timeout=timeout) as session:
        yield Desk(session)
