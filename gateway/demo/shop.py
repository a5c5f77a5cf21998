"""A small shop, run twice: as the old service and as its replacement.

Both stand on the same orders (one SQLite file, as two services in a migration often share one database), so they give
the same answers, but for what no two answers share: the time, and the order of a list that nobody sorts. The
replacement is quicker, names another version in ``X-Shop``, and has a bug: it rounds half a cent to the even cent, so
one price in ten is a cent too low. It can be mended, and told to fail on one path; and it keeps a diary of what reached
it::

    python -m gateway.demo.shop --listen 127.0.0.1:9002 --arm candidate --orders orders.db
"""

from __future__ import annotations

import asyncio
import random
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from aiohttp import web

from gateway.core.types import Arm

VERSIONS = {Arm.BASELINE: "legacy/7.4", Arm.CANDIDATE: "new/1.0"}
PAUSE_SECONDS = {Arm.BASELINE: 0.018, Arm.CANDIDATE: 0.009}
"""How long an ordinary answer takes; a report takes ten times as long."""

PRODUCTS = 200
TAX_PERCENT = 19
FAULT_PATH = "/api/products/{id}"
FAULT_HEADER = "X-Shop-Fault"
SHADOW_HEADER = "X-Crossfade-Shadow"
"""What copies carry, whose answers nobody gets."""

EXPORT_CHUNK = b"order,user,product,quantity,price\r\n" * 256
EXPORT_CHUNKS = 24
EXPORT_BYTES = len(EXPORT_CHUNK) * EXPORT_CHUNKS

SCHEMA = "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, user TEXT, product INTEGER, quantity INTEGER)"


class Orders:
    """The orders that both shops see."""

    def __init__(self, file: Path | str) -> None:
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")  # the demo's orders need not survive a power cut
        self._database.execute(SCHEMA)

    def place(self, user: str, product: int, quantity: int) -> int:
        """Write an order down; returns its number."""
        values = (user, product, quantity)
        placed = self._database.execute("INSERT INTO orders (user, product, quantity) VALUES (?, ?, ?)", values)
        return placed.lastrowid or 0

    def find(self, number: int) -> dict[str, Any] | None:
        """One order, or None."""
        row = self._database.execute("SELECT id, user, product, quantity FROM orders WHERE id = ?", (number,))
        return next(map(_show_order, row), None)

    def list_latest(self, user: str) -> list[dict[str, Any]]:
        """A user's ten latest orders, newest first."""
        query = "SELECT id, user, product, quantity FROM orders WHERE user = ? ORDER BY id DESC LIMIT 10"
        return [_show_order(row) for row in self._database.execute(query, (user,))]

    def close(self) -> None:
        """Let the file go."""
        self._database.close()


def _show_order(row: tuple[int, str, int, int]) -> dict[str, Any]:
    number, user, product, quantity = row
    return {"id": number, "user": user, "product": product, "quantity": quantity}


def _price_cents(number: int) -> int:
    """What a product costs without tax: whole euros, and every fifth 50 cents more."""
    return 500 + number * 37 % 90 * 100 + (0 if number % 5 else 50)


def _show_product(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Product {number}",
        "price": _price_cents(number) / 100,
        "in_stock": number % 7 != 0,
    }


