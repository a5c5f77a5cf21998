"""How far an exchange is."""

from __future__ import annotations

from gateway.proxy.phase import ACQUIRING, AWAITING, COLLECTING, DECIDING, RELAYING, SETTLED, TUNNEL, Phase


def test_the_names_of_the_module_are_the_phases_in_order() -> None:
    """What the exchange compares with is what the enumeration has."""
    assert list(Phase) == [DECIDING, COLLECTING, ACQUIRING, AWAITING, RELAYING, TUNNEL, SETTLED]
    names = ["DECIDING", "COLLECTING", "ACQUIRING", "AWAITING", "RELAYING", "TUNNEL", "SETTLED"]
    assert [phase.name for phase in Phase] == names
