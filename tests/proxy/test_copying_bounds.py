"""Twins of copies, what all copies of a worker may take together, and copies while the table changes."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.core.figures import Answer
from gateway.core.shadowing import has_twin
from tests.proxy.mirror import BODY_BYTES, IDS, NEVER, Mirror, long_answer, post, shadow, with_id
from tests.proxy.pair import ALWAYS, ERROR, pair_table
from tests.proxy.wiring import OK

NEW = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nnew"
LONGER = long_answer(BODY_BYTES + 2)


# Twins.


async def test_some_copies_go_to_the_baseline_a_second_time() -> None:
    """Drawn by request ID; the pair is of two baseline answers, and counts as no copy."""
    mirror = Mirror(shadow=shadow(noise=30.0))
    for request_id in IDS:
        mirror.exchange(fields=with_id(request_id))
        mirror.sent[-1].answer(NEW)
        for twin in mirror.sent_back:
            twin.answer(ERROR)
        mirror.sent_back.clear()

    twins = [pair for pair in mirror.shelf.pairs if pair.is_twin]
    assert [pair.request_id for pair in twins] == [each.decode() for each in IDS if has_twin(each, 30.0)]
    assert {(pair.baseline.status, pair.other.status) for pair in twins} == {(200, 503)}
    assert len(mirror.shelf.pairs) == len(IDS) + len(twins)
    assert mirror.outcomes == {}


async def test_a_twin_is_told_from_a_users_request() -> None:
    """By the field that marks a copy; it is the baseline's own otherwise."""
    mirror = Mirror(shadow=shadow(noise=100.0))
    mirror.exchange()

    (twin,) = mirror.sent_back
    assert b"X-Crossfade-Shadow: 1\r\n" in twin.written
    assert b"X-Crossfade-Arm: baseline\r\n" in twin.written


async def test_a_twin_that_fails_is_missed_by_nobody() -> None:
    """The copy is what counts."""
    mirror = Mirror(shadow=shadow(noise=100.0))
    mirror.exchange()
    mirror.sent_back[0].break_off()
    mirror.sent[0].answer()

    assert [pair.is_twin for pair in mirror.shelf.pairs] == [False]
    assert mirror.outcomes == {}
    assert mirror.under_way == 0


async def test_requests_that_the_candidate_answers_have_no_twin() -> None:
    """Noise is how the baseline differs from itself."""
    mirror = Mirror(rollout=ALWAYS, shadow=shadow(both=True, noise=100.0))
    mirror.ask()
    mirror.candidate.data_received(OK)

    assert (len(mirror.sent_back), len(mirror.sent)) == (1, 0)


# Bounds, and other tables.


async def test_what_is_kept_for_copies_is_bounded_for_the_worker_as_a_whole() -> None:
    """It is given back when the copy is over, also of one that is not kept any more."""
    mirror = Mirror()
    room = mirror.left_bytes
    mirror.exchange()
    assert mirror.left_bytes == room - 2
    mirror.sent[0].answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nne")
    assert mirror.left_bytes == room - 4
    mirror.sent[0].answer(b"w!")
    assert mirror.left_bytes == room

    mirror.ask()
    mirror.baseline.data_received(LONGER[:-1])
    assert mirror.left_bytes == room  # it is over the bound, so nothing of it is kept
    mirror.baseline.data_received(LONGER[-1:])
    assert mirror.left_bytes == room


async def test_copies_that_are_under_way_end_well_when_the_table_changes() -> None:
    """Whether or not it changes how they are copied; the lane stays where it does not."""
    mirror = Mirror()
    mirror.exchange()
    lane = mirror.lane()
    mirror.adopt(pair_table(rollout=replace(NEVER, percent=1.0), shadow=shadow(), revision="2"))
    assert mirror.lane() is lane
    mirror.exchange()
    mirror.adopt(pair_table(rollout=NEVER, shadow=shadow(concurrency=2), revision="3"))
    assert mirror.lane() is not lane
    for copy in mirror.sent:
        copy.answer()

    assert len(mirror.shelf.pairs) == 2
    assert all(copy.transport.is_closed for copy in mirror.sent)  # nobody would use them again
    assert lane.under_way == mirror.under_way == 0


async def test_a_rollback_ends_copying() -> None:
    """What is under way then is compared still; nothing follows it."""
    mirror = Mirror()
    mirror.exchange()
    mirror.adopt(pair_table(rollout=replace(NEVER, copies=False), shadow=shadow(), revision="2"))
    mirror.exchange()
    mirror.sent[0].answer()

    assert (len(mirror.sent), len(mirror.shelf.pairs)) == (1, 1)
    assert mirror.plane.generation.copies is None


async def test_a_request_that_began_before_a_rollback_is_not_copied_after_it() -> None:
    """However long the baseline takes to answer it: the candidate gets nothing more, as soon as a worker knows."""
    mirror = Mirror()
    client = mirror.ask()
    for revision in ("2", "3"):
        copies = revision == "2"
        rules = pair_table(rollout=replace(NEVER, copies=copies), shadow=shadow())
        mirror.adopt(replace(rules, revision=revision))
    mirror.baseline.data_received(OK)

    assert client.written
    assert (mirror.under_way, mirror.outcomes) == (0, {})


async def test_a_request_that_began_before_a_reload_is_copied_as_it_began() -> None:
    """By its own table, to the end, over a connection that is closed behind it."""
    mirror = Mirror()
    mirror.ask()
    mirror.adopt(pair_table(rollout=NEVER, revision="2"))
    mirror.baseline.data_received(OK)

    assert mirror.plane.generation.copies is None
    assert mirror.under_way == 1


async def test_copies_of_many_users_stay_apart() -> None:
    """Each answer is held against that of its own request."""
    mirror = Mirror()
    for number in range(4):
        mirror.exchange(fields=with_id(b"id-%d" % number), path=b"/%d" % number)
    for copy in reversed(mirror.sent):
        copy.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + copy.target)

    assert {pair.request_id: pair.other.body for pair in mirror.shelf.pairs} == {
        f"id-{number}": b"/%d" % number for number in range(4)
    }


async def test_figures_of_the_request_are_the_baselines() -> None:
    """The one answer that the user got."""
    mirror = Mirror()
    mirror.exchange(post())

    ((subject, figures),) = mirror.take().items()
    assert (subject.arm, figures.answers) == ("baseline", {Answer("legacy", "POST", 200, "split"): 1})
