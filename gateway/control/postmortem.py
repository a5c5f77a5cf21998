"""An incident as a page in Markdown: the beginning of a post-mortem, with the facts filled in.

What is for people to write, why and what next, is left open below them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.control.paths import ArmView, PathView
from gateway.control.readings import Unit, say_value
from gateway.store.records import Actor, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.store.records import Incident

_STEPS: Final = (
    "Look the samples' IDs up in the candidate's logs: they arrived there as `X-Request-ID`.",
    "Compare the worst paths with the others: one path points at a change there, all of them at what they share.",
    "Replay one failing request against the candidate by `X-Crossfade-Arm: candidate`, where `server.override` allows.",
)
_RECONCILE: Final = (
    "Bring the baseline the writes that only the candidate took: `crossfade reconcile {rollout}`; in a fleet, on each"
    " gateway that `crossfade fleet` names."
)
_RESUME: Final = "When the cause is mended: `crossfade resume {rollout}`, after its cooldown or with `--force`."

_WINDOW: Final = re.compile(r" for (\S+?)(?:,|$)")
_VALUE_LENGTH: Final = 100
"""Characters of a value that differed: the API shows more."""


class _Requests(msgspec.Struct):
    candidate: int = 0
    baseline: int = 0


class _Values(msgspec.Struct):
    """What a rule rests on; or who went back, and why."""

    by: str = ""
    to: str | None = None
    reason: str = ""
    route: str | None = None
    path: str | None = None
    unit: Unit = "count"
    value: float | None = None
    bound: float | None = None
    baseline: float | None = None
    requests: _Requests = msgspec.field(default_factory=_Requests)


class _Sample(msgspec.Struct):
    time: str = ""
    request_id: str = ""
    route: str = ""
    path: str = ""
    method: str = ""
    status: int = 0
    kind: str = ""
    is_failed_over: bool = False
    field: str | None = None
    """Of an answer that differed."""
    baseline: object = None
    candidate: object = None


def render_incident(incident: Incident) -> str:
    """The page."""
    samples = msgspec.convert(incident.samples, list[_Sample])
    differed = [sample for sample in samples if sample.field is not None]
    sections = (
        _say_head(incident),
        _say_cause(incident),
        _draw_paths(msgspec.convert(incident.paths, list[PathView]), incident.window_s),
        _draw_samples([sample for sample in samples if sample.field is None]),
        *([_draw_differences(differed)] if differed else []),
        _draw_timeline(incident),
        _list_steps(incident),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _say_head(incident: Incident) -> Iterator[str]:
    yield f"# {incident.rollout} was rolled back"
    yield ""
    stage = f", in stage {incident.stage}" if incident.stage is not None else ""
    values = msgspec.convert(incident.values, _Values)
    person = _line(values.by) or "A person"
    goes_on = "; requests go on to be copied to the candidate" if values.to else ""
    cause = f"The guard `{incident.rule}` was broken." if incident.rule else f"{person} went back."
    share = f"from {incident.percent_before:.10g} %{stage} to 0 %" if incident.percent_before else f"at 0 %{stage}"
    yield f"{incident.time}, {share}{goes_on}. {cause}"
    yield ""
    yield f"Incident `{incident.id}`."


def _say_cause(incident: Incident) -> Iterator[str]:
    values = msgspec.convert(incident.values, _Values)
    yield "## What fired" if incident.rule else "## Why"
    yield ""
    if incident.rule is None:
        yield _line(values.reason) or "No reason was given."
        return
    where = " ".join(part for part in (values.route, values.path) if part)
    yield f"`{incident.rule}`" + (f", on {_code(where)}" if where else "") + ":"
    yield ""
    yield from _draw(("", "candidate", "bound", "baseline"), _list_values(values, incident.rule))
    yield from _say_kept_away(msgspec.convert(incident.paths, list[PathView]))


def _say_kept_away(rows: Sequence[PathView]) -> Iterator[str]:
    kept_away = sum(row.candidate.kept_away for row in rows if row.candidate is not None)
    if kept_away:
        requests = "1 request was" if kept_away == 1 else f"{kept_away:,} requests were"
        yield ""
        yield f"Of the paths below {requests} kept away from the candidate by its breaker or by health checks, and"
        yield "answered by the baseline: rules count them against it."


def _list_values(values: _Values, rule: str) -> Iterator[tuple[str, ...]]:
    window = find_window(rule)
    shown = (say_value(each, values.unit) for each in (values.value, values.bound, values.baseline))
    yield (f"value over {window}" if window else "value", *shown)
    yield ("requests", f"{values.requests.candidate:,}", "", f"{values.requests.baseline:,}")


def find_window(rule: str) -> str:
    """The window that the text of a rule names, such as ``5m``; empty where it names none."""
    found = _WINDOW.search(rule)
    return found[1] if found else ""


def _draw_paths(rows: Sequence[PathView], seconds: float | None) -> Iterator[str]:
    span = "" if seconds is None else f" over the last {_say_span(seconds)}"
    yield f"## Both arms{span}, the worst paths first"
    yield ""
    if not rows:
        yield "No figures."
        return
    columns = ("route", "path", "arm", "requests", "errors", "error rate", "kept away", "p50", "p95", "p99")
    yield from _draw(columns, _list_arms(rows))


def _say_span(seconds: float) -> str:
    """``45 s``, ``5 min``, ``5 min 30 s``."""
    minutes, rest = divmod(round(seconds), 60)
    parts = [f"{minutes} min"] * (minutes > 0) + [f"{rest} s"] * (rest > 0 or not minutes)
    return " ".join(parts)


def _list_arms(rows: Iterable[PathView]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        for name, arm in (("candidate", row.candidate), ("baseline", row.baseline)):
            if arm is not None:
                yield (row.route, _code(row.path), name, *_list_figures(arm))


def _list_figures(arm: ArmView) -> tuple[str, ...]:
    latencies = ("" if each is None else say_value(each, "ms") for each in (arm.p50, arm.p95, arm.p99))
    rate = "" if arm.error_rate is None else say_value(arm.error_rate, "ratio")
    kept_away = f"{arm.kept_away:,}" if arm.kept_away else ""
    return (f"{arm.requests:,}", f"{arm.errors:,}", rate, kept_away, *latencies)


def _draw_samples(samples: Sequence[_Sample]) -> Iterator[str]:
    yield "## Samples of failed requests"
    yield ""
    if not samples:
        yield "None."
        return
    columns = ("time", "request ID", "route", "path", "method", "status", "how it failed")
    rows = (
        (
            each.time,
            _code(each.request_id),
            each.route,
            _code(each.path),
            each.method,
            str(each.status),
            _say_failure(each),
        )
        for each in samples
    )
    yield from _draw(columns, rows)


def _say_failure(sample: _Sample) -> str:
    """How the candidate failed it, and who answered if that was somebody else."""
    return f"{sample.kind}; answered by the baseline with {sample.status}" if sample.is_failed_over else sample.kind


def _draw_differences(samples: Sequence[_Sample]) -> Iterator[str]:
    yield "## Samples of answers that differed"
    yield ""
    columns = ("time", "request ID", "route", "path", "field", "kind", "baseline", "candidate")
    rows = (
        (
            each.time,
            _code(each.request_id),
            each.route,
            _code(each.path),
            _code(each.field or ""),
            each.kind,
            _show(each.baseline),
            _show(each.candidate),
        )
        for each in samples
    )
    yield from _draw(columns, rows)


def _show(value: object) -> str:
    """A value as JSON has it, and not too much of it."""
    text = msgspec.json.encode(value).decode()
    return _code(text if len(text) <= _VALUE_LENGTH else text[:_VALUE_LENGTH] + "…")


def _draw_timeline(incident: Incident) -> Iterator[str]:
    yield "## Timeline"
    yield ""
    for each in incident.events:
        event = msgspec.convert(each, Event)
        before, after = event.before, event.after
        change = (
            f" ({before.percent:.10g} % → {after.percent:.10g} %)"
            if before and after and before.percent != after.percent
            else ""
        )
        yield f"- {event.time} **{event.kind}**{change} {_say_who(event.actor, event.reason)}"
    values = msgspec.convert(incident.values, _Values)
    actor = Actor("rule", incident.rule) if incident.rule else Actor("operator", values.by)
    reason = "" if incident.rule else values.reason
    yield f"- {incident.time} **rollback** ({incident.percent_before:.10g} % → 0 %) {_say_who(actor, reason)}"


def _say_who(actor: Actor, reason: str) -> str:
    """``by operator ada: why``; a rule's text is as it is, for its signs are not a tag's."""
    name = _code(_line_up(actor.name)) if actor.type == "rule" else _line(actor.name)
    return f"by {actor.type} {name}".strip() + (f": {_line(reason)}" if reason else "")


def _list_steps(incident: Incident) -> Iterator[str]:
    yield "## Next steps"
    yield ""
    steps = (*_STEPS, *([_RECONCILE] if incident.has_journal else []), _RESUME)
    yield from (f"- [ ] {step.format(rollout=incident.rollout)}" for step in steps)
    yield ""
    yield "## Why it happened"
    yield ""
    yield "To be written."


def _draw(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _code(text: str) -> str:
    """As it is: in backticks, of which it has none of its own."""
    return "`" + text.replace("`", "'") + "`"


def _cell(text: str) -> str:
    """A line without what would end a cell of a table."""
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    """On one line, and without what would begin a tag."""
    return _line_up(text).replace("<", "&lt;")


def _line_up(text: str) -> str:
    return " ".join(text.split())
