"""Single requests that the candidate failed: what people look up in logs to see what an error rate is made of."""

from __future__ import annotations

import msgspec


class FailedRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One of them. Its key, query and raw path are not in it: it goes to notices and tickets."""

    time: float
    """When it was over, in seconds since the epoch."""
    request_id: str
    """As logs and both backends know it."""
    route: str
    path: str
    """A template, never a raw path."""
    method: str
    status: int
    """What the client got."""
    kind: str
    """How the candidate failed: one of `gateway.core.figures.ERROR_KINDS`."""
    is_failed_over: bool = False
    """Whether the baseline was asked then: ``status`` is what came of that, not the candidate's."""
