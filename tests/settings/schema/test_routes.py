from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings.schema.rollouts import Rollout
from gateway.settings.schema.routes import FRAMING, Breaker, Failover, Route

SPLIT = {"name": "a", "match": "/a/**", "baseline": "legacy", "candidate": "new", "rollout": "fade"}
SINGLE = {"name": "a", "match": "/a/**", "backend": "legacy"}


def route(base: dict[str, str], **fields: Any) -> Route:
    """A route of two backends or of one, with further fields."""
    return Route.model_validate({**base, **fields})


@pytest.mark.parametrize("match", ["/a", ["/a"], {"path": "/a"}, {"path": ["/a"]}])
def test_a_match_has_four_forms(match: object) -> None:
    """A path, a list of paths, and the mapping with either."""
    assert route(SINGLE, match=match).match.path == ("/a",)


def test_a_match_without_a_path_takes_all_paths() -> None:
    """A host alone is a condition."""
    assert route(SINGLE, match={"host": "a"}).match.path == ("/**",)


def test_a_rollout_is_a_name_or_written_here() -> None:
    """Written here, it has the route's name."""
    inline = route(SPLIT, rollout={"key": "client_ip"})

    assert isinstance(inline.rollout, Rollout)
    assert (inline.rollout_name, route(SPLIT).rollout_name, route(SINGLE).rollout_name) == ("a", "fade", None)


def test_failover_and_breaker_apply_when_nothing_is_written() -> None:
    """With the defaults of the documentation; of one that is written, the fields that are omitted have them."""
    written = route(SPLIT, failover={"budget": "5%"}, breaker={"open": "1m"})

    assert (route(SPLIT).failover, route(SPLIT).breaker) == (Failover(), Breaker())
    assert written.failover == Failover.model_validate({"budget": 5})
    assert written.breaker == Breaker.model_validate({"consecutive_failures": 10, "open": "60s"})


@pytest.mark.parametrize("field", ["failover", "breaker"])
def test_failover_and_breaker_can_be_turned_off(field: str) -> None:
    """On a route that has no candidate they can't be turned on."""
    assert getattr(route(SPLIT, **{field: "off"}), field) == "off"
    assert getattr(route(SINGLE, **{field: "off"}), field) == "off"
    with pytest.raises(ValidationError, match=f"`{field}` is about the candidate"):
        route(SINGLE, **{field: {}})


@pytest.mark.parametrize("failure", ["protocol", "5xx", 404, 600, True, "on"])
def test_what_can_not_fail_over_is_named(failure: object) -> None:
    """An answer that is not HTTP belongs to `reset`; a 404 is an answer like any other."""
    with pytest.raises(ValidationError, match="write connect, timeout, reset or a status from 500 to 599"):
        route(SPLIT, failover={"on": failure})


@pytest.mark.parametrize("name", [*sorted(FRAMING), "X-Crossfade-Arm", "transfer-ENCODING"])
def test_framing_can_not_be_rewritten(name: str) -> None:
    """Where a message ends is never the configuration's business: that is how requests are smuggled."""
    for headers in ({"set": {name: "a"}}, {"remove": name}):
        with pytest.raises(ValidationError, match="the gateway's own"):
            route(SPLIT, rewrite={"headers": headers})


@pytest.mark.parametrize("name", ["x-request-id", "X-REQUEST-ID"])
def test_the_id_by_which_a_request_is_known_can_not_be_rewritten(name: str) -> None:
    """The gateway adds its own in any case: a backend would get two, and could not know which to believe."""
    for headers in ({"set": {name: "a"}}, {"remove": name}):
        with pytest.raises(ValidationError, match="the gateway's own"):
            route(SPLIT, rewrite={"headers": headers})


@pytest.mark.parametrize("host", ["", "a b", "http://a", "a/b", "a:b"])
def test_host_is_set_to_what_a_host_may_be(host: str) -> None:
    """Every backend would refuse the requests of the whole arm."""
    with pytest.raises(ValidationError, match="is no `Host`"):
        route(SPLIT, rewrite={"headers": {"set": {"hOST": host}}})


def test_host_can_be_set_but_not_removed() -> None:
    """A backend may want its own name; HTTP/1.1 wants one in any case."""
    assert route(SPLIT, rewrite={"headers": {"set": {"Host": "new.internal"}}}).rewrite[0].headers.set
    with pytest.raises(ValidationError, match="not removed"):
        route(SPLIT, rewrite={"headers": {"remove": "host"}})


@pytest.mark.parametrize(
    ("match", "target", "is_available"),
    [
        ("/a/**", "/b/**", True),
        ("/a/**", "/b", True),
        ("/a", "/b/**", False),
        ("/a/{id}", "/b/{id}", True),
        ("/a/{id}", "/b/{nr}", False),
        ("/a/{id}", "/b/*", False),
        ("/a/*/*", "/b/*", True),
        ("/a/*", "/b/*/*", False),
        (["/a/{id}", "/b/{id}/**"], "/c/{id}", True),
        (["/a/{id}", "/b/**"], "/c/{id}", False),
    ],
)
def test_a_rewrite_uses_what_every_path_has(match: object, target: str, is_available: bool) -> None:
    """A part that one of the paths lacks would leave a hole in the new path."""
    if is_available:
        assert route(SPLIT, match=match, rewrite={"path": target}).rewrite[0].path == target
    else:
        with pytest.raises(ValidationError, match=r"rewrite\.path"):
            route(SPLIT, match=match, rewrite={"path": target})


def test_each_arm_has_one_rewrite() -> None:
    """Two for one arm would have to be put in an order; one for an arm that is not there does nothing."""
    both = route(SPLIT, rewrite=[{"path": "/b"}, {"arm": "baseline", "path": "/c"}])

    assert [rewrite.arm or both.rewritten_by_default for rewrite in both.rewrite] == ["candidate", "baseline"]
    assert route(SINGLE, rewrite={"path": "/b"}).rewritten_by_default == "baseline"
    for base, rewrite in ((SPLIT, [{"path": "/b"}, {"arm": "candidate"}]), (SINGLE, {"arm": "candidate"})):
        with pytest.raises(ValidationError, match="rewrite"):
            route(base, rewrite=rewrite)
