"""A fleet of three, as one of them knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from gateway.core.fleet import Presence, Role, Seen

if TYPE_CHECKING:
    from gateway.control.membership import Membership

ME, HER, HIM = "one-a1", "three-c3", "two-b2"
"""By name, as they are listed."""


def presence(host: str, **fields: Any) -> Presence:
    """What a replica that is well says of itself."""
    given: dict[str, Any] = {
        "admin": f"http://{host}.internal:9900",
        "version": "0.1.0",
        "revision": "r1",
        "workers": 2,
        "ready": True,
        "started_at": 1_767_225_600.0,
        "moves": 7,
    }
    return Presence(host=host, **{**given, **fields})


@dataclass
class Known:
    """What a replica knows of its fleet, as `Membership` has it."""

    replica: str = ME
    role: Role = Role.FOLLOWER
    leader: str = HIM
    fence: int = 4
    moves: int = 7
    away_since: float | None = None
    fault: str = ""
    seen: list[Seen] = field(
        default_factory=lambda: [
            Seen(ME, presence("one"), 0.2),
            Seen(HIM, presence("two"), 0.9),
            Seen(HER, presence("three"), 0.4),
        ]
    )

    async def look(self) -> None:
        """What there is to see was given."""


def membership(**fields: Any) -> Membership:
    """Of one that follows ``HIM``; what differs is given."""
    return cast("Membership", Known(**fields))
