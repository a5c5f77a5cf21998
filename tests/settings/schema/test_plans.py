"""What is refused, and how it is said, is in tests/settings/bad: rules, rule_fields, plan_values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.core.plans import Op
from gateway.settings.schema.plans import (
    DEFAULT_GUARD,
    Confidence,
    Gate,
    Guard,
    QueryGate,
    QueryGuard,
    RuleGate,
    RuleGuard,
    ServerUrl,
    Stage,
    WebhookGate,
    WebhookUrl,
)

GATE: TypeAdapter[BaseModel] = TypeAdapter(Gate)
GUARD: TypeAdapter[BaseModel] = TypeAdapter(Guard)
QUERY = {"prometheus": "http://prom:9090", "query": "up", "when": "> 2"}


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("p99 < 1s", RuleGate),
        ({"when": "p99 < 1s", "per": "path"}, RuleGate),
        ({"webhook": "http://ci"}, WebhookGate),
        (QUERY, QueryGate),
    ],
)
def test_a_gate_is_a_rule_a_webhook_or_a_query(written: object, form: type[BaseModel]) -> None:
    """The fields say which."""
    assert type(GATE.validate_python(written)) is form


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("p99 > 1s", RuleGuard),
        ({"when": "p99 > 1s", "do": "pause"}, RuleGuard),
        ({**QUERY, "for": "5m", "do": "notify"}, QueryGuard),
    ],
)
def test_a_guard_is_a_rule_or_a_query(written: object, form: type[BaseModel]) -> None:
    """Nobody else is asked before something is taken back."""
    assert type(GUARD.validate_python(written)) is form


def test_a_guard_rolls_back_unless_it_says_otherwise() -> None:
    """The short form has no other choice."""
    assert RuleGuard.model_validate("p99 > 1s").do == "rollback"
    assert QueryGuard.model_validate(QUERY).do == "rollback"
    assert len(DEFAULT_GUARD) == 5


def test_the_short_form_is_the_text_of_a_rule() -> None:
    """Both forms mean the same."""
    assert RuleGate.model_validate("p99 < 1s") == RuleGate.model_validate({"when": "p99 < 1s"})


def test_a_query_is_compared_with_a_number() -> None:
    """The server's own unit counts."""
    gate = QueryGate.model_validate({**QUERY, "when": "< 0.8"})

    assert gate.when == (Op.BELOW, 0.8)


@pytest.mark.parametrize("other", [{"path": "/a"}, {"route": "a"}])
def test_a_rule_for_every_path_is_not_narrowed(other: dict[str, str]) -> None:
    """`per: path` looks at all paths of the rollout."""
    with pytest.raises(ValidationError, match="every path"):
        RuleGate.model_validate({"when": "p99 < 1s", "per": "path", **other})


@pytest.mark.parametrize("written", [{"percent": 5}, {"cohorts": "staff"}, {"percent": 0, "cohorts": ["staff"]}])
def test_a_stage_has_a_percentage_or_cohorts(written: dict[str, object]) -> None:
    """A plan may begin with cohorts alone."""
    assert Stage.model_validate(written).hold == 0


def test_a_stage_with_nobody_is_none() -> None:
    """Time alone is no step."""
    with pytest.raises(ValidationError, match="nobody would be on the candidate"):
        Stage.model_validate({"hold": "1h"})


@given(st.floats(0, 100))
def test_confidence_is_at_least_a_half_and_never_certain(percent: float) -> None:
    """Below a half an alarm would more likely be false than true."""
    adapter: TypeAdapter[float | None] = TypeAdapter(Confidence)
    if 50 <= percent < 100:
        assert adapter.validate_python(percent) == percent
    else:
        with pytest.raises(ValidationError, match="from 50 up to below 100"):
            adapter.validate_python(percent)


@given(st.one_of(st.text(), st.from_regex(r"https?://[a-z:@\[\]?#/0-9]{0,12}", fullmatch=True)))
def test_no_url_breaks_the_checks(url: str) -> None:
    """Any text is taken or refused, and what is refused is not shown: it may have a secret in it."""
    for kind in (WebhookUrl, ServerUrl):
        adapter: TypeAdapter[str] = TypeAdapter(kind)
        try:
            assert adapter.validate_python(url).startswith("http")
        except ValidationError as error:
            assert "is not a URL" in str(error) or "has a user" in str(error) or "`query`" in str(error)  # noqa: PT017
