"""Which numbers are under which key of a series. Pure."""

from collections.abc import Iterable

import numpy as np

from app.kernel.numbers import Numbers, begins, distinct, spread

Keyed = Iterable[tuple[str | None, bytes]]
"""Per key numbers as PostgreSQL's ``int8send`` writes them, some more than once."""
_LINK = np.dtype([("one", ">i8"), ("other", ">i8")])


def linked_with(links: bytes, keyed: Keyed) -> Keyed:
    """Per key, in place of its numbers, those that they are linked with. ``links``: pairs, of 16 bytes."""
    read = np.frombuffer(links, _LINK)
    ones = read["one"].astype(np.int64)
    order = np.argsort(ones, kind="stable")
    others, first = read["other"][order], begins(ones[order])
    known, lengths = ones[order[first]], np.diff(first, append=len(order))
    for key, numbers in keyed:
        at = _places(known, numbers)
        yield key, others[spread(first[at], lengths[at])].tobytes()


def places_by_key(known: Numbers, keyed: Keyed) -> dict[str | None, Numbers]:
    """Per key where in ``known``, which is in order, its numbers are, each once; what is not known is nowhere. Under
    None what has no key, with what is there under None."""
    has_key = np.zeros(len(known), bool)
    found: dict[str | None, Numbers] = {}
    of_none = np.empty(0, np.int64)
    for key, numbers in keyed:
        at = _places(known, numbers)
        if key is None:
            of_none = at
        else:
            has_key[at] = True
            found[key] = at
    has_key_alone = has_key.copy()
    has_key_alone[of_none] = False
    return {**found, None: np.flatnonzero(~has_key_alone)}


def _places(known: Numbers, numbers: bytes) -> Numbers:
    named = distinct(np.frombuffer(numbers, ">i8").astype(np.int64))
    at = np.searchsorted(known, named)
    return at[known.take(at, mode="clip") == named] if len(known) else at[:0]
