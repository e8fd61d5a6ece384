"""Whether the local features of two pictures lie alike: one picture, or a part of it, laid upon the other. Pure.

Points are paired by their descriptors (each the other's nearest), and every pair of points by itself says how the
picture was turned, scaled and moved: by its octaves and directions. Two pairs that say nearly the same propose a
similarity; all such proposals are tried in a fixed order, none by chance, so that the answer is always the same. The
best is refined to an affine transformation, by which further points are paired that were not each other's nearest; and
to a perspective, where a camera saw the picture from the side (``projective``).

What counts as an inlier is meant to accuse nobody wrongly: a place counts once, on either side, however many octaves
saw it; what turns, scales or shears more than an edit does is nothing; and what lies alike has to be most of what could
be: a logo, a caption or a screen's controls in two pictures that show different things are not the same picture.

The two sides are put in an order of their own first, so that swapping them gives the inverse transformation with the
same inliers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.fingerprints.algorithms.local_features import Points
from app.fingerprints.point_pairs import (
    Headings,
    Pairs,
    Possible,
    Side,
    heading,
    is_alike,
    is_mutual,
    sigma_of,
    taken,
)
from app.fingerprints.projective import (
    FEWEST_FOR_TILT,
    LARGEST_SCALE,
    fitted,
    flat,
    inverse,
    is_possible,
    is_seen,
    moved,
    turns,
)
from app.fingerprints.search.hamming import distances_between

FEWEST_INLIERS = 6
"""Below, there is nothing to say: pictures that have nothing in common reach this now and then."""

NEAREST_BITS = 72
"""Of two points that are each other's nearest. Two by chance differ in 128 of 256 bits, the nearest of 500 in 60-90."""
GUIDED_BITS = 84
"""Of two points that lie where they should."""
LOOSE_SHARE = 0.25
"""Of its distance, that a place may lie elsewhere than another pair of points alone says."""
TOLERANCE = 3.0
"""How far a place may lie from where it should, in the pixels that the points were seen with."""
LEAST_APART_PIXELS = 16.0
"""Of two pairs that propose a transformation."""
MOST_NEAREST = 250
"""So many of the pairs, the likest, propose."""
MOST_PROPOSALS = 400
REFINED_PROPOSALS = 4

TILTS = 6
"""So often is a perspective fitted to what lies alike by the one before."""
TILT_FROM = 0.5
"""The mean square of how far places lie off, in the exactness of each, from which on a perspective is sought: half of
what is not seen from the side has less."""
TILT_LEAVES = 0.75
"""Of the mean square of how far places lie off, at most so much may be left by a perspective, which explains a little
more of anything."""

TILT_PIXELS = 64.0
"""So far a perspective may move a place."""

PLACE_PIXELS = 5.0
"""What is nearer than this to another inlier is the same place, in the pixels that the points were seen with: a point
is described by the 31 pixels around it, so near ones are much the same."""

