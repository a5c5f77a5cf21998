"""Names that the gateway makes up are 128 random bits, and nobody else's."""

from __future__ import annotations

import os
import re

from gateway.proxy.identity import new_key, new_request_id


def test_request_ids_are_distinct_and_hexadecimal() -> None:
    """More than one batch of them."""
    ids = [new_request_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(re.fullmatch(rb"[0-9a-f]{32}", name) for name in ids)


def test_a_fork_makes_up_other_names() -> None:
    """Workers are forks of one process."""
    new_request_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(new_request_id() for _ in range(300)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    theirs = os.read(reading, 300 * 32)
    os.close(reading)
    ours = {new_request_id() for _ in range(300)}

    assert not ours & {theirs[at : at + 32] for at in range(0, len(theirs), 32)}


def test_keys_are_as_long_and_distinct() -> None:
    """A sticky key is for a year."""
    assert re.fullmatch(rb"[0-9a-f]{32}", new_key())
    assert new_key() != new_key()
