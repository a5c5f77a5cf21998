from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.settings.cpus import usable_cpus
from gateway.settings.schema.server import Admin, Server


def test_a_listener_has_two_forms() -> None:
    """An address alone, and a mapping with the address; both know host and port."""
    short, long = Server.model_validate({"listen": ["[::1]:80", {"address": "a:81"}]}).listen

    assert (short.host, short.port, short.tls) == ("::1", 80, None)
    assert (long.host, long.port, long.tls) == ("a", 81, None)


def test_workers_are_counted_when_they_are_automatic() -> None:
    """`auto` is what the machine gives; a number is that number."""
    assert Server().worker_count == usable_cpus()
    assert Server.model_validate({"workers": 3}).worker_count == 3


@pytest.mark.parametrize("workers", [0, 257, True, 1.0, "3", "all"])
def test_other_counts_of_workers_are_refused(workers: object) -> None:
    """Between 1 and 256, or `auto`."""
    with pytest.raises(ValidationError, match="from 1 to 256"):
        Server.model_validate({"workers": workers})


def test_several_listeners_may_take_any_free_port() -> None:
    """Only two that want the same port are in each other's way."""
    assert len(Server.model_validate({"listen": ["127.0.0.1:0", "127.0.0.1:0"]}).listen) == 2
    with pytest.raises(ValidationError, match="twice"):
        Server.model_validate({"listen": ["127.0.0.1:80", "127.0.0.1:80"]})


def test_there_is_at_least_one_listener() -> None:
    """A gateway that nobody can reach is a mistake."""
    with pytest.raises(ValidationError, match="at least one"):
        Server.model_validate({"listen": []})


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:9900", "localhost:9900"])
def test_the_admin_side_is_open_to_this_machine_only(listen: str) -> None:
    """Without a token nobody else may reach it; with one it may listen anywhere."""
    assert Admin.model_validate({"listen": listen}).token == ""
    assert Admin.model_validate({"listen": "0.0.0.0:9900", "token": "t"}).listen.port == 9900
    with pytest.raises(ValidationError, match="reached from outside"):
        Admin.model_validate({"listen": "0.0.0.0:9900"})
