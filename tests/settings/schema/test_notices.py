"""What is refused, and how it is said, is in tests/settings/bad/notify.yaml."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.schema.notices import Notify


@pytest.mark.parametrize(
    "url", ["slack://a/b/c", "mailto://me:secret@example.com", "json://127.0.0.1:8080/x?y=z", "c3+x://a"]
)
def test_any_url_of_apprise_is_taken(url: str) -> None:
    """It knows over a hundred services, each by its scheme."""
    assert Notify.model_validate({"url": url}).url == url


@pytest.mark.parametrize("url", ["s3cret", "slack:/s3cret", "slack:// s3cret", "://s3cret", "slack://a\ns3cret"])
def test_what_is_refused_is_not_shown(url: str) -> None:
    """Such URLs have secrets in them, and messages end in logs."""
    with pytest.raises(ValidationError) as caught:
        Notify.model_validate({"url": url})

    assert "s3cret" not in caught.value.errors()[0]["msg"]


def test_people_hear_of_what_they_may_have_to_act_on() -> None:
    """A stage that went well, or another configuration, is told on request only."""
    told = Notify.model_validate({"url": "json://a"}).events

    assert told == ("rollback", "step_back", "pause", "approval", "notify")
