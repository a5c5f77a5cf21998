"""A rollout of a running gateway: what operators do reaches users at once, and survives whatever ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from typing import Any

import pytest

from tests.e2e.configurations import split
from tests.e2e.conftest import Start
from tests.e2e.gateway import Gateway
from tests.e2e.servers import Server
from tests.e2e.test_commands import crossfade

PLAN = """{key: [header:X-User-ID, client_ip], cooldown: 1h, cohorts: [
      {name: internal, arm: candidate, when: {header:X-Team: internal}},
      {name: partners, arm: candidate, when: {header:X-Team: partners}},
    ], stages: [
      {percent: 0, hold: 1h, cohorts: [internal]},
      {percent: 40, hold: 1h, approval: manual},
      {percent: 100, hold: 1h},
    ]}"""
USERS = 60


def planned(server: Server) -> str:
    """A plan of three stages, between twice the same server."""
    return re.sub(r"shop: \{key.*?\}\}", lambda _: f"shop: {PLAN}}}", split(server, server, workers=2))


@pytest.fixture
def gateway(start_gateway: Start, nginx: Server) -> Gateway:
    """A running gateway with that plan, which nobody has started."""
    return start_gateway(planned(nginx))


def act(gateway: Gateway, action: str, **wish: Any) -> tuple[int, Any]:
    """An operator's action over the API."""
    headers = {"Content-Type": "application/json"}
    return gateway.ask(f"/api/v1/rollouts/shop/{action}", "POST", json.dumps(wish), headers)


def stand(gateway: Gateway) -> tuple[str, float, int | None]:
    """State, share and stage."""
    shown = gateway.ask("/api/v1/rollouts/shop")[1]
    return shown["state"], shown["percent"], shown["stage"] and shown["stage"]["index"]


def arm_of(gateway: Gateway, user: str, team: str = "") -> str:
    """Which arm answers this user."""
    return arms_of(gateway, [{"X-User-ID": user} | ({"X-Team": team} if team else {})])[0]


