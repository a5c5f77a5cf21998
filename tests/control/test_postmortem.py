"""The page of an incident."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.postmortem import render_incident
from gateway.core.lifecycle import Progress, State
from gateway.store.records import Actor, Incident
from tests.control.rollbacks import JUDGEMENT, happened, incident, rollback

PAGE = """\
# checkout was rolled back

2026-11-21T10:15:00.000Z, from 50 %, in stage 2 to 0 %. The guard `error_rate > 5% for 10m, route orders` was broken.

Incident `20261121-101500-checkout`.

## What fired

`error_rate > 5% for 10m, route orders`, on `orders`:

|  | candidate | bound | baseline |
|---|---|---|---|
| value over 10m | 24 % | 5 % | 0.2 % |
| requests | 1,200 |  | 1,234 |

## Both arms over the last 10 min, the worst paths first

| route | path | arm | requests | errors | error rate | kept away | p50 | p95 | p99 |
|---|---|---|---|---|---|---|---|---|---|
| orders | `/orders/{id}` | candidate | 1,200 | 288 | 24 % |  | 120 ms | 240 ms | 480 ms |
| orders | `/orders/{id}` | baseline | 1,000 | 0 | 0 % |  | 25 ms | 50 ms | 100 ms |
| orders | `/orders` | candidate | 10 | 0 | 0 % |  | 22.5 ms | 45 ms | 90 ms |
| orders | `/orders` | baseline | 1,000 | 0 | 0 % |  | 25 ms | 50 ms | 100 ms |

## Samples of failed requests

| time | request ID | route | path | method | status | how it failed |
|---|---|---|---|---|---|---|
| 2026-11-21T10:14:59.000Z | `id-1` | orders | `/orders/{id}` | POST | 503 | 5xx |

## Timeline

- 2026-11-21T09:15:00.000Z **stage** (5 % → 50 %) by plan stage 2: the hold is over and all gates are ok
- 2026-11-21T10:15:00.000Z **rollback** (50 % → 0 %) by rule `error_rate > 5% for 10m, route orders`

## Next steps

"""


def test_the_page_says_what_fired_where_and_what_came_before() -> None:
    """The facts of a post-mortem, ready for people to go on writing."""
    page = render_incident(incident())

    assert page.startswith(PAGE)
    assert "`crossfade resume checkout`" in page
    assert page.endswith("## Why it happened\n\nTo be written.\n")


def test_a_persons_rollback_says_why() -> None:
    """There is no rule to show."""
    page = render_incident(incident(transition=rollback(None)))

    assert "ada went back." in page
    assert "**rollback** (50 % → 0 %) by operator ada: customers complain\n" in page
    assert "## Why\n\ncustomers complain\n" in page


def test_a_rollback_at_zero_goes_nowhere() -> None:
    """Of a rollout whose candidate answered nobody: from 0 % to 0 % would be an odd thing to read."""
    page = render_incident(msgspec.structs.replace(incident(), percent_before=0.0, stage=1))

    assert "2026-11-21T10:15:00.000Z, at 0 %, in stage 1. The guard" in page


def test_a_bare_record_is_a_page_too() -> None:
    """Lists leave samples and events out; a new controller has none."""
    bare = msgspec.structs.replace(incident(), stage=None, paths=[], samples=[], events=[])
    page = render_incident(bare)

    assert "from 50 % to 0 %" in page
    assert "No figures." in page
    assert "## Samples of failed requests\n\nNone." in page


@given(st.text(max_size=50), st.text(max_size=20))
def test_whatever_people_wrote_breaks_no_table(reason: str, request_id: str) -> None:
    """Line breaks, bars and tags of reasons and IDs stay text on their line."""
    recorded = incident()
    sample = {**recorded.samples[0], "request_id": request_id}
    event = msgspec.to_builtins(happened(reason=reason, actor=Actor("operator", reason)))
    page = render_incident(msgspec.structs.replace(recorded, samples=[sample], events=[event]))
    plain = render_incident(msgspec.structs.replace(recorded, events=[event]))

    assert len(page.split("\n")) == len(render_incident(recorded).split("\n"))
    assert "<" not in plain


def test_a_rules_text_in_the_timeline_is_as_it_was_written() -> None:
    """Whoever searches for it finds it."""
    event = msgspec.to_builtins(happened("pause", actor=Actor("rule", "mismatch_rate < 1% for 30s"), reason=""))
    page = render_incident(msgspec.structs.replace(incident(), events=[event]))

    assert "**pause** (5 % → 50 %) by rule `mismatch_rate < 1% for 30s`\n" in page


@pytest.mark.parametrize(
    ("seconds", "span"),
    [(300.0, " over the last 5 min"), (45.2, " over the last 45 s"), (150.0, " over the last 2 min 30 s"), (None, "")],
)
def test_figures_say_over_how_long_they_are(seconds: float | None, span: str) -> None:
    """They are not over the rule's window, so they may differ from what fired."""
    page = render_incident(msgspec.structs.replace(incident(), window_s=seconds))

    assert f"\n## Both arms{span}, the worst paths first\n" in page


