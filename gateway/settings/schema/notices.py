"""`notify`: who is told what happens to rollouts."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import model_validator

from gateway.settings.fields import Kind, Many, Section, text

_URL_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9+.-]*://\S"
_URL: Final = re.compile(_URL_PATTERN, re.ASCII)


def _check_url(url: str) -> str:
    """As apprise takes it. What is refused is not shown: such URLs have secrets in them."""
    if not _URL.match(url) or not url.isprintable():
        raise ValueError("is not a URL of apprise; write one with its scheme, such as slack://… or mailto://…")
    return url


NoticeUrl = Annotated[str, text(_check_url, is_secret=True), Kind("URL", {"type": "string", "pattern": _URL_PATTERN})]


class Notify(Section):
    """Somebody who is told."""

    url: NoticeUrl
    """Where, as apprise writes it: `slack://…`, `mailto://…`, `json://…`. Take its secrets from the environment."""
    events: Many[Literal["rollback", "step_back", "pause", "stage", "approval", "notify", "config"]] = (
        "rollback",
        "step_back",
        "pause",
        "approval",
        "notify",
    )
    """Of what: `notify` are guards that only notify, faults of both arms, and mismatches that hold up a plan."""

    @model_validator(mode="after")
    def _check_events(self) -> Self:
        if not self.events:
            raise ValueError("`events` must name at least one kind of event")
        return self
