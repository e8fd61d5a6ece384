"""Where local features of two blobs lie alike: points, transformation and outline of the strongest agreement.

A picture is laid upon the other as it is and, where that does not say enough, mirrored: either side's mirror in turn,
because the points of a mirrored picture are described anew, and neither side is to be the better one to search with.
So are the parts of either of which points were taken by themselves: insets, cells of a collage.

Where as many points agree as make two pictures the same, their working pictures are laid upon each other (``overlap``):
pictures of one layout share their corners, and not what lies between them. Points alone make nothing firm. Pure, but
for the pictures, which are read when they are asked for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import degrees

import numpy as np

from app.fingerprints.algorithms.local_features import SIDE_PIXELS, Array, LocalFeatures, unpack_points
from app.fingerprints.geometry import Geometry, geometry_of
from app.fingerprints.grounds import NO_PICTURES, Thresholds
from app.fingerprints.overlap import LEAST_ALIKE, share_alike
from app.fingerprints.point_pairs import Side
from app.fingerprints.prints import Luma, Prints
from app.fingerprints.projective import depth, moved, turns
from app.fingerprints.views import IDENTITY, MIRROR, Part

MAXIMUM_PAIRS = 400
"""Pairs of frames of two sequences that are laid upon each other, those that were proposed first."""
MAXIMUM_POINTS = 40
MOST_LOOKED_AT = 40
"""Pairs of frames of two sequences of which the pictures are laid upon each other, those in which most points agree."""
TOO_LITTLE, PICTURES_DIFFER = "too_little", "pictures_differ"
"""Why points that agree make nothing firm, besides NO_PICTURES (of the very frame): too little of both can be
compared; or what both show is not alike."""
SURELY_PLAIN = 3
"""So many times the points that are asked for: what is symmetrical itself resembles its mirror by fewer."""
SHOWN_BY_PART = 0.4
"""Of the other picture, by a part of one: a logo, a bar or a button that both contain is no picture in a picture."""
LARGEST_PLACE = 100_000
"""Thousandths: a corner that lies farther outside lies there."""
SIDES_HELD = 64
"""Sets of points, 35 kB each."""
TURNS = ("identity", "rotate_90", "rotate_180", "rotate_270")
TURNS_OF_MIRROR = ("mirror", "transverse", "flip", "transpose")
"""The mirrored picture, turned clockwise by so many quarters."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two pictures or frames of which so many points lie alike."""

    version: str
    query_ms: int
    reference_ms: int
    inliers: int
    transformation: str
    outline: tuple[tuple[int, int], ...] | None
    points: tuple[tuple[int, int, int, int], ...] | None
    alike: float | None = None
    """Of what both show, how much is alike; None where it was not looked at."""
    held_back: str | None = None
    """Why it makes nothing firm, however many points agree; None also of one that was not looked at."""


@dataclass(frozen=True, slots=True)
class _Laid:
    """A geometry, and which of the two pictures was mirrored for it."""

    found: Geometry
    is_query_mirrored: bool = False
    is_reference_mirrored: bool = False
    query_part: Part | None = None
    """Where a part alone was laid upon the other."""
    reference_part: Part | None = None


def agreements(
    query: Prints, reference: Prints, moments: Sequence[tuple[int, int]], thresholds: Thresholds
) -> list[Agreement]:
    """Of these frames all that agree in as many points as ``likely`` asks for, those first in which most do."""
    mine, theirs = _by_time(query.features), _by_time(reference.features)
    found = []
    for query_ms, reference_ms in list(dict.fromkeys(moments))[:MAXIMUM_PAIRS]:
        sets = mine.get(query_ms, {}), theirs.get(reference_ms, {})
        laid = _laid(*sets, thresholds) if all(IDENTITY in one for one in sets) else None
        if laid is not None and laid.found.inliers >= thresholds.inliers_likely:
            version = sets[0][IDENTITY].version
            agreement = _agreement(version, query_ms, reference_ms, laid, _pixels(query.size), _pixels(reference.size))
            found.append((agreement, laid))
    found.sort(key=lambda one: (-one[0].inliers, one[0].query_ms, one[0].reference_ms))
    looked_at = [
        _looked_at(agreement, laid, query, reference) if agreement.inliers >= thresholds.inliers else agreement
        for agreement, laid in found[:MOST_LOOKED_AT]
    ]
    return looked_at + [agreement for agreement, _ in found[MOST_LOOKED_AT:]]