INLIERS_BY_CHANCE = 20
"""Fewer are believed only when they are near. Pictures that have nothing in common, frames of videos above all, reach
13 among thousands of pairs, but loosely: places anywhere within the tolerance, descriptors as the nearest of many."""
LOOSEST = 64.0
"""The mean square of how far so few places lie from where they should, in the exactness with which each is known, times
the median of the bits in which the pairs differ. Of eight and more that agree by chance 94 and more, of edited pictures
5 to 55: docs/decisions/0027."""
MOST_DOUBTFUL = 11
"""So many inliers are left of two pictures of which not nearly all that both show is alike: no match without a person's
look at it."""
STRICT = (8, 3, 0.85)
LENIENT = (5, 1, 0.75)
"""What both pictures show is divided into so many rows, and as many columns; one speaks that has so many points in both
pictures; of those that speak, in this share something must be alike. Measured: docs/decisions/0027."""
CELLS = (6, 2, 0.4)
"""The same of cells, so many by so many, for any match."""
LEAST_COMMON = 0.15
"""Of the smaller picture, that both show."""
LEAST_CONFIRMED = 0.72
"""Of the points that have a point of the other picture where they should lie, in this share the two are alike; else a
form that was filled in otherwise, or other words in the same letters, would be the same picture. Of edited photographs
95 in 100 have more; of such pairs 4 in 10 to 7 in 10 points agree. Measured: docs/decisions/0027."""
CONFIRMED_WITHIN = 2.0
"""How far such a point may lie from where it should, in the pixels that the points were seen with."""
CONFIRMED_SCALES_APART = 1.3
"""By how much its octave may scale otherwise: one octave."""

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How one picture lies in the other.

    ``matrix``: 3 × 3, float64, from the query's pixels to the reference's · ``pairs``: inliers × 4, float64, the places
    ``x, y`` in the query and ``x, y`` in the reference, the surest first.
    """

    inliers: int
    matrix: Array
    pairs: Array


def find_geometry(
    query: Points, reference: Points, *, of_query: float = 0.0, of_reference: float = 0.0
) -> Geometry | None:
    """How the query's picture lies in the reference's (or in the mirrored one, where the points are of that); None when
    fewer than six places lie alike, or too little of what both show does. ``of_query``, ``of_reference``: of either
    picture, the least share that has to be shown by both."""
    return geometry_of(Side.of(query), Side.of(reference), of_query=of_query, of_reference=of_reference)


def geometry_of(first: Side, second: Side, *, of_query: float = 0.0, of_reference: float = 0.0) -> Geometry | None:
    """The same of points that are made ready: a picture is laid upon many."""
    if min(len(first.places), len(second.places)) < FEWEST_INLIERS:
        return None
    is_swapped = second.key() < first.key()
    if is_swapped:
        first, second = second, first
    shown = (of_reference, of_query) if is_swapped else (of_query, of_reference)
    found = _find(first, second, shown)
    if found is None:
        return None
    matrix, pairs = found
    q, r = pairs.q, pairs.r
    if is_swapped:
        matrix, q, r = inverse(matrix), r, q
    return Geometry(len(pairs), matrix, np.stack([q.real, q.imag, r.real, r.imag], axis=1))


def _find(query: Side, reference: Side, shown: tuple[float, float]) -> tuple[Array, Pairs] | None:
    bits = distances_between(query.words, reference.words)
    possible = Possible.of(bits, GUIDED_BITS)
    near = possible.within(NEAREST_BITS)
    nearest = Pairs.of(query, reference, near.those(is_mutual(near)))
    if len(nearest) < FEWEST_INLIERS // 2:
        return None
    proposals = _proposals(taken(nearest, np.s_[:MOST_NEAREST]))
    if not proposals:
        return None
    guided = _Guided.of(query, reference, possible)
    best: tuple[Array, Pairs] | None = None
    for a, b in proposals:
        refined = _refine(guided, nearest, a, b)
        if refined is not None and (best is None or len(refined[1]) > len(best[1])):
            best = refined
    if best is None:
        return None
    matrix, inliers = _tilted(guided, flat(best[0]), best[1])
    count = _trusted(query, reference, matrix, inliers, shown)
    if count > MOST_DOUBTFUL and _confirmed(query, reference, matrix, bits) < LEAST_CONFIRMED:
        count = MOST_DOUBTFUL
    return (matrix, taken(inliers, np.s_[:count])) if count else None


@dataclass(frozen=True, slots=True)
class _Guided:
    """All that may be one point, and how each pair turns and scales."""

    query: Side
    reference: Side
    possible: Possible
    apart: Headings

    @classmethod
    def of(cls, query: Side, reference: Side, possible: Possible) -> "_Guided":
        apart = reference.headings.apart(query.headings, possible.columns, possible.rows)
        return cls(query, reference, possible, apart)

    def fitting(self, matrix: Array) -> Pairs:
        """Which pairs lie and turn as the matrix says."""
        a = _similar_part(matrix)
        may_be = np.flatnonzero(self.apart.apart(heading(a)).may_be_alike())
        pairs = Pairs.of(self.query, self.reference, self.possible.those(may_be))
        return taken(pairs, _fits(pairs, matrix))

    def near(self, matrix: Array, pixels: float) -> Pairs:
        """Which pairs lie within so many pixels of where the 3 × 3 matrix says, however they turn."""
        there = moved(matrix, self.query.places)[self.possible.rows]
        is_near = np.abs(there - self.reference.places[self.possible.columns]) <= pixels
        return Pairs.of(self.query, self.reference, self.possible.those(np.flatnonzero(is_near)))


def _proposals(pairs: Pairs) -> list[tuple[complex, complex]]:
    """Similarities ``(a, b)`` by two pairs that agree, with which most pairs agree; the best, unlike each other."""
    headings = heading(pairs.turn)
    some, others = _agreeing(pairs, headings)
    support = 1 + np.bincount(np.concatenate([some, others]), minlength=len(pairs))
    if support.max() < FEWEST_INLIERS // 2:
        return []
    across_q, across_r = pairs.q[others] - pairs.q[some], pairs.r[others] - pairs.r[some]
    far = np.flatnonzero(np.abs(across_q) >= LEAST_APART_PIXELS)
    if not len(far):
        return []
    some, others, across_q, across_r = some[far], others[far], across_q[far], across_r[far]
    order = np.lexsort((others, some, -np.minimum(support[some], support[others])))[:MOST_PROPOSALS]
    a, some = across_r[order] / across_q[order], some[order]
    is_fit = (np.abs(a) <= LARGEST_SCALE) & (np.abs(a) >= 1 / LARGEST_SCALE)
    a, some = a[is_fit], some[is_fit]
    b = pairs.r[some] - a * pairs.q[some]
    counts = _fitting_similarities(pairs, headings, a, b)
    chosen: list[tuple[complex, complex]] = []
    for place in np.lexsort((np.arange(len(a)), -counts)):
        if len(chosen) == REFINED_PROPOSALS or counts[place] < FEWEST_INLIERS // 2:
            break
        middle = 320 + 320j
        if all(abs((a[place] - c) * middle + b[place] - d) > 20 * abs(c) for c, d in chosen):
            chosen.append((complex(a[place]), complex(b[place])))
    return chosen


def _agreeing(pairs: Pairs, headings: Headings) -> tuple[Array, Array]:
    """Every two pairs, the first before the second, of which each says nearly where the other lies."""
    apart = headings.apart(headings, np.s_[:, None], np.s_[None, :])
    some, others = np.nonzero(np.triu(apart.may_be_alike(), 1))
    across_q, across_r = pairs.q[others] - pairs.q[some], pairs.r[others] - pairs.r[some]
    sigma = sigma_of(pairs.q_scales, pairs.r_scales, np.abs(pairs.turn))
    slack = TOLERANCE * (sigma[some] + sigma[others]) + LOOSE_SHARE * np.abs(across_r)
    agrees = is_alike(pairs.turn[some], pairs.turn[others])
    for one in (some, others):
        agrees &= np.abs(across_q * pairs.turn[one] - across_r) <= slack
    return some[agrees], others[agrees]


def _fitting_similarities(pairs: Pairs, headings: Headings, a: Array, b: Array) -> Array:
    """Of each similarity ``a z + b``, how many pairs lie and turn as it says."""
    apart = headings.apart(heading(a), np.s_[None, :], np.s_[:, None])
    which, at = np.nonzero(apart.may_be_alike())
    a_of, b_of = a[which], b[which]
    sigma = sigma_of(pairs.q_scales[at], pairs.r_scales[at], np.abs(a)[which])
    is_fit = np.abs(a_of * pairs.q[at] + b_of - pairs.r[at]) <= TOLERANCE * sigma
    is_fit &= is_alike(pairs.turn[at], a_of)
    return np.bincount(which[is_fit], minlength=len(a))


def _lie_so(pairs: Pairs, there: Array, turn: Any) -> Array:
    """Which pairs' places in the query lie there in the reference, and turn so."""
    is_there: Array = np.abs(there - pairs.r) <= TOLERANCE * sigma_of(pairs.q_scales, pairs.r_scales, np.abs(turn))
    is_there &= is_alike(pairs.turn, turn)
    return is_there