def test_a_record_of_a_later_version_is_still_read() -> None:
    """Fields may be added."""
    record = msgspec.to_builtins(incident())
    record["values"]["new"] = record["samples"][0]["new"] = 1

    assert render_incident(msgspec.convert(record, Incident)).startswith(PAGE)


def test_requests_that_were_kept_away_are_said() -> None:
    """The rule counts them among the candidate's errors; without them the page would not add up."""
    seen = incident()
    seen.paths[0]["candidate"]["kept_away"] = 1764  # type: ignore[index]
    page = render_incident(seen)

    assert "1,764 requests were kept away from the candidate by its breaker or by health checks" in page
    assert "| candidate | 1,200 | 288 | 24 % | 1,764 | 120 ms |" in page
    assert "were kept away" not in render_incident(incident())


def test_a_sample_says_that_the_baseline_answered() -> None:
    """Else nobody understands how a request fails with a 200."""
    seen = incident()
    seen.samples[0] |= {"status": 200, "kind": "timeout", "is_failed_over": True}

    assert "| POST | 200 | timeout; answered by the baseline with 200 |" in render_incident(seen)


def test_a_rollback_to_shadow_says_that_copies_go_on() -> None:
    """The candidate is still being asked."""
    after = Progress(state=State.ROLLED_BACK, to_shadow=True)

    for judgement in (None, JUDGEMENT):
        page = render_incident(incident(transition=rollback(judgement, after=after)))
        assert "to 0 %; requests go on to be copied to the candidate." in page


def test_writes_that_the_baseline_lacks_are_a_step_before_the_resume() -> None:
    """Of a rollout that has a journal: it is the step that hurts when it is forgotten."""
    seen = msgspec.structs.replace(incident(), has_journal=True)
    steps = render_incident(seen).partition("## Next steps")[2].split("- [ ] ")

    assert "`crossfade reconcile checkout`; in a fleet, on each gateway that `crossfade fleet` names." in steps[-2]
    assert "crossfade resume checkout" in steps[-1]
    assert "reconcile" not in render_incident(incident())


def test_answers_that_differed_have_a_table_of_their_own() -> None:
    """Both values side by side as JSON, cut where they are long; nothing of it can break the table."""
    seen = incident()
    seen.samples.append(
        {
            "time": "2026-11-21T10:14:00.000Z",
            "request_id": "id-2",
            "route": "orders",
            "path": "/orders/{id}",
            "kind": "value",
            "field": "$.note",
            "baseline": {"a": "x|y`z<b>"},
            "candidate": "0123456789" * 50,
        }
    )
    page = render_incident(seen)

    assert "\n## Samples of answers that differed\n" in page
    lead = "| 2026-11-21T10:14:00.000Z | `id-2` | orders | `/orders/{id}` | `$.note` | value | "
    (line,) = [line for line in page.splitlines() if line.startswith(lead)]
    assert line.startswith(lead + r"""`{"a":"x\|y'z&lt;b>"}` | `"0123456789""")
    assert line.endswith("…` |")
    assert page.count("id-2") == 1
    assert "that differed" not in render_incident(incident())
