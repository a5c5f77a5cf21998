from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.settings.schema.rollouts import Rollout


def test_a_rollout_needs_only_its_key() -> None:
    """By default it is live at 0 %, so nothing moves before someone says so."""
    rollout = Rollout.model_validate({"key": "client_ip"})

    assert (rollout.mode, rollout.percent, rollout.hash, rollout.on_missing_key) == ("live", 0, "murmur3", "baseline")
    assert (rollout.salt, rollout.cohorts) == (None, ())


@given(st.floats(0, 100), st.sampled_from(["unleash", "md5_mod100"]))
def test_some_schemes_take_whole_percentages_only(percent: float, scheme: str) -> None:
    """They have a hundred places, and a fraction would be rounded in silence."""
    document = {"key": "client_ip", "hash": scheme, "percent": percent}
    if percent % 1:
        with pytest.raises(ValidationError, match="whole percentages"):
            Rollout.model_validate(document)
    else:
        assert Rollout.model_validate(document).percent == percent


def test_a_cohorts_floor_is_a_percentage_of_the_scheme_too() -> None:
    """What holds for the rollout's share holds for its cohorts'."""
    cohort = {"name": "a", "percent": 0.5, "when": {"client_ip": "a"}}

    assert Rollout.model_validate({"key": "client_ip", "cohorts": cohort}).cohorts[0].percent == 0.5
    with pytest.raises(ValidationError, match="whole percentages"):
        Rollout.model_validate({"key": "client_ip", "hash": "unleash", "cohorts": cohort})


@pytest.mark.parametrize("choice", [{}, {"arm": "candidate", "percent": 5}])
def test_a_cohort_has_an_arm_or_a_floor(choice: dict[str, object]) -> None:
    """Neither or both would not say what its users get."""
    with pytest.raises(ValidationError, match="one of `arm` and `percent`"):
        Rollout.model_validate({"key": "client_ip", "cohorts": {"name": "a", "when": {"client_ip": "a"}, **choice}})