def _looked_at(agreement: Agreement, laid: "_Laid", query: Prints, reference: Prints) -> Agreement:
    """The same, with what the pictures say that lie upon each other."""
    mine = _picture(query, agreement.query_ms, laid.is_query_mirrored)
    theirs = _picture(reference, agreement.reference_ms, laid.is_reference_mirrored)
    if mine is None or theirs is None:
        return replace(agreement, held_back=NO_PICTURES)
    # What is around a part is another picture.
    matrix = laid.found.matrix
    if laid.query_part is not None:
        mine = laid.query_part.of_picture(mine)
        matrix = matrix @ _shift(laid.query_part)
    if laid.reference_part is not None:
        theirs = laid.reference_part.of_picture(theirs)
        matrix = np.linalg.inv(_shift(laid.reference_part)) @ matrix
    alike = share_alike(mine, theirs, matrix)
    if alike is None:
        return replace(agreement, held_back=TOO_LITTLE)
    return replace(agreement, alike=alike, held_back=None if alike >= LEAST_ALIKE else PICTURES_DIFFER)


def _picture(prints: Prints, time_ms: int, is_mirrored: bool) -> Luma | None:
    picture = None if prints.pictures is None else prints.pictures.at(time_ms)
    return picture[:, ::-1] if picture is not None and is_mirrored else picture


def _by_time(features: Sequence[LocalFeatures]) -> dict[int, dict[str, LocalFeatures]]:
    found: dict[int, dict[str, LocalFeatures]] = {}
    for one in features:
        found.setdefault(one.time_ms, {})[one.view] = one
    return found


def _laid(
    query: Mapping[str, LocalFeatures], reference: Mapping[str, LocalFeatures], thresholds: Thresholds
) -> _Laid | None:
    """The strongest way in which the one lies upon the other; the first kind of way in which one is sure."""
    if query[IDENTITY].version != reference[IDENTITY].version:
        return None
    mine, theirs = ({view: _side(one.points) for view, one in sets.items()} for sets in (query, reference))
    found: list[_Laid] = []
    for ways in _ways(mine, theirs):
        found += [laid for laid in (_laid_so(mine, theirs, *way) for way in ways) if laid is not None]
        if any(one.found.inliers >= SURELY_PLAIN * thresholds.inliers for one in found):
            break
    return max(found, key=lambda one: one.found.inliers, default=None)


@lru_cache(maxsize=SIDES_HELD)
def _side(points: bytes) -> Side:
    """The points as they are compared: those of a picture that is laid upon twenty others are made ready once."""
    return Side.of(unpack_points(points))


def _ways(query: Collection[str], reference: Collection[str]) -> Iterator[list[tuple[str, str]]]:
    """Which view of the one is laid upon which of the other: the pictures as they are, a part of either upon the other,
    and both again mirrored. No part is laid upon a part: what two pages share may be a picture of its own there. At
    most 15 of two frames of recordings, 35 of such a frame and a picture, 55 of two pictures, some 2 ms each."""
    mine, theirs = ([view for view in views if Part.of(view)] for views in (query, reference))
    yield [(IDENTITY, IDENTITY)]
    yield [(part, IDENTITY) for part in mine] + [(IDENTITY, part) for part in theirs]
    mirrored = [(MIRROR, IDENTITY)] * (MIRROR in query) + [(IDENTITY, MIRROR)] * (MIRROR in reference)
    yield mirrored
    yield [(part, MIRROR) for part in mine if MIRROR in reference] + [
        (MIRROR, part) for part in theirs if MIRROR in query
    ]


def _laid_so(mine: Mapping[str, Side], theirs: Mapping[str, Side], query: str, reference: str) -> _Laid | None:
    mine_of, theirs_of = Part.of(query), Part.of(reference)
    found = geometry_of(
        mine[query],
        theirs[reference],
        of_query=SHOWN_BY_PART if theirs_of else 0.0,
        of_reference=SHOWN_BY_PART if mine_of else 0.0,
    )
    if found is None:
        return None
    return _Laid(_of_wholes(found, mine_of, theirs_of), query == MIRROR, reference == MIRROR, mine_of, theirs_of)


