"""Verified items as arrays, and how many there are of them, with their copies and without. Pure.

A row is an item's number, the number of its bytes, and its flags. An item counts once under each of its keys; of a
capture's copies under one key, one.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from app.figures.figure import Figure, MediaCount
from app.figures.words import METHOD_BITS
from app.kernel.numbers import Numbers, distinct

IMAGE, VIDEO, SENSITIVE = 1, 2, 4
METHODS_FROM = 3
"""The lowest bit of those of ``METHOD_BITS`` in the flags."""
_ROW = np.dtype([("item", ">i8"), ("capture", ">i8"), ("flags", ">i4")])
"""As PostgreSQL's ``int8send`` and ``int4send`` write it."""

Places = Numbers
"""Which rows, each once."""
Series = dict[str | None, Figure]


class Tally:
    """``rows``: each item once, as ``_ROW`` says; ``joined``: number of a copy's bytes → number by which it counts."""

    def __init__(self, rows: bytes, joined: Mapping[int, int]) -> None:
        read = np.frombuffer(rows, _ROW)
        self._items, self._flags = read["item"].astype(np.int64), read["flags"].astype(np.int32)
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

    def by_key(self, keyed: Iterable[tuple[str | None, bytes]]) -> Series:
        """Per key the numbers of its items, of 8 bytes, some more than once. What has no key is under None, with those
        that are there under None."""
        order = np.argsort(self._items, kind="stable")
        in_order = self._items[order]
        has_key = np.zeros(len(in_order), bool)
        found: Series = {}
        of_none = np.empty(0, np.int64)
        for key, numbers in keyed:
            named = distinct(np.frombuffer(numbers, ">i8").astype(np.int64))
            at = np.searchsorted(in_order, named)
            at = at[in_order.take(at, mode="clip") == named] if len(in_order) else at[:0]
            if key is None:
                of_none = at
            else:
                has_key[at] = True
                found[key] = self._figure(order[at])
        has_key_alone = has_key.copy()
        has_key_alone[of_none] = False
        return _some({**found, None: self._figure(order[~has_key_alone])})

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


def _replaced(captures: NDArray[np.int64], joined: Mapping[int, int]) -> NDArray[np.int64]:
    if not joined:
        return captures
    copies = np.fromiter(joined.keys(), np.int64, len(joined))
    order = np.argsort(copies)
    copies, originals = copies[order], np.fromiter(joined.values(), np.int64, len(joined))[order]
    at = np.minimum(np.searchsorted(copies, captures), len(copies) - 1)
    return np.where(copies[at] == captures, originals[at], captures)


def _some(series: Series) -> Series:
    """A point in which nothing is, is none."""
    return {key: figure for key, figure in series.items() if figure.count}
