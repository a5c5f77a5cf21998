"""What is stored of a rollout comes back as it was."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.progress import Progress, State, say_state

PERCENT = st.floats(0, 100)
SECONDS = st.floats(0, 1e10)


@given(
    st.builds(
        Progress,
        state=st.sampled_from(State),
        stage=st.integers(0, 50),
        percent=st.none() | PERCENT,
        to_shadow=st.booleans(),
        stage_percent=PERCENT,
        stage_cohorts=st.lists(st.text()).map(tuple),
        stage_since=SECONDS,
        watched_since=SECONDS,
        held_seconds=SECONDS,
        cooldown_left_seconds=SECONDS,
        share_since=SECONDS,
        retries_used=st.integers(0, 100),
        watch_left_seconds=SECONDS,
        stepped_back_from=st.lists(st.integers(0, 50)).map(tuple),
        saved_at=SECONDS,
    )
)
def test_progress_survives_json(progress: Progress) -> None:
    """To the last digit: a hold is not over sooner for having been stored."""
    assert msgspec.json.decode(msgspec.json.encode(progress), type=Progress) == progress


def test_progress_of_an_older_version_is_read() -> None:
    """What it did not know yet is as at a beginning."""
    found = msgspec.json.decode(b'{"state": "running", "percent": 20, "retries_left": 1}', type=Progress)

    assert (found.state, found.percent, found.stage, found.retries_used) == (State.RUNNING, 20, 0, 0)


def test_sentences_have_states_in_words() -> None:
    """Programs have their names."""
    assert [say_state(state) for state in State] == [
        "pending",
        "running",
        "waiting",
        "paused",
        "rolled back",
        "completed",
    ]