def _fits(pairs: Pairs, matrix: Array) -> Array:
    """Which pairs lie and turn as the matrix says."""
    return _lie_so(pairs, _applied(matrix, pairs.q), _similar_part(matrix))


def _refine(possible: _Guided, nearest: Pairs, a: complex, b: complex) -> tuple[Array, Pairs] | None:
    """The affine transformation of all that lies alike, and those pairs: each place once."""
    matrix = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    inliers = taken(nearest, _fits(nearest, matrix))
    for _ in range(4):
        fitted = _fitted(inliers)
        matrix = matrix if fitted is None else fitted
        before, inliers = inliers, possible.fitting(matrix)
        inliers = taken(inliers, is_mutual(inliers))
        if len(inliers) < FEWEST_INLIERS:
            return None
        if _is_same(inliers, before):
            break  # The same places are fitted by the same matrix.
    inliers = _distinct(inliers)
    if len(inliers) < FEWEST_INLIERS or not (len(inliers) >= INLIERS_BY_CHANCE or _is_near(matrix, inliers)):
        return None
    return matrix, inliers


def _tilted(possible: _Guided, matrix: Array, inliers: Pairs) -> tuple[Array, Pairs]:
    """The same, or what a camera sees of the picture from the side, where clearly more lies alike so."""
    best, off = (matrix, inliers), _off(matrix, inliers)
    if len(inliers) < FEWEST_FOR_TILT or off < TILT_FROM:
        return best
    least, now = TILT_LEAVES * off, inliers
    near = possible.near(matrix, TILT_PIXELS)
    for _ in range(TILTS):
        tilted = fitted(now.q, now.r, 1 / np.hypot(now.q_scales, now.r_scales))
        if tilted is None or not is_seen(tilted, now.q, possible.query.places):
            break
        before, now = now, taken(near, _fits_tilted(near, tilted))
        now = _distinct(taken(now, is_mutual(now)))
        if len(now) < len(inliers) or _is_same(now, before):
            break
        off = _off(tilted, now)
        if off < least and is_seen(inverse(tilted), now.r, possible.reference.places):
            best, least = (tilted, now), off
    return best


