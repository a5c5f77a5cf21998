"""WebSockets through the gateway, with the library `websockets` at both ends and with aiohttp behind."""

from __future__ import annotations

import contextlib
import http
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server as WebSocketServer
from websockets.sync.server import ServerConnection, serve

from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server

MEBIBYTE = 1 << 20
PATIENCE_SECONDS = 20

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 1, expose: true, timeouts: {{drain: {drain}}}}}
admin: {{listen: 127.0.0.1:0}}
backends: {{chat: {{endpoints: "{url}", timeouts: {{tunnel: {tunnel}}}}}}}
routes: [{{name: {route}, match: /**, backend: chat}}]
"""


def configure(url: str, tunnel: str = "1h", route: str = "talk", drain: str = "1s") -> str:
    """Everything to one backend."""
    return CONFIGURATION.format(url=url, tunnel=tunnel, route=route, drain=drain)


class Chat:
    """A backend that echoes, closes as it is told, and remembers how others closed."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.closed_with: list[tuple[int | None, str | None]] = []
        self.has_closed = threading.Event()

    def serve(self) -> WebSocketServer:
        """Listen on any free port; `/refused` gets no upgrade."""
        return serve(
            self.talk,
            "127.0.0.1",
            0,
            select_subprotocol=lambda _, offered: "chat.v1" if "chat.v1" in offered else None,
            process_request=self.admit,
            max_size=None,
        )

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """403 for some."""
        self.paths.append(request.path)
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not you\n") if request.path == "/refused" else None

    def talk(self, connection: ServerConnection) -> None:
        """Every message back; `close CODE REASON` and `drop` are obeyed."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.answer(connection, connection.recv())
        self.closed_with.append((connection.close_code, connection.close_reason))
        self.has_closed.set()

    def answer(self, connection: ServerConnection, message: str | bytes) -> None:
        """One message."""
        order = message.split(maxsplit=2) if isinstance(message, str) else []
        if order[:1] == ["close"]:
            connection.close(int(order[1]), order[2])
        elif order[:1] == ["drop"]:
            connection.socket.shutdown(socket.SHUT_RDWR)
        else:
            connection.send(message)


@pytest.fixture
def chat() -> Chat:
    """What the backend knows."""
    return Chat()


@pytest.fixture
def url(chat: Chat) -> Iterator[str]:
    """The backend, listening."""
    with chat.serve() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def gateway(start_gateway: Start, url: str) -> Gateway:
    """Before it."""
    return start_gateway(configure(url))


def dial(gateway: Gateway, path: str = "/room", subprotocols: Sequence[str] = ()) -> ClientConnection:
    """A client through the gateway."""
    return connect(
        f"ws://127.0.0.1:{gateway.port}{path}",
        subprotocols=[*subprotocols] or None,  # type: ignore[arg-type]  # a NewType of str
        max_size=None,
        proxy=None,
        open_timeout=PATIENCE_SECONDS,
    )


def test_messages_come_back_as_they_went(gateway: Gateway, chat: Chat) -> None:
    """Text, bytes, the empty message, in order; the target as it was."""
    messages: list[str | bytes] = ["hello", b"\x00\xff" * 1000, "", "\u00e4\U0001f642"]

    with dial(gateway, "/room%201?as=me") as client:
        for message in messages:
            client.send(message)
        heard = [client.recv(PATIENCE_SECONDS) for _ in messages]

    assert heard == messages
    assert chat.paths == ["/room%201?as=me"]


def test_a_message_of_a_mebibyte_passes_both_ways(gateway: Gateway) -> None:
    """In one frame, and in fragments."""
    message = bytes(range(256)) * (MEBIBYTE // 256)
    fragments = [message[start : start + 100_000] for start in range(0, MEBIBYTE, 100_000)]

    with dial(gateway) as client:
        client.send(message)
        whole = client.recv(PATIENCE_SECONDS)
        client.send(fragments)
        joined = client.recv(PATIENCE_SECONDS)

    assert whole == message
    assert joined == message


def test_the_subprotocol_is_agreed_between_the_two_ends(gateway: Gateway) -> None:
    """The gateway has no say in it."""
    with dial(gateway, subprotocols=["other", "chat.v1"]) as client:
        assert client.subprotocol == "chat.v1"
    with dial(gateway) as client:
        assert client.subprotocol is None


def test_the_answer_to_the_upgrade_bears_the_gateways_headers(gateway: Gateway) -> None:
    """A tunnel begins as any exchange does: with a request ID, and on a route."""
    with dial(gateway) as client:
        assert client.response is not None
        assert client.response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS
        assert client.response.headers["X-Request-ID"]
        assert client.response.headers["X-Crossfade-Route"] == "talk"


def test_pings_are_answered_by_the_other_end(gateway: Gateway) -> None:
    """Control frames pass."""
    with dial(gateway) as client:
        assert client.ping().wait(PATIENCE_SECONDS)


def test_a_close_by_the_backend_reaches_the_client(gateway: Gateway) -> None:
    """With its code and reason."""
    with dial(gateway) as client:
        client.send("close 4001 enough of this")
        with pytest.raises(ConnectionClosed):
            client.recv(PATIENCE_SECONDS)

    assert (client.close_code, client.close_reason) == (4001, "enough of this")


def test_a_close_by_the_client_reaches_the_backend(gateway: Gateway, chat: Chat) -> None:
    """With its code and reason."""
    with dial(gateway) as client:
        client.close(4002, "good night")

    assert chat.has_closed.wait(PATIENCE_SECONDS)
    assert chat.closed_with == [(4002, "good night")]


def test_a_lost_backend_is_a_lost_connection(gateway: Gateway) -> None:
    """Without a close frame: the client learns that something broke, and is not left waiting."""
    with dial(gateway) as client:
        client.send("drop")
        with pytest.raises(ConnectionClosedError):
            client.recv(PATIENCE_SECONDS)

    assert client.protocol.close_code == 1006


def test_a_lost_client_is_a_lost_connection_for_the_backend(gateway: Gateway, chat: Chat) -> None:
    """The backend does not keep talking to nobody."""
    with dial(gateway) as client:
        client.socket.shutdown(socket.SHUT_RDWR)

        assert chat.has_closed.wait(PATIENCE_SECONDS)
        assert chat.closed_with == [(1006, "")]


def test_a_refused_upgrade_is_an_answer_like_any_other(gateway: Gateway) -> None:
    """The backend's 403 and its body reach the client, and the next upgrade works."""
    with pytest.raises(InvalidStatus) as refusal, dial(gateway, "/refused"):
        pass

    assert refusal.value.response.status_code == http.HTTPStatus.FORBIDDEN
    assert refusal.value.response.body == b"not you\n"
    with dial(gateway) as client:
        client.send("still here")
        assert client.recv(PATIENCE_SECONDS) == "still here"


def test_a_tunnel_outlives_a_change_of_the_configuration(gateway: Gateway, url: str) -> None:
    """It ends under the configuration that it began with; a new one begins under the new."""
    with dial(gateway) as client:
        gateway.edit(configure(url, route="speak"))
        client.send("still here")
        heard = client.recv(PATIENCE_SECONDS)
        with dial(gateway) as newcomer:
            assert newcomer.response is not None
            route = newcomer.response.headers["X-Crossfade-Route"]

    assert (heard, route) == ("still here", "speak")


def test_a_silent_tunnel_ends_at_its_timeout(start_gateway: Start, url: str) -> None:
    """Nobody speaks for `timeouts.tunnel`: both ends are let go."""
    gateway = start_gateway(configure(url, tunnel="500ms"))

    with dial(gateway) as client, pytest.raises(ConnectionClosedError):
        client.recv(PATIENCE_SECONDS)


def test_many_tunnels_at_once_keep_to_themselves(gateway: Gateway) -> None:
    """Fifty clients of one worker, each hears its own."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(dial(gateway)) for _ in range(50)]
        for number, client in enumerate(clients):
            client.send(str(number))
        heard = [client.recv(PATIENCE_SECONDS) for client in clients]

    assert heard == [str(number) for number in range(50)]


def test_aiohttp_talks_through_the_gateway(start_gateway: Start, aiohttp: Server) -> None:
    """Another library at the other end, beside ordinary requests."""
    gateway = start_gateway(configure(aiohttp.url))

    with dial(gateway, "/ws") as client:
        client.send("one")
        client.send(b"two")
        status, _ = gateway.get("/bytes/1000")
        heard = [client.recv(PATIENCE_SECONDS), client.recv(PATIENCE_SECONDS)]

    assert (status, heard) == (200, ["one", b"two"])
