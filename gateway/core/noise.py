"""Which differences are noise: those that two answers of the baseline to the same request show as well.

A share of the copies goes to the baseline a second time: they have a twin. In whatever its two answers differ (a time,
a request's ID, the order of a list that nobody sorts), the candidate's may differ, too. That is learnt for each path by
field and kind: a field whose value moves is no excuse for one of another type. A field is

- *quiet* as long as no twin differed in it: then each difference of the candidate's counts, from the first;
- *noisy* from the first twin on that did: then the candidate's differences count only while its rate (of the pairs
  compared) exceeds the baseline's own (of the twins) beyond doubt, by `gateway.core.evidence`: claimed wrongly, however
  often and however long one looks, with a probability of at most `ALPHA` for all the fields of a path together.

So a field in which all twins differ is noise for ever: nothing can be told of it. And a field that differs seldom is
taken for quiet until the first twin differs in it: with a share of 10 % about ten pairs count until then, on average,
however seldom that is.

Two answers of the baseline may come either way round: what one has more is ``extra`` or ``missing`` by chance alone. So
a twin with the one makes the other noisy, too; the rates stay apart.
"""

from __future__ import annotations

from typing import Final

from gateway.core.evidence import Counts, log_needed, log_wealth_of_share
from gateway.core.tallies import FieldTally, PathTally

ALPHA: Final = 0.001
"""How likely it may be that on a path with only noise a field ever counts for its rate."""

FIELDS_LIMIT: Final = 200
"""So many fields, by kind, are told apart on a path; those after them are ``{other}``."""

FIELD_LENGTH: Final = 500
"""Characters. A field with a longer name is among ``{other}``."""

TWINS_NEEDED: Final = 20
"""Before a path has had so many, what its fields are is not known well enough to tell. A field that differs in three of
ten answers has been seen to do so by then but in one path of a thousand."""

TWIN_METHODS: Final = frozenset({"GET", "HEAD"})
"""Whose copies may go to the baseline a second time: nothing is learnt of others."""

_NEEDED: Final = log_needed(ALPHA / FIELDS_LIMIT)
"""Each field has its even part: which of them is noise was not known before."""

_MIRRORED: Final = {"missing": "extra", "extra": "missing"}
_NEVER: Final = FieldTally()


def is_noise(path: PathTally, field: str, kind: str) -> bool:
    """Whether a difference of this kind in this field does not count, by all that was found on the path."""
    if not is_noisy(path, field, kind):
        return False
    tally = path.fields.get((field, kind), _NEVER)
    return not exceeds(Counts(tally.count, path.compared), Counts(tally.noisy, path.twins))


def is_noisy(path: PathTally, field: str, kind: str) -> bool:
    """Whether two baseline answers have ever differed so."""
    if path.fields.get((field, kind), _NEVER).noisy:
        return True
    mirrored = mirror(kind)
    return mirrored is not None and path.fields.get((field, mirrored), _NEVER).noisy > 0


def mirror(kind: str) -> str | None:
    """What a difference is called with the sides exchanged; None: the same."""
    return _MIRRORED.get(kind)


def exceeds(candidate: Counts, noise: Counts) -> bool:
    """Whether the candidate differs more often than the baseline does from itself, beyond doubt."""
    if candidate.share <= noise.share:
        return False  # as the wealth would say, a thousand times as fast
    wealth = log_wealth_of_share(candidate, noise, float, is_above=True, bends=(), needed=_NEEDED)
    return wealth >= _NEEDED
