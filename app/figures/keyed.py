"""Which numbers are under which key of a series. Pure."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from app.kernel.numbers import Numbers, distinct

Keyed = Iterable[tuple[str | None, bytes]]
"""Per key numbers as PostgreSQL's ``int8send`` writes them, some more than once."""


def places_by_key(known: NDArray[np.int64], keyed: Keyed) -> dict[str | None, Numbers]:
    """Per key where in ``known``, which is in order, its numbers are, each once; what is not known is nowhere. Under
    None what has no key, with what is there under None."""
    has_key = np.zeros(len(known), bool)
    found: dict[str | None, Numbers] = {}
    of_none = np.empty(0, np.int64)
    for key, numbers in keyed:
        named = distinct(np.frombuffer(numbers, ">i8").astype(np.int64))
        at = np.searchsorted(known, named)
        at = at[known.take(at, mode="clip") == named] if len(known) else at[:0]
        if key is None:
            of_none = at
        else:
            has_key[at] = True
            found[key] = at
    has_key_alone = has_key.copy()
    has_key_alone[of_none] = False
    return {**found, None: np.flatnonzero(~has_key_alone)}
