"""Whoever takes the pairs may refuse them, and nobody waits."""

from __future__ import annotations

from tests.proxy.mirror import Mirror, Shelf


async def test_it_is_asked_for_room_before_a_read_is_sent() -> None:
    """The other side is not to work for nothing."""
    mirror = Mirror(Shelf(room=1))
    mirror.exchange()
    mirror.sent[0].answer()
    mirror.exchange()

    assert (len(mirror.sent), len(mirror.shelf.pairs)) == (1, 1)
    assert mirror.outcomes == {("skipped", "comparer_busy"): 1}


async def test_it_gets_a_pair_when_the_copy_is_over_for_its_key_and_its_connection() -> None:
    """Whatever it does with it, the next copy may go."""
    mirror = Mirror()
    seen = []
    mirror.shelf.on_offer = lambda: seen.append((mirror.lane().under_way, len(mirror.lane().pool.endpoints[0].idle)))
    mirror.exchange()
    mirror.sent[0].answer()

    assert seen == [(0, 4)]


async def test_without_anybody_to_take_them_nothing_is_copied() -> None:
    """A data plane that was given none has no copies, whatever the table says."""
    mirror = Mirror()
    mirror.plane._means = None
    mirror.adopt(mirror.plane.generation.table)
    mirror.exchange()

    assert mirror.plane.generation.copies is None
    assert mirror.sent == []