def _of_wholes(found: Geometry, query: Part | None, reference: Part | None) -> Geometry:
    """The same in the pixels of the whole pictures."""
    matrix, pairs = found.matrix, found.pairs.copy()
    if query is not None:
        matrix = matrix @ np.linalg.inv(_in_whole(query))
        pairs[:, :2] = pairs[:, :2] * query.scale + [query.left, query.top]
    if reference is not None:
        matrix = _in_whole(reference) @ matrix
        pairs[:, 2:] = pairs[:, 2:] * reference.scale + [reference.left, reference.top]
    return Geometry(found.inliers, matrix / matrix[2, 2], pairs)


def _in_whole(part: Part) -> Array:
    """From the pixels of the part to those of the whole."""
    return _shift(part) @ np.diag([part.scale, part.scale, 1.0])


def _shift(part: Part) -> Array:
    return np.array([[1.0, 0.0, part.left], [0.0, 1.0, part.top], [0.0, 0.0, 1.0]])


def _pixels(size: Size | None) -> Size | None:
    """Of the picture that points are found in."""
    if size is None:
        return None
    scale = min(1.0, SIDE_PIXELS / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _agreement(
    version: str, query_ms: int, reference_ms: int, laid: _Laid, mine: Size | None, theirs: Size | None
) -> Agreement:
    outline, points = None, None
    if mine is not None and theirs is not None:
        outline, points = _outline(laid, mine, theirs), _points_of(laid, mine, theirs)
    transformation = _symmetry(laid)
    return Agreement(version, query_ms, reference_ms, laid.found.inliers, transformation, outline, points)


def _symmetry(laid: _Laid) -> str:
    """The nearest of the eight."""
    middle = laid.found.pairs[:, :2].mean(axis=0) @ [1, 1j]
    quarters = round(degrees(float(np.angle(turns(laid.found.matrix, middle)))) / 90) % 4
    if laid.is_query_mirrored:
        return TURNS_OF_MIRROR[quarters]
    if laid.is_reference_mirrored:
        # Turned, and then mirrored: the mirror turns it the other way.
        return TURNS_OF_MIRROR[-quarters % 4]
    return TURNS[quarters]


def _outline(laid: _Laid, mine: Size, theirs: Size) -> tuple[tuple[int, int], ...] | None:
    """None: of a picture around a part, some would lie behind the camera that saw the part from the side."""
    width, height = mine
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    places = _unmirrored(corners, mine, laid.is_query_mirrored) @ [1, 1j]
    far, far_of_pairs = (depth(laid.found.matrix, each) for each in (places, laid.found.pairs[:, :2] @ [1, 1j]))
    if (far * np.sign(far_of_pairs[0])).min() <= 0:
        return None
    there = moved(laid.found.matrix, places)
    there = np.stack([there.real, there.imag], axis=1)
    outline = _thousandths(_unmirrored(there, theirs, laid.is_reference_mirrored), theirs)
    return tuple((int(x), int(y)) for x, y in outline)


def _points_of(laid: _Laid, mine: Size, theirs: Size) -> tuple[tuple[int, int, int, int], ...]:
    pairs = laid.found.pairs[:MAXIMUM_POINTS]
    q = _thousandths(_unmirrored(pairs[:, :2], mine, laid.is_query_mirrored), mine)
    r = _thousandths(_unmirrored(pairs[:, 2:], theirs, laid.is_reference_mirrored), theirs)
    return tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in np.concatenate([q, r], axis=1))


def _unmirrored(places: Array, size: Size, is_mirrored: bool) -> Array:
    """Places in the mirrored picture as places in the picture, or the other way about."""
    if not is_mirrored:
        return places
    return np.stack([size[0] - 1 - places[:, 0], places[:, 1]], axis=1)


def _thousandths(places: Array, size: Size) -> Array:
    moved: Array = np.clip(np.rint(places / np.array(size) * 1000), -LARGEST_PLACE, LARGEST_PLACE)
    return moved
