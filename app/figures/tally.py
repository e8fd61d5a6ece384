"""Verified items as arrays, and how many there are of them, with their copies and without. Pure.

A row is an item's number, the number of its bytes, and its flags. An item counts once under each of its keys; of a
capture's copies under one key, one.
"""

import numpy as np
from numpy.typing import NDArray

from app.figures.figure import Figure, MediaCount
from app.figures.keyed import Keyed, places_by_key
from app.figures.words import METHOD_BITS
from app.kernel.numbers import Numbers, distinct

IMAGE, VIDEO, SENSITIVE = 1, 2, 4
METHODS_FROM = 3
"""The lowest bit of those of ``METHOD_BITS`` in the flags."""
_ROW = np.dtype([("item", ">i8"), ("capture", ">i8"), ("flags", ">i4")])
"""As PostgreSQL's ``int8send`` and ``int4send`` write it."""

Places = Numbers
"""Which rows, each once."""
Joined = tuple[Numbers, Numbers]
"""Numbers of copies' bytes, in order; and for each the number by which it counts."""
Series = dict[str | None, Figure]


class Tally:
    """``rows``: each item once, as ``_ROW`` says, in which none is ``SENSITIVE``; ``sensitive``: the numbers of those
    that are, of 8 bytes, with others; ``joined``: of copies."""

    def __init__(self, rows: bytes, sensitive: bytes, joined: Joined) -> None:
        read = np.frombuffer(rows, _ROW)
        self._items, self._flags = read["item"].astype(np.int64), read["flags"].astype(np.int32)
        self._flags[np.isin(self._items, np.frombuffer(sensitive, ">i8").astype(np.int64))] |= SENSITIVE
        captures = _replaced(read["capture"].astype(np.int64), joined)
        distinct, self._captures = np.unique(captures, return_inverse=True)
        self._number_of_captures = len(distinct)

    def total(self) -> Figure:
        return self._figure(np.arange(len(self._items)))

    def by_media_type(self) -> Series:
        kinds = {"image": IMAGE, "video": VIDEO}
        found: Series = {name: self._of_flags(IMAGE | VIDEO, flag) for name, flag in kinds.items()}
        return _some({**found, None: self._of_flags(IMAGE | VIDEO, 0)})

    def by_method(self) -> Series:
        bits = {str(method): 1 << METHODS_FROM + place for place, method in enumerate(METHOD_BITS)}
        found: Series = {name: self._of_flags(bit, bit) for name, bit in bits.items()}
        return _some({**found, None: self._of_flags(sum(bits.values()), 0)})

    def by_key(self, keyed: Keyed) -> Series:
        """Per key the numbers of its items. What has no key is under None, with those that are there under None."""
        order = np.argsort(self._items, kind="stable")
        places = places_by_key(self._items[order], keyed)
        return _some({key: self._figure(order[at]) for key, at in places.items()})

    def _of_flags(self, mask: int, wanted: int) -> Figure:
        return self._figure(np.flatnonzero(self._flags & mask == wanted))

    def _figure(self, places: Places) -> Figure:
        flags, captures = self._flags[places], self._captures[places]
        images, videos = captures[flags & IMAGE != 0], captures[flags & VIDEO != 0]
        return Figure(
            len(places),
            self._distinct(captures),
            MediaCount(len(images), self._distinct(images)),
            MediaCount(len(videos), self._distinct(videos)),
            sensitive=int(np.count_nonzero(flags & SENSITIVE)),
        )

    def _distinct(self, captures: Places) -> int:
        """Of many by marking them, of few by sorting them."""
        if len(captures) * 16 < self._number_of_captures:
            return len(distinct(captures))
        is_there = np.zeros(self._number_of_captures, bool)
        is_there[captures] = True
        return int(np.count_nonzero(is_there))


def _replaced(captures: NDArray[np.int64], joined: Joined) -> NDArray[np.int64]:
    copies, names = joined
    if not len(copies):
        return captures
    at = np.minimum(np.searchsorted(copies, captures), len(copies) - 1)
    return np.where(copies[at] == captures, names[at], captures)


def _some(series: Series) -> Series:
    """A point in which nothing is, is none."""
    return {key: figure for key, figure in series.items() if figure.count}
