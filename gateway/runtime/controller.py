"""The controller: holds the configuration, hands its table to every worker, and answers the admin API.

It may be killed at any time: workers go on with the table that they have, and the next controller finds the last good
configuration in the master's keepsake should the file have been broken meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
import uvloop

from gateway.admin import api
from gateway.control.archive import Archive
from gateway.control.board import ALONE, Mandate
from gateway.control.cache import Cache
from gateway.control.conductor import Conductor
from gateway.control.configuration import RETRY_SECONDS, Accepted, Configuration
from gateway.control.crowds import Crowds
from gateway.control.findings import Finding, find_worst
from gateway.control.fleet_findings import FleetFindings
from gateway.control.gates import ExternalGates
from gateway.control.history import History
from gateway.control.incidents import Incidents
from gateway.control.membership import Membership
from gateway.control.mismatches import Mismatches
from gateway.control.muster import present, url_of
from gateway.control.notices import Notices, Target
from gateway.control.overview import Sources, take_snapshot
from gateway.control.reconciling import Reconciling
from gateway.control.rollouts import Rollouts
from gateway.control.roster import Roster
from gateway.control.samples import Samples
from gateway.control.token_keys import TokenKeys
from gateway.control.tracing import Exports
from gateway.control.watcher import Watcher
from gateway.control.watches import Clocks, Sight
from gateway.core.fleet import Presence, Role
from gateway.errors import ConfigError, Problem
from gateway.journal.segments import journal_of
from gateway.runtime.hub import Hub
from gateway.runtime.keepsake import Kept
from gateway.runtime.process import release_signals
from gateway.runtime.recorder import Recorder
from gateway.store import open_fleet, open_store

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Coroutine

    from gateway.core.failures import FailedRequest
    from gateway.core.tallies import PathTally
    from gateway.core.types import Table
    from gateway.core.windows import Windows
    from gateway.runtime.inheritance import Inheritance
    from gateway.telemetry.snapshot import Snapshot

WORST_FIELDS: Final = 5
"""Named by the event that says what holds up a plan."""

log = structlog.get_logger()


def run_controller(inheritance: Inheritance) -> int:
    """The whole life of a controller; returns its exit status."""
    inheritance.keep_control()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Controller(inheritance).run())


class Controller:
    """The control plane's parts, wired together."""

    def __init__(self, inheritance: Inheritance) -> None:
        self._inheritance = inheritance
        self._path = inheritance.source.path
        self._admin_url = _url_of(inheritance.admin)
        self._roster = Roster(inheritance.slots)
        self._recorder = Recorder(inheritance.ledger, inheritance.clock.now)
        # Serials begin above every one of a controller before this one.
        self._exports = Exports()
        self._samples = Samples()
        self._mismatches = Mismatches()
        self._crowds = Crowds(inheritance.clock.now)
        self._hub = Hub(
            self._roster,
            time.time_ns(),
            self._recorder,
            self._exports.record,
            self._take_failed,
            tallied=self._take_tallies,
            known=self._mismatches.known,
            seen=self._crowds.take,
        )
        self._mismatches.on_clear = self._hub.tell_known
        self._store = open_store(inheritance.source.started_with.store)
        cache = inheritance.source.started_with.store_cache
        self._cache = Cache(inheritance.memory, Path(cache) if cache else None)
        self._membership = self._join()
        is_alone = self._membership is None
        self._archive = Archive(self._mismatches, self._store, inheritance.clock.now, lambda: is_alone)
        self._rollouts = Rollouts(self._store, self._publish, _now, self._path.name, self._find_mandate)
        journal = journal_of(inheritance.source.started_with.store, inheritance.source.started_with.store_cache)
        self._reconciling = Reconciling(journal, self._rollouts, self._store.record, self._figures_now)
        self._gates = ExternalGates(time.monotonic, time.time)
        self._history = History()
        self._notices = Notices(self._admin_url)
        self._conductor = self._watch()
        kept = inheritance.keepsake.newest()
        token = kept.admin_token if kept is not None else ""
        self._token_keys = TokenKeys(inheritance.token_keys, self._rollouts.renew)
        self._configuration = Configuration(
            inheritance.source, self._put_in_force, self._keep, token, self._token_keys.prepare
        )
        self._stop = asyncio.Event()
        self._wants_reload = asyncio.Event()

    async def run(self) -> int:
        """Until SIGTERM; 0 when all went well. Raises what a part of it raises: the master starts a new controller."""
        self._listen_to_signals()
        content = await asyncio.to_thread(self._read)
        await self._archive.restore()
        await self._hub.serve(self._inheritance.link)
        await self._begin_rollouts()
        is_alone = self._membership is None
        await self._history.restore(self._store, self._recorder.figures.started_at, counts=is_alone)
        admin = await api.serve(self._control(), self._inheritance.admin)
        await self._begin(content)
        log.info("controller_started")
        await self._live(
            *([self._membership.run(self._rollouts)] if self._membership is not None else []),
            self._conductor.run(),
            self._archive.run(),
            self._reconciling.count(),
            self._token_keys.run(),
            self._follow(Watcher(self._path, content or b"")),
            self._reload_on_signal(),
            self._retry_refused(),
        )
        self._reconciling.note_end()
        await admin.cleanup()
        await self._hub.close()
        await self._exports.close()
        await self._rollouts.close()
        await self._archive.keep_all()
        if self._membership is not None:
            await self._membership.close(self._rollouts)
        await self._gates.close()
        await self._notices.close()
        await self._store.close()
        return 0

    def _join(self) -> Membership | None:
        """Its part in the fleet, where the store is one that others use, too."""
        config = self._inheritance.source.started_with
        meeting = open_fleet(config.store)
        if meeting is None:
            return None
        replica, clock = self._inheritance.replica, self._inheritance.clock
        findings = FleetFindings(
            replica, self._mismatches, self._samples, self._store, clock.now, lambda: self._find_mandate().conducts
        )
        membership = Membership(
            replica,
            meeting,
            self._present,
            cache=self._cache,
            findings=findings,
            monotonic=time.monotonic,
            counting=clock.now,
        )
        membership.hear_events = self._hear_events
        return membership

    async def _hear_events(self, newest: int) -> bool:
        assert self._membership is not None  # noqa: S101 - it asks
        self._membership.findings.hear(await self._history.catch_up(self._store, newest), newest)
        return not self._history.is_behind

    def _take_tallies(self, tallies: tuple[PathTally, ...]) -> None:
        now = self._inheritance.clock.now()
        self._mismatches.take(tallies, now)
        if self._membership is not None:
            self._membership.findings.take(tallies, now)

    def _take_failed(self, requests: tuple[FailedRequest, ...]) -> None:
        self._samples.take(requests)
        if self._membership is not None:
            self._membership.findings.fail(requests)

    def _known_paths(self, routes: Collection[str]) -> list[PathTally]:
        """What comparing has found on routes, as far as it is known here."""
        return self._mismatches.paths(routes) if self._membership is None else self._membership.findings.known(routes)

    def _present(self) -> Presence:
        figures = self._recorder.figures
        own = present(self._configuration, self._roster, figures.started_at, self._reconciling.waiting())
        assert self._membership is not None  # noqa: S101 - it asks
        return msgspec.structs.replace(own, admin=self._admin_url, moves=self._membership.moves)

    def _find_mandate(self) -> Mandate:
        return ALONE if self._membership is None else self._membership.mandate()

    async def _begin_rollouts(self) -> None:
        if self._membership is None:
            await self._rollouts.begin(self._cache)
        else:
            await self._membership.begin(self._rollouts)

    def _watch(self) -> Conductor:
        """What watches the rollouts, and hears of what comes of it."""
        figures, clock = self._recorder.figures, self._inheritance.clock
        incidents = Incidents(figures, self._samples, self._known_paths, self._history, time.time, clock.now)
        incidents.windows = self._find_windows
        self._rollouts.record = incidents.record
        self._rollouts.listeners += [
            lambda event, _: self._history.hear(event),
            lambda event, transition: self._notices.offer(event, transition.judgement if transition else None),
        ]
        clocks = Clocks(time.monotonic, clock.now, _now)
        roster, history = self._roster, self._history
        sight = Sight(figures, lambda: roster.newest, roster.waiting, self._find_worst, history.events)
        return Conductor(sight, self._rollouts, self._gates, clocks, self._membership)

    def _find_windows(self) -> Windows:
        """What rules go by now: the fleet's figures where this gateway leads it."""
        membership = self._membership
        is_leader = membership is not None and membership.role is Role.LEADER
        return membership.leading.figures.windows if membership and is_leader else self._recorder.figures.windows

    def _find_worst(self, routes: frozenset[str], path: str | None) -> list[Finding]:
        paths = self._known_paths(routes)
        return find_worst([each for each in paths if path in {None, each.path}], WORST_FIELDS)

    def _control(self) -> api.Control:
        return api.Control(
            configuration=self._configuration,
            roster=self._roster,
            rollouts=self._rollouts,
            rules=self._conductor.rules,
            figures=self._recorder.figures,
            crowds=self._crowds,
            reconciling=self._reconciling,
            mismatches=self._mismatches,
            store=self._store,
            reload=self.reload,
            snapshot=self._take_snapshot,
            now=self._figures_now,
            token_keys=self._token_keys,
            membership=self._membership,
        )

    def _figures_now(self) -> datetime:
        """By the clock that all processes share."""
        return datetime.fromtimestamp(self._inheritance.clock.now(), UTC)

    def _take_snapshot(self) -> Snapshot:
        return take_snapshot(
            Sources(
                configuration=self._configuration,
                roster=self._roster,
                rollouts=self._rollouts,
                rules=self._conductor.rules,
                figures=self._recorder.figures,
                history=self._history,
                exports=self._exports,
                notices=self._notices,
                store=self._store,
                membership=self._membership,
            )
        )

    async def reload(self) -> bool:
        """Read the file now; whether what it says is in force."""
        content = await asyncio.to_thread(self._read)
        return await self._configuration.take(content, _now()) if content is not None else self._miss()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._wants_reload.set)
        release_signals()

    async def _begin(self, content: bytes | None) -> None:
        """Put the file in force, or, when it was broken while no controller looked, what was in force before."""
        if content is not None and await self._configuration.take(content, _now()):
            return
        problems = self._configuration.problems or [self._missing()]
        kept = self._inheritance.keepsake.newest()
        if kept is None:  # the master puts one in before it starts us
            raise ConfigError(str(self._path), problems)
        log.warning("configuration_recovered", reason="the file is not valid; the last good configuration stays")
        await self._configuration.recover(kept.text.encode(), datetime.fromtimestamp(kept.loaded_at, UTC), problems)

    async def _live(self, *bodies: Coroutine[None, None, None]) -> None:
        """Run ``bodies`` until it is time to stop, or one of them fails."""
        tasks = {asyncio.ensure_future(body) for body in (*bodies, self._stop.wait())}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _follow(self, watcher: Watcher) -> None:
        async with contextlib.aclosing(watcher.changes()) as changes:
            async for content in changes:
                if not self._configuration.holds(content):
                    await self._configuration.take(content, _now())

    async def _reload_on_signal(self) -> None:
        while True:
            await self._wants_reload.wait()
            self._wants_reload.clear()
            log.info("reload_asked", by="SIGHUP", in_force=await self.reload())

    async def _retry_refused(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            await self._configuration.retry(_now())
            await self._rollouts.retry()

    def _put_in_force(self, table: Table) -> None:
        """What the file says, with the keys that are known."""
        table = self._token_keys.lay_over(table)
        self._rollouts.publish(table)
        self._token_keys.follow(table.tokens)

    def _publish(self, table: Table) -> None:
        self._hub.publish(table)
        self._recorder.figures.adopt(table)
        self._crowds.adopt(table.rollouts)
        if self._membership is not None:
            self._membership.leading.figures.adopt(table)
            self._membership.findings.adopt(table, self._inheritance.clock.now())
        self._mismatches.adopt(table, self._inheritance.clock.now())
        self._exports.adopt(table.tracing)

    def _keep(self, accepted: Accepted) -> None:
        notify = accepted.loaded.config.notify
        self._notices.adopt([Target(each.url, frozenset(each.events)) for each in notify])
        self._inheritance.keepsake.put(
            Kept(
                text=accepted.loaded.text,
                file=str(self._path),
                loaded_at=accepted.loaded_at.timestamp(),
                drain_seconds=accepted.table.server.timeouts.drain,
                admin_token=self._configuration.admin_token,
            )
        )

    def _read(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError as error:
            log.warning("configuration_unreadable", reason=str(error))
            return None

    def _miss(self) -> bool:
        self._configuration.miss(self._missing())
        return False

    def _missing(self) -> Problem:
        return Problem(0, 0, "", "the file can't be read")


def _url_of(listening: socket.socket) -> str:
    return url_of(*listening.getsockname()[:2])


def _now() -> datetime:
    return datetime.now(UTC)