def _is_same(some: Pairs, others: Pairs) -> bool:
    return np.array_equal(some.rows, others.rows) and np.array_equal(some.columns, others.columns)


def _off(matrix: Array, pairs: Pairs) -> float:
    """The mean square of how far the pairs lie from where the 3 × 3 matrix says, in the exactness of each."""
    sigma = sigma_of(pairs.q_scales, pairs.r_scales, np.abs(turns(matrix, pairs.q)))
    return float(np.mean((np.abs(moved(matrix, pairs.q) - pairs.r) / sigma) ** 2))


def _fits_tilted(pairs: Pairs, matrix: Array) -> Array:
    """Which pairs lie and turn as the 3 × 3 matrix says."""
    return _lie_so(pairs, moved(matrix, pairs.q), turns(matrix, pairs.q))


def _is_near(matrix: Array, pairs: Pairs) -> bool:
    """Whether few pairs lie as exactly, and are as like, as those of an edited picture."""
    sigma = sigma_of(pairs.q_scales, pairs.r_scales, abs(_similar_part(matrix)))
    off = np.abs(_applied(matrix, pairs.q) - pairs.r) / sigma
    return bool(np.mean(off**2) * np.median(pairs.bits) <= LOOSEST)


def _fitted(pairs: Pairs) -> Array | None:
    """By least squares, weighed by how exactly each place is known; a similarity for few. None: no picture is edited
    like that."""
    if len(pairs) < 3:
        return None
    weights = 1 / np.hypot(pairs.q_scales, pairs.r_scales)
    ones, zeros = np.ones(len(pairs)), np.zeros(len(pairs))
    target = np.concatenate([pairs.r.real * weights, pairs.r.imag * weights])
    x, y = pairs.q.real, pairs.q.imag
    if len(pairs) >= 2 * FEWEST_INLIERS:
        rows = np.stack([x, y, ones], axis=1) * weights[:, None]
        solved = np.linalg.lstsq(rows, np.stack([target[: len(x)], target[len(x) :]], axis=1), rcond=None)[0]
        matrix: Array = solved.T
        if is_possible(matrix[:, :2]):
            return matrix
    rows = np.concatenate([np.stack([x, -y, ones, zeros], axis=1), np.stack([y, x, zeros, ones], axis=1)])
    c, s, dx, dy = np.linalg.lstsq(rows * np.tile(weights, 2)[:, None], target, rcond=None)[0]
    matrix = np.array([[c, -s, dx], [s, c, dy]])
    return matrix if is_possible(matrix[:, :2]) else None


def _applied(matrix: Array, places: Array) -> Array:
    moved: Array = (matrix[0, 0] + 1j * matrix[1, 0]) * places.real
    moved += (matrix[0, 1] + 1j * matrix[1, 1]) * places.imag
    moved += matrix[0, 2] + 1j * matrix[1, 2]
    return moved


