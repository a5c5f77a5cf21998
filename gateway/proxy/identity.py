"""Names that the gateway makes up: request IDs and sticky keys."""

from __future__ import annotations

import os
import random
import secrets
from typing import Final

# Request IDs must be distinct, not secret: the system's random source would cost a call into the kernel each.
_random: Final = random.Random(secrets.randbits(128))  # noqa: S311

# Workers are forks of one process: without this they would all make up the same names.
os.register_at_fork(after_in_child=lambda: _random.seed(secrets.randbits(128)))


def new_request_id() -> bytes:
    """128 random bits as 32 hexadecimal digits."""
    return b"%032x" % _random.getrandbits(128)


def new_key() -> bytes:
    """128 random bits that nobody can guess, as 32 hexadecimal digits: a client's sticky key."""
    return secrets.token_hex(16).encode()
