"""The players: two services and a gateway, as child processes that never outlive the demo.

Each child is asked to end with its parent by the kernel, however the parent ends, and stands in a session of its own,
so that Ctrl-C reaches the demo alone, which then ends them in order. Editing the YAML, breaking and mending the new
shop are here, too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from gateway.core.types import Arm, Mode
from gateway.demo.configuration import Pace, Places, write_configuration
from gateway.demo.shop import Diary
from gateway.errors import CommandError
from gateway.runtime.process import end_with
from gateway.runtime.sockets import open_single

WORKERS = 2
"""Enough to show that all of them follow, few enough for a laptop."""

READY_SECONDS = 20.0
"""How long a start or a reload may take before the demo gives up."""

CALL_SECONDS = 5.0
"""How long one call to a child may take."""

END_SECONDS = 10.0
"""How long a child may take to end by itself."""

POLL_SECONDS = 0.01
LOG_LINES = 10


class Scene:
    """Two shops and a gateway before them, in a directory of their own."""

    def __init__(self, directory: Path, shops: Mapping[Arm, socket.socket], pace: Pace) -> None:
        self._directory = directory
        self._shops = shops
        self._pace = pace
        self._children: list[subprocess.Popen[bytes]] = []
        self._port, self._admin_port = find_free_ports(2)
        self.file = directory / "gateway.yaml"
        self.log = directory / "children.log"

    @property
    def url(self) -> str:
        """Where the gateway serves."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def admin_url(self) -> str:
        """Where its admin API is."""
        return f"http://127.0.0.1:{self._admin_port}"

    def url_of(self, arm: Arm) -> str:
        """Where a shop serves, without the gateway."""
        return f"http://127.0.0.1:{self._shops[arm].getsockname()[1]}"

    @contextmanager
    def run(self) -> Iterator[None]:
        """The children live as long as the block; they end in the opposite order of their start."""
        self._write(Mode.SHADOW)
        with ExitStack() as children, self.log.open("wb") as log:
            for arm, shop in self._shops.items():
                command = self._shop_command(arm, shop.fileno())
                self._children.append(children.enter_context(run_child(command, log.fileno(), shop.fileno())))
            gateway = [*_PYTHON, "gateway", "run", "-c", str(self.file)]
            self._children.append(children.enter_context(run_child(gateway, log.fileno())))
            yield

    def _shop_command(self, arm: Arm, listening: int) -> list[str]:
        orders = str(self._directory / "orders.db")
        return [*_PYTHON, "gateway.demo.shop", "--fd", str(listening), "--arm", arm, "--orders", orders]

    def _write(self, mode: Mode) -> None:
        """Replace the file in one step, as an editor or a ConfigMap does."""
        places = Places(
            port=self._port,
            admin_port=self._admin_port,
            workers=WORKERS,
            store=str(self.file.with_suffix(".db")),
            legacy=self.url_of(Arm.BASELINE),
            new=self.url_of(Arm.CANDIDATE),
        )
        draft = self.file.with_suffix(".draft")
        draft.write_text(write_configuration(places, self._pace, mode))
        draft.replace(self.file)

    async def wait_until_ready(self) -> None:
        """Return when both shops and every worker serve; raises `CommandError` with their last words if they don't."""
        for url, path in [*((self.url_of(arm), "/api/products") for arm in self._shops), (self.admin_url, "/readyz")]:
            async with _open_session(url) as session:
                await self.wait_for(partial(_is_ok, session, path), f"nothing answers at {url}")

    async def edit(self, mode: Mode) -> float:
        """Write another mode into the YAML, and wait until every worker serves it; returns how many seconds."""
        async with _open_session(self.admin_url) as session:
            before = await _read_revision(session)
            began_at = time.monotonic()
            self._write(mode)
            await self.wait_for(partial(_is_newer, session, before), "the edited configuration was not taken")
        return time.monotonic() - began_at

    async def wait_for(self, is_done: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        """Return when ``is_done`` says so; raises `CommandError` when it takes too long or a child has ended."""
        give_up_at = time.monotonic() + READY_SECONDS
        while not await is_done():
            has_ended = any(child.poll() is not None for child in self._children)
            if has_ended or time.monotonic() > give_up_at:
                raise CommandError("\n".join([otherwise, *self.read_log()]))
            await asyncio.sleep(POLL_SECONDS)

    def read_log(self) -> list[str]:
        """The last lines that the children wrote."""
        return self.log.read_text(errors="replace").splitlines()[-LOG_LINES:] if self.log.exists() else []

    async def mend(self) -> None:
        """Tell the candidate to round as the baseline does."""
        async with _open_session(self.url_of(Arm.CANDIDATE)) as session:
            await session.delete("/bug", raise_for_status=True)

    async def stage_fault(self, *, is_failing: bool) -> None:
        """Tell the candidate to fail on one path, or to be well again."""
        async with _open_session(self.url_of(Arm.CANDIDATE)) as session:
            await session.request("PUT" if is_failing else "DELETE", "/fault", raise_for_status=True)

    async def read_diary(self) -> Diary:
        """What reached the candidate so far."""
        async with (
            _open_session(self.url_of(Arm.CANDIDATE)) as session,
            session.get("/diary", raise_for_status=True) as response,
        ):
            return msgspec.json.decode(await response.read(), type=Diary)


@contextmanager
def set_scene(pace: Pace) -> Iterator[Scene]:
    """A scene in a temporary directory, with all its children running."""
    with tempfile.TemporaryDirectory(prefix="crossfade-demo-") as directory, ExitStack() as sockets:
        scene = Scene(Path(directory), {arm: sockets.enter_context(open_single("127.0.0.1", 0)) for arm in Arm}, pace)
        with scene.run():
            yield scene


_PYTHON = (sys.executable, "-m")


@contextmanager
def run_child(command: Sequence[str], output: int, *inherited: int) -> Iterator[subprocess.Popen[bytes]]:
    """A child that ends with the block, or with this process: asked by SIGTERM, and after `END_SECONDS` made to."""
    child = subprocess.Popen(  # noqa: S603 - our own programs
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=inherited,
        start_new_session=True,
        preexec_fn=partial(end_with, os.getpid()),  # noqa: PLW1509 - nothing else runs in this process at that moment
    )
    try:
        yield child
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def find_free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [bound.getsockname()[1] for bound in sockets]


def _open_session(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))


async def _is_ok(session: aiohttp.ClientSession, path: str) -> bool:
    try:
        async with session.get(path) as response:
            return response.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _is_newer(session: aiohttp.ClientSession, revision: str) -> bool:
    """Whether every worker serves another configuration than that."""
    return await _read_revision(session) != revision and await _is_ok(session, "/readyz")


async def _read_revision(session: aiohttp.ClientSession) -> str:
    async with session.get("/api/v1/config", raise_for_status=True) as response:
        return str((await response.json())["revision"])
