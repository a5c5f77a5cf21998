"""One stream of chance, from either side."""

from __future__ import annotations

from random import Random

from tests.fuzz import streams
from tests.fuzz.backends import ASKED, try_backend
from tests.fuzz.clients import try_client
from tests.fuzz.theatre import Outcome, Theatre


async def play(place: Theatre, dice: Random) -> tuple[str, Outcome]:
    """Send one: whose it was, a client's or a backend's, and what became of it."""
    if dice.random() < 0.6:
        outcome = await try_client(place, streams.request_stream(dice), half_closes=dice.random() < 0.2)
        return "client", outcome
    pieces = streams.response_stream(dice)
    ending = dice.choice(("close", "close", "reset", "stay"))
    return "backend", await try_backend(place, pieces, dice.choice([*ASKED]), ending)
