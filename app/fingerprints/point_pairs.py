"""Points of two pictures in pairs: how alike they are, and how each pair turns, scales and moves the picture. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.fingerprints.algorithms.local_features import Points

SCALES_APART = 1.6
"""By how much two points' octaves may scale otherwise than the picture: they are 1.2 apart, and a corner is seen in the
next ones too."""
DEGREES_APART = 25.0
TURN_STEPS, SCALE_STEPS = 1 << 16, 1 << 10
"""Of a full turn, and of twice the size, as whole numbers of 16 bits say them: a turn wraps around as they do."""
STEPS_OFF = 4
"""So many steps more are let through than two may be apart: what is rounded to steps is off by two at most."""

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Side:
    """Places as complex numbers, ``x + iy``: a similarity is then ``a z + b``."""

    places: Array
    scales: Array
    angles: Array
    """Radians."""
    words: Array
    headings: "Headings"

    @classmethod
    def of(cls, points: Points) -> "Side":
        xy = points.xy.astype(np.float64)
        words = np.ascontiguousarray(points.descriptors).view(np.uint64)
        scales, angles = points.scales.astype(np.float64), np.deg2rad(points.angles, dtype=float)
        return cls(xy[:, 0] + 1j * xy[:, 1], scales, angles, words, Headings.of(scales, angles))

    def key(self) -> tuple[int, bytes, bytes]:
        return len(self.places), self.words.tobytes(), self.places.tobytes()


@dataclass(frozen=True, slots=True)
class Headings:
    """Turns and scales in whole steps, int16: what cannot be alike is told by them in a twentieth of the time."""

    turned: Array
    scaled: Array

    @classmethod
    def of(cls, scales: Any, angles: Any) -> "Headings":
        turned = np.rint(np.asarray(angles) * (TURN_STEPS / (2 * np.pi))).astype(np.int64).astype(np.int16)
        return cls(turned, np.rint(np.log2(scales) * SCALE_STEPS).astype(np.int16))

    def apart(self, other: "Headings", which: Any = np.s_[:], others: Any = np.s_[:]) -> "Headings":
        """From those of the others to those of these, as numpy broadcasts them."""
        return Headings(
            self.turned[which] - other.turned[others],
            self.scaled[which] - other.scaled[others],
        )

    def may_be_alike(self) -> Array:
        """Of differences: all that :func:`is_alike` says of what they are between, and a few more."""
        may_be: Array = _is_within(self.turned, DEGREES_APART / 360 * TURN_STEPS)
        may_be &= _is_within(self.scaled, np.log2(SCALES_APART) * SCALE_STEPS)
        return may_be


def _is_within(apart: Array, steps: float) -> Array:
    """Whether differences are so small, either way; one comparison, for what lies below wraps around to the top."""
    most = np.int16(int(steps) + STEPS_OFF)
    is_within: Array = (apart + most).view(np.uint16) <= np.uint16(2 * most)
    return is_within


@dataclass(frozen=True, slots=True)
class Possible:
    """Which points of both sides may be one point, a pair a row, the likest first."""

    rows: Array
    columns: Array
    bits: Array

    @classmethod
    def of(cls, bits: Array, most_bits: int) -> "Possible":
        places = np.flatnonzero(bits <= most_bits)
        apart = bits.ravel()[places]
        order = np.argsort(apart, kind="stable")
        rows, columns = np.divmod(places[order], bits.shape[1])
        return cls(rows, columns, apart[order])

    def within(self, most_bits: int) -> "Possible":
        """Those that are as near: the first."""
        return self.those(np.s_[: np.searchsorted(self.bits, most_bits, side="right")])

    def those(self, which: Any) -> "Possible":
        return Possible(self.rows[which], self.columns[which], self.bits[which])

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Points of both sides, one pair a row."""

    rows: Array
    columns: Array
    bits: Array
    q: Array
    r: Array
    q_scales: Array
    r_scales: Array
    turn: Array
    """What each pair says of the transformation: scale and turn as one complex number."""

    @classmethod
    def of(cls, query: Side, reference: Side, possible: Possible) -> "Pairs":
        rows, columns = possible.rows, possible.columns
        q_scales, r_scales = query.scales[rows], reference.scales[columns]
        turn = r_scales / q_scales * np.exp(1j * (reference.angles[columns] - query.angles[rows]))
        return cls(
            rows, columns, possible.bits, query.places[rows], reference.places[columns], q_scales, r_scales, turn
        )

    def __len__(self) -> int:
        return len(self.rows)


def heading(a: Any) -> Headings:
    """Of similarities."""
    some = np.atleast_1d(a)
    return Headings.of(np.abs(some), np.angle(some))


def is_mutual(pairs: Possible | Pairs) -> Array:
    """Which pairs, in order of likeness, are the first of both their points."""
    places = np.arange(len(pairs))
    is_both = np.ones(len(pairs), bool)
    for points in (pairs.rows, pairs.columns):
        first = np.empty(int(points.max(initial=-1)) + 1, np.int64)
        first[points[::-1]] = places[::-1]  # Of each point, what is written last stays: its first pair.
        is_both &= first[points] == places
    return is_both


def sigma_of(q_scales: Array, r_scales: Array, scale: Any) -> Array:
    """How exactly a pair's place in the reference can be told, in its pixels."""
    sigma: Array = np.hypot(q_scales * scale, r_scales)
    return sigma


def is_alike(some: Any, others: Any) -> Array:
    """Whether two transformations turn and scale nearly alike."""
    ratio = some / others
    size = np.abs(ratio)
    alike: Array = (size <= SCALES_APART) & (size >= 1 / SCALES_APART)
    alike &= np.abs(np.angle(ratio)) <= np.deg2rad(DEGREES_APART)
    return alike


def taken(pairs: Pairs, which: Any) -> Pairs:
    return Pairs(*(getattr(pairs, name)[which] for name in Pairs.__slots__))
