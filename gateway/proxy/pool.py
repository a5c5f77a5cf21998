"""The connections of one worker to one backend: which endpoint, which connection, and who waits for one.

Choosing is synchronous: `Pool.acquire` hands out an idle connection of the endpoint with the least requests in flight,
or starts to open one, or queues the exchange, which then hears `on_connection` or `on_no_connection`. A connection that
can't be opened is tried at the other endpoints before the exchange hears of it: nothing has been sent yet, so any
request may be tried again.

Health never moves a request to another arm here; it only chooses among a backend's endpoints. When all of them are
unhealthy, all of them are used: an answer that may fail is better than one that surely does.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from socket import SO_RCVBUF, SOL_SOCKET, gaierror
from typing import TYPE_CHECKING

from gateway.errors import BackendError, BackendTimeout, Overloaded, ProxyError
from gateway.proxy.backend import BackendConnection
from gateway.proxy.health import HealthChecks
from gateway.proxy.resolver import Resolver
from gateway.proxy.wheel import Timed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.types import Backend, Endpoint
    from gateway.proxy.asker import Asker
    from gateway.proxy.wheel import TimerWheel


class EndpointState:
    """What a worker knows of one endpoint."""

    __slots__ = ("connections", "ejected_until", "endpoint", "failures", "idle", "in_flight", "is_healthy", "resolver")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.connections: set[BackendConnection] = set()
        """All that are open."""
        self.idle: list[BackendConnection] = []
        self.in_flight = 0
        self.failures = 0
        """In a row, of connections and answers, not statuses."""
        self.ejected_until = 0.0
        self.is_healthy = True
        """By the active checks; healthy until they say otherwise."""
        self.resolver = Resolver(endpoint.host, self._drop_other_addresses)

    def is_available(self, now: float) -> bool:
        """Healthy and not ejected."""
        return self.is_healthy and self.ejected_until <= now

    def _drop_other_addresses(self, addresses: frozenset[str]) -> None:
        """The name means other addresses now: connections to the old ones serve nobody after those that they serve."""
        for connection in self.connections:
            peer = connection.transport.get_extra_info("peername")
            connection.is_outdated = peer is not None and peer[0] not in addresses
        for connection in [*self.idle]:
            if connection.is_outdated:
                connection.close()


class Pool:
    """See the module. ``connections`` counts those that are open or being opened.

    Of what nobody has read yet the kernel keeps ``unread_bytes`` or so for each, else what it thinks right (tcp(7)).
    ``tls`` is another pool's of the same backend.
    """

    def __init__(
        self,
        backend: Backend,
        wheel: TimerWheel,
        unread_bytes: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.backend = backend
        self.wheel = wheel
        self._unread_bytes = unread_bytes
        self.endpoints = [EndpointState(endpoint) for endpoint in backend.endpoints]
        self._only = self.endpoints[0] if len(self.endpoints) == 1 else None
        self.checks = HealthChecks(self)
        self.connections = 0
        self.tls = tls or _tls_context(backend)
        self._turn = 0
        self._waiting: deque[_Waiter] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._is_retired = False

    # Taking and giving back.

    def acquire(self, exchange: Asker) -> BackendConnection | None:
        """A connection for ``exchange`` now, or None and a call to it later."""
        endpoint = self._only or self._choose()
        if endpoint.idle:
            endpoint.in_flight += 1
            return endpoint.idle.pop()
        self.open_for(exchange, endpoint)
        return None

    def open_for(self, exchange: Asker, endpoint: EndpointState) -> None:
        """Open a fresh connection for ``exchange``, best at ``endpoint``; at the bound, queue it."""
        if self.connections >= self.backend.connections and not self._evict():
            self._waiting.append(_Waiter(self, exchange))
        else:
            self._open(endpoint, exchange)

    def _choose(self, tried: Sequence[EndpointState] = ()) -> EndpointState:
        """The available endpoint with the least in flight; ties go round. Any untried one when none is available."""
        if self._only is not None:
            return self._only
        endpoints = self.endpoints
        self._turn = turn = (self._turn + 1) % len(endpoints)
        now = self.wheel.now
        untried = [endpoint for endpoint in endpoints[turn:] + endpoints[:turn] if endpoint not in tried]
        return min(
            [endpoint for endpoint in untried if endpoint.is_available(now)] or untried,
            key=lambda endpoint: endpoint.in_flight,
        )

    def _evict(self) -> bool:
        """Make room at the bound by closing a connection that idles at another endpoint."""
        for endpoint in self.endpoints:
            if endpoint.idle:
                endpoint.idle[0].close()
                return True
        return False

    def release(self, connection: BackendConnection) -> None:
        """Take a connection back: for the next in the queue, to idle, or to be closed."""
        connection.exchange = None
        connection.served += 1
        connection.resume()
        endpoint = connection.endpoint
        is_good = connection.is_reusable and connection.is_open and not connection.is_outdated
        if not is_good or connection.is_write_paused or self._is_retired:
            endpoint.in_flight -= 1
            connection.close()
        elif self._waiting:
            self._next_waiting().on_connection(connection)
        else:
            endpoint.in_flight -= 1
            endpoint.idle.append(connection)
            connection.arm(self.backend.timeouts.idle)

    def forget(self, connection: BackendConnection) -> None:
        """A connection was lost: its place is free."""
        self.withdraw(connection)
        connection.endpoint.connections.discard(connection)
        self._free_place()

    def withdraw(self, connection: BackendConnection) -> None:
        """Give ``connection`` to nobody any more: it is about to close."""
        if connection in connection.endpoint.idle:
            connection.endpoint.idle.remove(connection)

    def _free_place(self) -> None:
        self.connections -= 1
        if self._waiting and self.connections < self.backend.connections:
            self._open(self._choose(), self._next_waiting())

    def leave(self, exchange: Asker) -> None:
        """``exchange`` waits no longer. A connection that is being opened for it will serve another."""
        for waiter in self._waiting:
            if waiter.exchange is exchange:
                self.give_up(waiter)
                return

    def give_up(self, waiter: _Waiter) -> None:
        """Take ``waiter`` out of the queue."""
        waiter.disarm()
        self._waiting.remove(waiter)

    def _next_waiting(self) -> Asker:
        waiter = self._waiting.popleft()
        waiter.disarm()
        return waiter.exchange

    # Opening.

    def _open(self, endpoint: EndpointState, exchange: Asker) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._open_for(endpoint, exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_for(self, endpoint: EndpointState, exchange: Asker) -> None:
        """Open a connection at ``endpoint``, or at the others in turn, and hand it to ``exchange``."""
        try:
            connection = await self._connect_somewhere(endpoint, exchange)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self._free_place()
            if exchange.is_waiting:
                exchange.on_no_connection(_connect_error(error))
            return
        connection.endpoint.in_flight += 1
        if exchange.is_waiting:
            exchange.on_connection(connection)
        else:
            connection.is_reusable = True
            self.release(connection)

    async def _connect_somewhere(self, endpoint: EndpointState, exchange: Asker) -> BackendConnection:
        tried: list[EndpointState] = []
        while True:
            try:
                return await self._connect(endpoint)
            except (OSError, TimeoutError):
                self.note_failure(endpoint)
                tried.append(endpoint)
                if len(tried) == len(self.endpoints) or not exchange.is_waiting:
                    raise
                endpoint = self._choose(tried)

    async def _connect(self, endpoint: EndpointState) -> BackendConnection:
        loop = asyncio.get_running_loop()
        tls = self.tls if endpoint.endpoint.tls else None
        name = endpoint.endpoint.host if tls is not None else None

        async def connect(address: str) -> BackendConnection:
            transport, connection = await loop.create_connection(
                lambda: BackendConnection(self, endpoint),
                address,
                endpoint.endpoint.port,
                ssl=tls,
                server_hostname=name,
            )
            if self._unread_bytes is not None:
                transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, self._unread_bytes)
            return connection

        async with asyncio.timeout(self.backend.timeouts.connect):
            connection = await endpoint.resolver.reach(connect)
        if not connection.is_open:
            raise ConnectionResetError("closed as soon as it was open")
        connection.is_counted = True
        endpoint.connections.add(connection)
        return connection

    # Passive health.

    def note_failure(self, endpoint: EndpointState) -> None:
        """A connection or an answer failed. Enough in a row eject the endpoint, but never the last one."""
        endpoint.failures += 1
        eject = self.backend.eject
        if eject is None or endpoint.failures < eject.consecutive_failures:
            return
        now = self.wheel.now
        if any(other.is_available(now) for other in self.endpoints if other is not endpoint):
            endpoint.ejected_until = now + eject.seconds
            endpoint.failures = 0

    # The pool's own life.

    def inherit(self, former: Pool) -> None:
        """Take over what ``former`` knows of the endpoints that both have."""
        known = {state.endpoint: state for state in former.endpoints}
        for state in self.endpoints:
            if state.endpoint in known:
                state.is_healthy = known[state.endpoint].is_healthy
                state.ejected_until = known[state.endpoint].ejected_until

    def retire(self) -> None:
        """Serve what is under way and nothing after it."""
        self._is_retired = True
        self.checks.stop()
        for endpoint in self.endpoints:
            endpoint.resolver.stop()
            for connection in [*endpoint.idle]:
                connection.close()


def _connect_error(error: Exception) -> ProxyError:
    if isinstance(error, TimeoutError):
        timeout = BackendTimeout("the backend did not accept a connection in time")
        timeout.kind = "connect"
        return timeout
    return BackendError(_tell_refusal(error), "connect")


def _tell_refusal(error: Exception) -> str:
    """Why there is no connection, without names and addresses: clients read it, too."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the backend's certificate is not trusted"
    if isinstance(error, ssl.SSLError):
        return "the backend could not be spoken to by TLS"
    if isinstance(error, gaierror):
        return "the backend's name means no address"
    return "the backend refused the connection"


class _Waiter(Timed):
    """An exchange in the queue for a connection, for at most ``timeouts.connect``."""

    __slots__ = ("_pool", "exchange")

    def __init__(self, pool: Pool, exchange: Asker) -> None:
        super().__init__(pool.wheel)
        self.exchange = exchange
        self._pool = pool
        self.arm(pool.backend.timeouts.connect)

    def on_deadline(self) -> None:
        """None came free in time."""
        self._pool.give_up(self)
        self.exchange.on_no_connection(Overloaded("every connection to the backend is busy"))


def _tls_context(backend: Backend) -> ssl.SSLContext | None:
    """How ``https`` endpoints are reached; None when there are none."""
    if not any(endpoint.tls for endpoint in backend.endpoints):
        return None
    context = ssl.create_default_context(cafile=backend.tls.ca)
    context.set_alpn_protocols(["http/1.1"])
    if not backend.tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
