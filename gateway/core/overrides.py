"""Who may choose the arm of a request by ``X-Crossfade-Arm``.

A peer in ``server.override.from``, or whoever shows ``server.override.token`` in ``X-Crossfade-Token``. Anybody else's
header, and one that names no arm, is as if it were not there; none is ever passed on. The peer is the address of the
connection itself: what X-Forwarded-For says can't give this right.
"""

from __future__ import annotations

from hmac import compare_digest

from gateway.core.addresses import TrustedNetworks
from gateway.core.heads import RequestHead
from gateway.core.types import Arm, Override

_ARMS = {str(arm).encode(): arm for arm in Arm}


class Overrides:
    """Reads overrides under one policy."""

    __slots__ = ("_networks", "_token")

    def __init__(self, policy: Override) -> None:
        self._networks = TrustedNetworks(policy.networks)
        self._token = policy.token.encode()

    def read(self, request: RequestHead, peer: str) -> Arm | None:
        """The arm that the request asks for, if it may; None otherwise."""
        arm = _ARMS.get(request.fields.arm_override)
        if arm is None or not (self._networks.contains(peer) or self._shows_token(request)):
            return None
        return arm

    def _shows_token(self, request: RequestHead) -> bool:
        return bool(self._token) and compare_digest(request.fields.override_token, self._token)
