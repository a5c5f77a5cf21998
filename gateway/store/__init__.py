"""What outlives the gateway: operators' percentages, and the audit log."""

from __future__ import annotations

from gateway.store.interface import Store
from gateway.store.sqlite import SqliteStore

__all__ = ["Store", "open_store"]


def open_store(url: str) -> Store:
    """The store that ``store:`` names in the configuration; nothing is touched before its first use."""
    return SqliteStore(url.removeprefix("sqlite:").removeprefix("//"))
