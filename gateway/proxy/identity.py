"""Names that the gateway makes up: request IDs and sticky keys. Each is 128 random bits as 32 hexadecimal digits."""

from __future__ import annotations

import os
import secrets
from typing import Final

_ID_BYTES: Final = 16
_ID_DIGITS: Final = 2 * _ID_BYTES

# One call into the kernel for so many IDs: random bytes one ID at a time would cost more than the rest of a request.
_IDS_AT_ONCE: Final = 256

_spare_ids: list[bytes] = []

# Workers are forks of one process: what it had to spare must not be used twice.
os.register_at_fork(after_in_child=_spare_ids.clear)


def new_request_id() -> bytes:
    """An ID for a request that brought none."""
    if not _spare_ids:
        digits = os.urandom(_ID_BYTES * _IDS_AT_ONCE).hex().encode()
        _spare_ids.extend(digits[at : at + _ID_DIGITS] for at in range(0, len(digits), _ID_DIGITS))
    return _spare_ids.pop()


def new_key() -> bytes:
    """A client's sticky key: nobody can guess it."""
    return secrets.token_hex(_ID_BYTES).encode()
