"""What outlives the gateway: how far rollouts are, the audit log, incidents, and what comparing has found."""

from __future__ import annotations

from gateway.core.store_urls import file_of, parse_store
from gateway.store.interface import Store
from gateway.store.sqlite import SqliteStore

__all__ = ["Store", "open_store"]


def open_store(url: str) -> Store:
    """The store that ``store:`` names in the configuration; nothing is touched before its first use.

    Raises ValueError for what names none.
    """
    if (file := file_of(url)) is not None:
        return SqliteStore(file)
    from gateway.store.redis import RedisStore  # noqa: PLC0415 - most gateways are alone, and need no such client

    found = parse_store(url)
    assert not isinstance(found, str)  # noqa: S101 - files were taken above
    return RedisStore(found)
