"""A plan goes its way by itself: by cohorts, by holds, past an approval, back where a guard says so, and again."""

from __future__ import annotations

from typing import Any

from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.load import Load
from tests.e2e.servers import Server
from tests.e2e.test_rollouts import act, arms_of

CONFIGURATION = """\
version: 1
server: {{listen: 127.0.0.1:0, workers: 2, expose: true}}
admin: {{listen: 127.0.0.1:0}}
backends: {{legacy: {server.url}, new: {server.url}}}
rollouts:
  shop:
    key: header:X-User-ID
    cohorts:
      - {{name: internal, arm: candidate, when: {{header:X-Team: internal}}}}
      - {{name: beta, arm: candidate, when: {{header:X-Team: beta}}}}
    gates: []
    {plan}
routes: [{{name: all, match: /**, baseline: legacy, candidate: new, rollout: shop}}]
"""
BY_COHORTS = """\
guard: []
    stages:
      - {cohorts: [internal], hold: 1s, approval: manual}
      - {cohorts: [internal, beta], hold: 1s, approval: manual}
      - {percent: 100, hold: 1s}
"""
WITH_RETRY = """\
guard: []
    start: auto
    cooldown: 2s
    retry: 1
    stages: [{percent: 20, hold: 1h}, {percent: 100}]
"""
STEPPING_BACK = """\
guard: [{when: requests > 20 for 1m, do: step_back}]
    start: auto
    stages: [{percent: 0, hold: 1s, cohorts: [internal]}, {percent: 60, hold: 1h}, {percent: 100}]
"""
USERS = [{"X-User-ID": "ann", "X-Team": "internal"}, {"X-User-ID": "bob", "X-Team": "beta"}, {"X-User-ID": "cay"}]
BASELINE, CANDIDATE = "baseline", "candidate"


def shown(gateway: Gateway) -> Any:
    return gateway.ask("/api/v1/rollouts/shop")[1]


def kinds(gateway: Gateway) -> list[str]:
    """Of the rollout's events, in order."""
    return [event["kind"] for event in gateway.ask("/api/v1/events?rollout=shop")[1]["items"]]


def await_state(gateway: Gateway, state: str) -> None:
    gateway.wait_until(lambda: shown(gateway)["state"] == state)


def test_internal_users_go_first_then_beta_then_everybody(start_gateway: Start, nginx: Server) -> None:
    """Each stage waits for a person once its hold is over; the last one completes by itself."""
    gateway = start_gateway(CONFIGURATION.format(server=nginx, plan=BY_COHORTS))
    assert arms_of(gateway, USERS) == [BASELINE, BASELINE, BASELINE]

    act(gateway, "start")
    assert arms_of(gateway, USERS) == [CANDIDATE, BASELINE, BASELINE]
    await_state(gateway, "waiting")
    assert arms_of(gateway, USERS) == [CANDIDATE, BASELINE, BASELINE]

    act(gateway, "promote")
    assert arms_of(gateway, USERS) == [CANDIDATE, CANDIDATE, BASELINE]
    await_state(gateway, "waiting")
    act(gateway, "promote")
    assert arms_of(gateway, USERS) == [CANDIDATE, CANDIDATE, CANDIDATE]
    await_state(gateway, "completed")
    assert arms_of(gateway, USERS) == [CANDIDATE, CANDIDATE, CANDIDATE]
    gateway.wait_until(lambda: kinds(gateway)[-1] == "complete")
    assert kinds(gateway) == ["start", "approval", "stage", "approval", "stage", "complete"]


def test_a_retry_begins_again_after_the_cooldown_and_only_so_often(start_gateway: Start, nginx: Server) -> None:
    """A person has to help it the second time."""
    gateway = start_gateway(CONFIGURATION.format(server=nginx, plan=WITH_RETRY))
    act(gateway, "rollback")
    assert act(gateway, "resume")[0] == 409  # it has to cool down
    gateway.wait_until(lambda: "retry" in kinds(gateway))
    await_state(gateway, "running")
    assert shown(gateway)["percent"] == 20

    act(gateway, "rollback")
    gateway.wait_until(lambda: act(gateway, "resume")[0] == 200)
    assert [kind for kind in kinds(gateway) if kind != "start"] == ["rollback", "retry", "rollback", "resume"]


def test_a_guards_second_step_back_from_a_stage_pauses(start_gateway: Start, nginx: Server) -> None:
    """Or it would go back and forth for ever."""
    gateway = start_gateway(CONFIGURATION.format(server=nginx, plan=STEPPING_BACK))
    with Load(gateway.port, "/status/200", clients=2):
        await_state(gateway, "paused")

    gateway.wait_until(lambda: kinds(gateway)[-4:] == ["stage", "step_back", "stage", "step_back"])
    assert (shown(gateway)["percent"], arms_of(gateway, USERS)) == (0, [CANDIDATE, BASELINE, BASELINE])


def test_a_paused_plan_stands_still_and_goes_on_where_it_was(start_gateway: Start, nginx: Server) -> None:
    """Also under an operator's percentage: the hold passes only while the plan runs."""
    gateway = start_gateway(CONFIGURATION.format(server=nginx, plan=BY_COHORTS))
    act(gateway, "start")
    act(gateway, "pause")
    left = shown(gateway)["stage"]["hold_left_s"]
    gateway.wait_until(lambda: shown(gateway)["stage"]["since"] and "pause" in kinds(gateway))
    assert (shown(gateway)["state"], shown(gateway)["stage"]["hold_left_s"]) == ("paused", left)

    act(gateway, "resume")
    await_state(gateway, "waiting")
