"""`rollouts`: by which share, and for which keys, candidates answer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, model_validator

from gateway.core.types import KeyKind
from gateway.settings.fields import (
    Alternative,
    HeaderValue,
    Many,
    Name,
    Patience,
    Percent,
    Section,
    Source,
    Text,
    whole_kind,
)
from gateway.settings.quantities import format_number, show
from gateway.settings.schema.plans import DEFAULT_GUARD, Confidence, Gate, Guard, Stage

WHOLE_PERCENTAGES = frozenset({"unleash", "md5_mod100"})
"""Schemes with 100 places: a fraction of a percentage has no meaning in them."""


def _check_conditions(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ValueError(
            f"is {show(value) if value else 'empty'}; write `{{header:NAME: value}}` or another key source"
        )
    return value


class Cohort(Section):
    """A named group of keys with a rule of its own, looked at before the percentage."""

    name: Name
    """Appears in the decision's reason: `cohort:<name>`."""
    arm: Literal["baseline", "candidate"] | None = None
    """The arm of all its keys. Either this or `percent`."""
    percent: Percent | None = None
    """A floor: the larger of it and the rollout's percentage counts. Either this or `arm`."""
    when: Annotated[dict[Source, Many[HeaderValue]], BeforeValidator(_check_conditions)]
    """Key sources and the values that they must have; `*` stands for any characters. All must hold."""

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if (self.arm is None) == (self.percent is None):
            raise ValueError("needs one of `arm` and `percent`, and only one")
        return self

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        for source, values in self.when.items():
            if not values:
                raise ValueError(f"`when` has no value for `{source}`, so nobody would ever belong to it")
            if source.kind is KeyKind.CLIENT_IP and any("/" in value for value in values):
                raise ValueError("`client_ip` is compared as text; write addresses, or `10.1.*` instead of a network")
        return self


class Rollout(Section):
    """The plan by which keys move from baseline to candidate; several routes may share one."""

    mode: Literal["off", "shadow", "live"] = "live"
    """`off` and `shadow`: the candidate answers nobody; `live`: it answers its share."""
    key: Many[Alternative]
    """Where the key is found: the first source that is present. `header:`, `cookie:`, `query:`, `path:`, `jwt:` with a
    name, or `client_ip`; `a+b` joins two, both required."""
    on_missing_key: Literal["baseline", "random", "cookie"] = "baseline"
    """What happens without a key: the baseline answers, chance decides, or the gateway issues a key as a cookie."""
    salt: Text | None = None
    """Makes rollouts independent of each other; the rollout's name when omitted. Changing it moves users."""
    hash: Literal["murmur3", "unleash", "flagd", "nginx", "md5_mod100"] = "murmur3"
    """How a key gets its place. The others give the answers of the systems that they are named after; `salt` is
    Unleash's groupId and flagd's flag key. `unleash` and `md5_mod100` take whole percentages only."""
    cohorts: Many[Cohort] = ()
    """Groups with a rule of their own, in order, before the percentage."""
    percent: Percent = 0.0
    """The candidate's share of all keys, fixed. Either this or `stages`."""
    start: Literal["manual", "auto"] = "manual"
    """When its stages begin: when told, or at once."""
    stages: Many[Stage] = ()
    """A plan: one stage after the other. Either this or `percent`."""
    gates: Many[Gate] = ()
    """What must be ok before a stage ends, for every stage without gates of its own."""
    guard: Many[Guard] = DEFAULT_GUARD
    """What acts at once when it is broken, whatever the stage; an empty list is none."""
    min_requests: Annotated[int, *whole_kind(1, 1_000_000)] = 20
    """In a rule's window, on each arm that it reads; with fewer it says nothing. Counts are compared without."""
    confidence: Confidence = 95.0
    """How sure a rule must be: the chance that all guards together raise one false alarm, from a start or resume to
    the next, is at most the rest to 100 %. `none` compares plainly."""
    cooldown: Patience = 86_400.0
    """After a rollback, before it may start again."""
    retry: Annotated[int, *whole_kind(0, 1000)] = 0
    """How often it starts again by itself after a rollback and its cooldown."""
    watch: Patience = 7 * 86_400.0
    """How long guards still act once it is completed; then they only notify."""

    @model_validator(mode="after")
    def _check_cohorts(self) -> Self:
        names = [cohort.name for cohort in self.cohorts]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"`cohorts` has two of the name {show(twice)}")
        if not self.key:
            raise ValueError("`key` must name at least one key source")
        return self

    @model_validator(mode="after")
    def _check_plan(self) -> Self:
        if "stages" in self.model_fields_set and not self.stages:
            raise ValueError("`stages` must have at least one stage; leave it out for a fixed `percent`")
        if "percent" in self.model_fields_set and self.stages:
            raise ValueError("takes only one of `percent` (a fixed share) and `stages` (a plan)")
        return self

    @model_validator(mode="after")
    def _check_percentages(self) -> Self:
        floors, shares = (part.percent for part in self.cohorts), (part.percent for part in self.stages)
        percentages = [percent or 0.0 for percent in (self.percent, *floors, *shares)]
        broken = next((percent for percent in percentages if percent % 1), None)
        if self.hash in WHOLE_PERCENTAGES and broken is not None:
            raise ValueError(f"`hash: {self.hash}` takes whole percentages only, not {format_number(broken)}")
        return self
