"""From a configuration file to a running gateway.

Everything that can fail with a reason does so here, before a child exists.
"""

from __future__ import annotations

import contextlib
import gc
import secrets
import socket
import time
from typing import TYPE_CHECKING

from gateway.control.cache import Remembered
from gateway.control.configuration import Source
from gateway.control.token_keys import KnownKeys
from gateway.core.tokens import load_library
from gateway.proxy.listener import TlsFiles
from gateway.proxy.order import Order
from gateway.runtime.clock import SteadyClock
from gateway.runtime.comparer import run_comparer
from gateway.runtime.controller import run_controller
from gateway.runtime.inheritance import Door, Inheritance, close_all
from gateway.runtime.keepsake import Keepsake, Kept
from gateway.runtime.ledger import Ledger
from gateway.runtime.master import Master
from gateway.runtime.sockets import open_group, open_link, open_single
from gateway.runtime.worker import run_worker
from gateway.settings.compile import Switches, compile_table
from gateway.settings.load import load_file
from gateway.telemetry import logs
from gateway.telemetry.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gateway.settings.load import Loaded
    from gateway.settings.schema.server import Listener, ListenerTls


def run_gateway(path: Path, env: Mapping[str, str]) -> int:
    """Run until told to stop; returns the exit status.

    Raises `ConfigError` when the file can't be used, and `CommandError` when an address can't be had.
    """
    inheritance = inherit(path.absolute(), env)
    logs.set_up()
    logs.name_process("master")
    master = Master(inheritance, run_controller, run_worker, run_comparer)
    gc.collect()
    gc.freeze()  # what is there now is shared with the children, and stays so as long as no collection touches it
    return master.run()


def inherit(path: Path, env: Mapping[str, str]) -> Inheritance:
    """Load the configuration and open what it asks for: all of it, or nothing stays open."""
    loaded = load_file(path, env)
    source = Source(path, env, Switches.from_env(env), loaded.config)
    server, admin = loaded.config.server, loaded.config.admin
    if loaded.config.jwt is not None:
        load_library()
    slots = server.worker_count
    with contextlib.ExitStack() as undo:
        doors = []
        for entry in server.listen:
            doors.append(_open_door(entry, slots, path.parent))
            undo.callback(close_all, doors[-1].sockets)
        admin_socket = undo.enter_context(open_single(admin.listen.host, admin.listen.port))
        undo.pop_all()
    clock = SteadyClock.set_by(time.time)
    return Inheritance(
        source,
        slots,
        doors,
        admin_socket,
        open_link(),
        open_link(),
        _keep(source, loaded),
        Keepsake(Remembered),
        Keepsake(KnownKeys),
        Ledger(clock.now()),
        Turns(),
        clock,
        Order(slots),
        _name_replica(),
    )


def _name_replica() -> str:
    """Readable, and no other's: several gateways of one machine have one host name."""
    return f"{socket.gethostname()}-{secrets.token_hex(3)}"


def _open_door(entry: Listener, slots: int, base_dir: Path) -> Door:
    return Door(open_group(entry.host, entry.port, slots), _locate(entry.tls, base_dir) if entry.tls else None)


def _locate(tls: ListenerTls, base_dir: Path) -> TlsFiles:
    return TlsFiles(cert=str(base_dir / tls.cert), key=str(base_dir / tls.key))


def _keep(source: Source, loaded: Loaded) -> Keepsake[Kept]:
    """The first good configuration, so that a controller has one from the very start."""
    table = compile_table(loaded.config, loaded.revision, source.switches, source.path.parent)
    keepsake = Keepsake(Kept)
    drain_seconds, token = table.server.timeouts.drain, loaded.config.admin.token
    keepsake.put(Kept(loaded.text, str(source.path), time.time(), drain_seconds, token))
    return keepsake
