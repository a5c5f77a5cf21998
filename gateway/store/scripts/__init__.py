"""What runs inside Redis: Lua, as whatever belongs together there must be written together.

`prelude.lua` stands before each of the others. Redis keeps a script under the SHA-1 of its text, so only that is sent
(https://redis.io/docs/latest/develop/programmability/eval-intro/).
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = ["Script", "script"]


class Script(NamedTuple):
    """Its text, and the name that Redis has for it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The one in ``NAME.lua``."""
    folder = resources.files(__name__)
    text = "".join((folder / f"{each}.lua").read_text("utf-8") for each in ("prelude", name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