def add_tax(cents: int, *, is_bugged: bool) -> float:
    """A price with tax, in euros. Half a cent is rounded up; by the bug to the even cent, as `round` does."""
    hundredths = cents * (100 + TAX_PERCENT)
    return (round(hundredths / 100) if is_bugged else (hundredths + 50) // 100) / 100


def _suggest(number: int) -> list[int]:
    """What others bought: the same products every time, in an order that nobody cares about."""
    others = [(number + step) % PRODUCTS + 1 for step in (3, 17, 42, 88, 120)]
    return random.sample(others, len(others))


def _answer(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON with the time, as services like to tell it."""
    served_at = datetime.now(UTC).isoformat(timespec="microseconds")
    return web.json_response(content | {"served_at": served_at}, status=status, headers=headers)


class Diary(msgspec.Struct):
    """What reached a shop. Times are seconds of the machine's monotonic clock, which all processes share."""

    asked: int = 0
    copied: int = 0
    """Of those the copies, whose answers nobody gets."""
    last_asked_at: float | None = None
    failed: int = 0
    """Those of users that the staged fault made fail."""
    first_failed_at: float | None = None

    def note_asked(self, now: float, *, is_copy: bool) -> None:
        """A request came."""
        self.asked += 1
        self.copied += is_copy
        self.last_asked_at = now

    def note_failed(self, now: float) -> None:
        """The fault made one fail."""
        self.failed += 1
        self.first_failed_at = now if self.first_failed_at is None else self.first_failed_at


@dataclass(slots=True)
class Shop:
    """One of the two services."""

    arm: Arm
    orders: Orders
    is_failing: bool = False
    """Whether `FAULT_PATH` answers 500."""
    is_mended: bool = False
    """Whether the replacement's bug is gone; the old shop has none."""
    diary: Diary = field(default_factory=Diary)

    def build(self) -> web.Application:
        """The application: the shop's API; ``/bug``, ``/fault`` and ``/diary``, which no route reaches."""
        app = web.Application(middlewares=[self._take_time])
        app.add_routes(
            [
                web.get("/api/products", self.list_products),
                web.get("/api/products/{id:[0-9]+}", self.show_product),
                web.get("/api/orders", self.list_orders),
                web.post("/api/orders", self.place_order),
                web.get("/api/orders/{id:[0-9]+}", self.show_order),
                web.get("/api/reports/daily", self.report),
                web.get("/api/exports/orders", self.export),
                web.get("/diary", self.show_diary),
                web.delete("/bug", self.mend),
                web.put("/fault", self.begin_fault),
                web.delete("/fault", self.end_fault),
            ]
        )
        app.on_response_prepare.append(self._name_version)
        app.on_cleanup.append(self._close)
        return app

    @web.middleware
    async def _take_time(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Every answer takes its time, as a service with a database behind it does."""
        if request.path.startswith("/api/"):
            self.diary.note_asked(time.monotonic(), is_copy=SHADOW_HEADER in request.headers)
        await asyncio.sleep(PAUSE_SECONDS[self.arm])
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _name_version(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Shop"] = VERSIONS[self.arm]

    async def _close(self, _app: web.Application) -> None:
        self.orders.close()

    async def list_products(self, _request: web.Request) -> web.Response:
        """The first page of products."""
        return _answer({"items": [_show_product(number) for number in range(1, 21)], "next": 21})

    async def show_product(self, request: web.Request) -> web.Response:
        """One product, or 404; while the fault lasts, 500."""
        if self.is_failing:
            if SHADOW_HEADER not in request.headers:
                self.diary.note_failed(time.monotonic())
            return web.json_response({"error": "price service: no route"}, status=500, headers={FAULT_HEADER: "1"})
        number = int(request.match_info["id"])
        if not 1 <= number <= PRODUCTS:
            raise web.HTTPNotFound
        is_bugged = self.arm is Arm.CANDIDATE and not self.is_mended
        price = add_tax(_price_cents(number), is_bugged=is_bugged)
        return _answer(_show_product(number) | {"price_with_tax": price, "also_bought": _suggest(number)})

    async def list_orders(self, request: web.Request) -> web.Response:
        """The user's latest orders."""
        return _answer({"items": self.orders.list_latest(_user_of(request)), "next": None})

    async def place_order(self, request: web.Request) -> web.Response:
        """A write: 201 with the order's Location."""
        wanted = await request.json()
        number = self.orders.place(_user_of(request), wanted["product"], wanted["quantity"])
        headers = {"Location": f"/api/orders/{number}"}
        return _answer(self.orders.find(number) or {}, status=201, headers=headers)

    async def show_order(self, request: web.Request) -> web.Response:
        """One order of the user's own, or 404."""
        order = self.orders.find(int(request.match_info["id"]))
        if order is None or order["user"] != _user_of(request):
            raise web.HTTPNotFound
        return _answer(order)

    async def report(self, _request: web.Request) -> web.Response:
        """A slow report."""
        await asyncio.sleep(9 * PAUSE_SECONDS[self.arm])
        return _answer({"day": "today", "revenue": 48_210, "orders": 1_204})

    async def export(self, request: web.Request) -> web.StreamResponse:
        """A download that comes in pieces, without a length."""
        response = web.StreamResponse(headers={"Content-Type": "text/csv"})
        await response.prepare(request)
        async for chunk in _export_slowly():
            await response.write(chunk)
        await response.write_eof()
        return response

    async def show_diary(self, _request: web.Request) -> web.Response:
        """What reached this shop so far."""
        return web.Response(body=msgspec.json.encode(self.diary), content_type="application/json")

    async def mend(self, _request: web.Request) -> web.Response:
        """From now on prices are right."""
        self.is_mended = True
        return web.Response(status=204)

    async def begin_fault(self, _request: web.Request) -> web.Response:
        """From now on `FAULT_PATH` fails."""
        self.is_failing = True
        return web.Response(status=204)

    async def end_fault(self, _request: web.Request) -> web.Response:
        """All is well again."""
        self.is_failing = False
        return web.Response(status=204)


async def _export_slowly() -> AsyncIterator[bytes]:
    for _ in range(EXPORT_CHUNKS):
        yield EXPORT_CHUNK
        await asyncio.sleep(0.002)


def _user_of(request: web.Request) -> str:
    return request.headers.get("X-User-ID", "nobody")


def _open_socket(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    return socket.create_server((host, int(port)))


@click.command()
@click.option("--fd", type=int, help="The listening socket, inherited.")
@click.option("--listen", default="127.0.0.1:9000", show_default=True, help="Where to listen, without --fd.")
@click.option("--arm", type=click.Choice([arm.value for arm in Arm]), required=True)
@click.option("--orders", type=click.Path(path_type=Path), required=True, help="The SQLite file that both shops use.")
def serve(fd: int | None, listen: str, arm: str, orders: Path) -> None:
    """Run one of the demo's services until SIGTERM."""
    shop = Shop(Arm(arm), Orders(orders))
    listening = _open_socket(listen) if fd is None else socket.socket(fileno=fd)
    web.run_app(shop.build(), sock=listening, print=None, access_log=None, shutdown_timeout=2)


if __name__ == "__main__":
    serve()
