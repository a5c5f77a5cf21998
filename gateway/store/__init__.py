"""What outlives the gateway: how far rollouts are, the audit log, incidents, and what comparing has found."""

from __future__ import annotations

from gateway.core.store_urls import RedisUrl, file_of, parse_store
from gateway.store.fleet import FleetStore
from gateway.store.interface import Store
from gateway.store.sqlite import SqliteStore

__all__ = ["FleetStore", "Store", "open_fleet", "open_store"]


def open_store(url: str) -> Store:
    """The store that ``store:`` names in the configuration; nothing is touched before its first use.

    Raises ValueError for what names none.
    """
    if (file := file_of(url)) is not None:
        return SqliteStore(file)
    from gateway.store.redis import RedisStore  # noqa: PLC0415 - most gateways are alone, and need no such client

    return RedisStore(_parse(url))


def open_fleet(url: str) -> FleetStore | None:
    """Where the gateways on this store meet; None for a store that only one of them can use.

    Nothing is touched before its first use. Raises ValueError for what names no store.
    """
    if file_of(url) is not None:
        return None
    from gateway.store.redis_fleet import RedisFleet  # noqa: PLC0415 - likewise

    return RedisFleet(_parse(url))


def _parse(url: str) -> RedisUrl:
    found = parse_store(url)
    assert not isinstance(found, str)  # noqa: S101 - files were taken before
    return found
