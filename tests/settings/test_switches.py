from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CommandError
from gateway.settings.load import load_text
from gateway.settings.switches import Switches, variable_suffix

CONFIG = load_text(
    """\
version: 1
backends: {legacy: http://127.0.0.1:9001, new: http://127.0.0.1:9002}
rollouts: {checkout-v2: {key: client_ip}}
routes:
  - {name: a, match: /a, baseline: legacy, candidate: new, rollout: checkout-v2}
  - {name: search, match: /b, baseline: legacy, candidate: new, rollout: {key: client_ip}}
""",
    "gateway.yaml",
    {},
    Path(),
).config


def test_without_variables_nothing_is_held() -> None:
    """An ordinary environment demands nothing."""
    switches = Switches.from_env({"PATH": "/bin", "CROSSFADE_ADMIN_TOKEN": "x"})

    assert switches == Switches()
    assert (switches.is_killed("a"), switches.cap("a", "murmur3")) == (False, 100.0)


def test_a_list_of_rollouts_is_rolled_back() -> None:
    """Only the named ones, with blanks around names and empty entries passed over."""
    switches = Switches.from_env({"CROSSFADE_ROLLBACK": " checkout-v2 ,,search"})

    assert [switches.is_killed(name) for name in ("checkout-v2", "search", "other")] == [True, True, False]


def test_all_means_every_rollout() -> None:
    """Also those that nobody remembers the name of."""
    assert Switches.from_env({"CROSSFADE_ROLLBACK": "all"}).is_killed("anything")


def test_a_cap_is_found_by_the_rollouts_name() -> None:
    """Upper-cased, with `_` for every other character."""
    switches = Switches.from_env({"CROSSFADE_PERCENT_CHECKOUT_V2": "2.5%"})

    assert switches.cap("checkout-v2", "murmur3") == 2.5
    assert switches.cap("search", "murmur3") == 100.0


@pytest.mark.parametrize(
    ("env", "held"),
    [
        ({}, ()),
        ({"CROSSFADE_ROLLBACK": "search, other"}, ("search",)),
        ({"CROSSFADE_PERCENT_CHECKOUT_V2": "5", "CROSSFADE_ROLLBACK": "search"}, ("checkout-v2", "search")),
        ({"CROSSFADE_PERCENT_SEARCH": "5", "CROSSFADE_ROLLBACK": "all"}, ("all",)),
    ],
)
def test_it_is_known_which_rollouts_are_held(env: dict[str, str], held: tuple[str, ...]) -> None:
    """Others of a fleet tell their users; `all` is one word, however many there are."""
    assert Switches.from_env(env).holding(CONFIG) == held


def test_a_cap_is_rounded_down_where_only_whole_percentages_count() -> None:
    """An emergency brake never lets through more than it says."""
    assert Switches.from_env({"CROSSFADE_PERCENT_A": "2.9"}).cap("a", "unleash") == 2.0


@pytest.mark.parametrize("value", ["", "off", "-1", "101", "5,0"])
def test_a_mistyped_cap_stops_the_start(value: str) -> None:
    """In an emergency nobody should believe in a switch that does nothing."""
    with pytest.raises(CommandError, match=r"CROSSFADE_PERCENT_A: .*percentage"):
        Switches.from_env({"CROSSFADE_PERCENT_A": value})


def test_switches_that_name_no_rollout_are_told() -> None:
    """With the nearest name, and those written within routes count."""
    switches = Switches.from_env(
        {"CROSSFADE_ROLLBACK": "chekout-v2,search,all", "CROSSFADE_PERCENT_SEARCH": "1", "CROSSFADE_PERCENT_X": "1"}
    )

    assert switches.unknown(CONFIG) == [
        "CROSSFADE_ROLLBACK names `chekout-v2`, but there is no such rollout; did you mean `checkout-v2`?",
        "CROSSFADE_PERCENT_X is set, but there is no such rollout",
    ]


def test_switches_that_hold_a_rollout_back_are_told() -> None:
    """An operator must see at once that the file is not all there is."""
    switches = Switches.from_env({"CROSSFADE_ROLLBACK": "search", "CROSSFADE_PERCENT_CHECKOUT_V2": "2.5"})

    assert switches.in_force(CONFIG) == [
        "CROSSFADE_ROLLBACK sends everything of `search` to the baseline",
        "CROSSFADE_PERCENT_CHECKOUT_V2 bounds the share of `checkout-v2` to 2.5 %",
    ]
    assert Switches().in_force(CONFIG) == []


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True))
def test_every_rollout_has_a_variable(name: str) -> None:
    """What a name becomes can be set in every shell."""
    assert set(variable_suffix(name)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