def _similar_part(matrix: Array) -> complex:
    """Turn and scale of an affine transformation."""
    return complex((matrix[0, 0] + matrix[1, 1]) / 2, (matrix[1, 0] - matrix[0, 1]) / 2)


def _distinct(pairs: Pairs) -> Pairs:
    """Leave out what has a surer inlier at its place, on either side."""
    is_same = np.zeros((len(pairs), len(pairs)), bool)
    for places, scales in ((pairs.q, pairs.q_scales), (pairs.r, pairs.r_scales)):
        is_same |= np.abs(places[:, None] - places) < PLACE_PIXELS * np.minimum(scales[:, None], scales)
    is_left = np.ones(len(pairs), bool)
    for place in range(len(pairs)):
        if is_left[place]:
            is_left[place + 1 :] &= ~is_same[place, place + 1 :]
    return taken(pairs, is_left)


def _trusted(query: Side, reference: Side, matrix: Array, pairs: Pairs, shown: tuple[float, float]) -> int:
    """How many of the inliers count, by whether what both pictures show is alike all over: a caption, a logo or an
    application's controls are so in some rows and columns alone."""
    laid = moved(matrix, query.places)
    (low_q, high_q), (low_r, high_r) = _box(laid), _box(reference.places)
    low = complex(max(low_q.real, low_r.real), max(low_q.imag, low_r.imag))
    high = complex(min(high_q.real, high_r.real), min(high_q.imag, high_r.imag))
    size = high - low
    areas = _area(high_q - low_q), _area(high_r - low_r)
    least = max(LEAST_COMMON * min(areas), *(share * area for share, area in zip(shown, areas, strict=True)))
    if size.real <= 0 or size.imag <= 0 or _area(size) < least:
        return 0

    def shares(cells: int, fewest: int) -> tuple[float, float]:
        """Of what speaks, how much is alike: the least of rows and columns, and of cells."""
        ours, theirs, alike = (_in_cells(one, low, size, cells) for one in (laid, reference.places, pairs.r))
        both = np.minimum(ours, theirs)
        sums = [(both.sum(axis=axis), alike.sum(axis=axis)) for axis in (0, 1)]
        lines, whole = [_share(*one, fewest) for one in sums], _share(both, alike, fewest)
        return min(lines), whole

    if shares(*LENIENT[:2])[0] < LENIENT[2] or shares(*CELLS[:2])[1] < CELLS[2]:
        return 0
    return len(pairs) if shares(*STRICT[:2])[0] >= STRICT[2] else MOST_DOUBTFUL


def _confirmed(query: Side, reference: Side, matrix: Array, bits: Array) -> float:
    """Of the query's points with a point of the reference where they should lie: the share that is like one of them."""
    scale = np.abs(turns(matrix, query.places))[:, None]
    sigma = sigma_of(query.scales[:, None], reference.scales[None, :], scale)
    is_there = np.abs(moved(matrix, query.places)[:, None] - reference.places) <= CONFIRMED_WITHIN * sigma
    ratio = reference.scales[None, :] / (query.scales[:, None] * scale)
    is_there &= (ratio <= CONFIRMED_SCALES_APART) & (ratio >= 1 / CONFIRMED_SCALES_APART)
    is_like = (is_there & (bits <= GUIDED_BITS)).any(axis=1)
    return float(is_like.sum() / max(1, is_there.any(axis=1).sum()))


def _share(both: Array, alike: Array, fewest: int) -> float:
    is_alike = alike > 0
    return float(is_alike.sum() / max(1, (is_alike | (both >= fewest)).sum()))


def _box(places: Array) -> tuple[complex, complex]:
    return (
        complex(places.real.min(), places.imag.min()),
        complex(places.real.max(), places.imag.max()),
    )


def _area(size: complex) -> float:
    return size.real * size.imag


def _in_cells(places: Array, low: complex, size: complex, cells: int) -> Array:
    """How many places lie in each cell, ``(rows, columns)``."""
    x = np.floor((places.real - low.real) / size.real * cells)
    y = np.floor((places.imag - low.imag) / size.imag * cells)
    is_inside = (x >= 0) & (x <= cells) & (y >= 0) & (y <= cells)
    column, row = np.minimum(x[is_inside], cells - 1), np.minimum(y[is_inside], cells - 1)
    counts = np.bincount((row * cells + column).astype(np.int64), minlength=cells * cells)
    return counts.reshape(cells, cells)