def arms_of(gateway: Gateway, askings: list[dict[str, str]]) -> list[str]:
    """Which arms answer such requests; on a connection of their own."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    arms = []
    for headers in askings:
        connection.request("GET", "/status/200", headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        arms.append(response.headers["X-Crossfade-Arm"])
    connection.close()
    return arms


def count_candidates(gateway: Gateway) -> int:
    """How many of some users the candidate answers."""
    return arms_of(gateway, [{"X-User-ID": f"user-{number}"} for number in range(USERS)]).count("candidate")


def test_users_are_where_the_stage_says_as_soon_as_the_command_returns(gateway: Gateway) -> None:
    """Cohorts first, then shares; who was moved stays moved, and a rollback takes everybody back."""
    assert (count_candidates(gateway), arm_of(gateway, "a", "internal")) == (0, "baseline")

    assert crossfade(gateway, "start", "shop")[1] == "shop: pending at 0 % -> running at 0 %, stage 1 of 3\n"
    assert [arm_of(gateway, "a", team) for team in ("", "internal", "partners")] == [
        "baseline",
        "candidate",
        "baseline",
    ]

    status, out, _ = crossfade(gateway, "promote", "shop", "--force", "--reason", "all is well")
    assert (status, out.split(" -> ")[1]) == (0, "running at 40 %, stage 2 of 3\n")
    assert 0 < count_candidates(gateway) < USERS
    assert arm_of(gateway, "a", "partners") == "candidate"

    assert crossfade(gateway, "rollback", "shop")[0] == 0
    assert (count_candidates(gateway), arm_of(gateway, "a", "internal")) == (0, "baseline")
    assert stand(gateway) == ("rolled_back", 0, None)


def test_every_command_drives_and_what_does_not_fit_is_refused(gateway: Gateway) -> None:
    """One line each way; the status tells programs which it was."""
    done = [
        ("pause", 1, ("pending", 0, None)),
        ("start", 0, ("running", 0, 1)),
        ("promote", 1, ("running", 0, 1)),
        ("promote --force", 0, ("running", 40, 2)),
        ("pause --if-version 1", 1, ("running", 40, 2)),
        ("pause --if-version 2", 0, ("paused", 40, 2)),
        ("resume", 0, ("running", 40, 2)),
        ("step-back", 0, ("running", 0, 1)),
        ("rollback --to shadow", 1, ("running", 0, 1)),
        ("rollback --if-version 0", 0, ("rolled_back", 0, None)),
        ("resume", 1, ("rolled_back", 0, None)),
        ("set 5", 1, ("rolled_back", 0, None)),
        ("resume --force", 0, ("running", 0, 1)),
        ("set 5", 0, ("running", 5, 1)),
        ("unset", 0, ("running", 0, 1)),
    ]
    for command, expected, standing in done:
        name, *rest = command.split()
        status, out, err = crossfade(gateway, name, "shop", *rest)
        assert (status, stand(gateway)) == (expected, standing), command
        assert (out.count("\n"), out == "") == ((0, True) if status else (1, False)), command
        assert err.startswith("crossfade: ") == bool(status), command

    kinds = [event["kind"] for event in gateway.ask("/api/v1/events?rollout=shop")[1]["items"]]
    assert kinds == ["start", "stage", "pause", "resume", "step_back", "rollback", "resume", "percent", "unset"]


def test_status_shows_the_stage_and_what_it_waits_for(gateway: Gateway) -> None:
    """For people; the API has it for programs."""
    act(gateway, "start")
    act(gateway, "promote", force=True)

    gateway.wait_until(lambda: gateway.ask("/api/v1/rollouts/shop")[1]["rules"])

    out = crossfade(gateway, "status", "shop")[1]

    head, row, *_rules = [line for line in out.splitlines() if line.startswith("shop")]
    assert head == "shop, version 2"
    assert "2 of 3" in row
    assert "hold (" in row
    assert "approval" in row


def test_a_wrong_action_is_409_and_says_what_is_right(gateway: Gateway) -> None:
    """As a problem document."""
    status, problem = act(gateway, "resume")

    assert (status, problem["status"]) == (409, 409)
    assert problem["detail"] == "`shop` is pending: resume is possible only when it is paused or rolled back"


@pytest.mark.parametrize("victim", ["contr", "w0", "master"])
@pytest.mark.parametrize(
    ("actions", "standing"),
    [
        (["start", "promote"], ("running", 40, 2)),
        (["start", "promote", "pause"], ("paused", 40, 2)),
        (["start", "promote", "rollback"], ("rolled_back", 0, None)),
    ],
)
def test_state_outlives_whatever_is_killed(
    gateway: Gateway, victim: str, actions: list[str], standing: tuple[str, float, int | None]
) -> None:
    """Right after it was answered: the share stays, and rolled back stays rolled back."""
    for action in actions:
        assert act(gateway, action, force=True)[0] == 200
    before = count_candidates(gateway)

    if victim == "master":
        gateway.destroy()
        gateway.start()
    else:
        (process,) = gateway.pids(victim)
        os.kill(process, signal.SIGKILL)
        gateway.wait_until(lambda: process not in gateway.pids() and gateway.pids(victim) and gateway.is_ready())

    assert stand(gateway) == standing
    assert count_candidates(gateway) == before
    assert (before == 0) == (standing[1] == 0)


def test_a_rollback_that_no_disk_took_outlives_controllers(start_gateway: Start, nginx: Server) -> None:
    """It is in force all the while, and in the store with event and incident as soon as that can be used."""
    gateway = start_gateway(split(nginx, nginx, percent=50) + "store: sqlite:disk/state.db\n")
    disk, away = gateway.path.parent / "disk", gateway.path.parent / "away"
    disk.mkdir()
    gateway.wait_until(lambda: act(gateway, "pause")[0] == 200)
    disk.rename(away)
    assert (act(gateway, "rollback")[1]["stored"], count_candidates(gateway)) == (False, 0)
    kill_controller(gateway)
    assert (stand(gateway), count_candidates(gateway)) == (("rolled_back", 0, None), 0)
    away.rename(disk)
    kill_controller(gateway)

    assert (stand(gateway), count_candidates(gateway)) == (("rolled_back", 0, None), 0)
    assert gateway.ask("/api/v1/rollouts/shop")[1]["stored"]
    events, incidents = (gateway.ask(f"/api/v1/{each}?rollout=shop")[1]["items"] for each in ("events", "incidents"))
    assert ([event["kind"] for event in events], len(incidents)) == (["pause", "rollback"], 1)


def kill_controller(gateway: Gateway) -> None:
    """And wait for the next one."""
    (process,) = gateway.pids("contr")
    os.kill(process, signal.SIGKILL)
    gateway.wait_until(lambda: process not in gateway.pids() and gateway.pids("contr") and gateway.is_ready())


def test_no_edit_undoes_a_rollback(gateway: Gateway, nginx: Server) -> None:
    """Neither one of the plan nor one to a fixed percentage."""
    act(gateway, "start")
    act(gateway, "rollback")

    gateway.edit(planned(nginx).replace("percent: 40", "percent: 60"))
    gateway.edit(split(nginx, nginx, percent=80))

    assert (stand(gateway), count_candidates(gateway)) == (("rolled_back", 0, None), 0)


def test_an_edited_plan_keeps_the_progress(gateway: Gateway, nginx: Server) -> None:
    """The equal stage goes on; one that is gone gives way to the last not above the share, and that is an event."""
    act(gateway, "start")
    act(gateway, "promote", force=True)

    gateway.edit(planned(nginx).replace("{percent: 100, hold: 1h}", "{percent: 70, hold: 1h}, {percent: 100}"))
    assert stand(gateway) == ("running", 40, 2)
    gateway.edit(planned(nginx).replace("percent: 40", "percent: 60"))
    assert stand(gateway) == ("running", 0, 1)

    gateway.wait_until(lambda: gateway.ask("/api/v1/events?rollout=shop")[1]["items"][-1]["kind"] == "edit")
