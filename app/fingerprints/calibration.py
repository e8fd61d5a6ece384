"""What thresholds do on given files: how many known copies are found at each, and how many unrelated pairs. Pure.

A pair is a file that is asked about and an original. Measured is, for each algorithm by itself, how alike the two are:
hashes by their distance (the least over all views; of a video the least radius at which its frames align), local
features by the points that lie alike. From those, recall and wrong pairs at every threshold follow by counting.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from app.fingerprints.algorithms.algorithm import Algorithm, hamming
from app.fingerprints.algorithms.catalog import CATALOG
from app.fingerprints.algorithms.local_features import LocalFeatures, Points, unpack_points
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.geometry import FEWEST_INLIERS, find_geometry
from app.fingerprints.matching import SAME_PICTURE_INLIERS, Prints, explain, thresholds_of
from app.fingerprints.views import IDENTITY, are_comparable, symmetry_of

POINTS = "orb"
MOST_POINT_SETS = 6
"""Of a video's shots, evenly: every set is laid upon every other."""
MOST_POINTS_SHOWN = 60
FRAME_RADII_BITS = (16, 20, 24, 28, 31, 35, 40, 48, 56, 64)
NEAREST_KEPT = 10
PAIRS_FOR_LOOSER = 30_000
"""Without a wrong one among so many, fewer than one in 10,000 is wrong: the least for a looser threshold."""
FIRM = ("exact", "same_picture")
RULE_OF_THREE = 3.0
"""No wrong one among n pairs: with 95 % confidence fewer than 3 / n of such pairs are (Hanley, Lippman-Hand 1983)."""


@dataclass(frozen=True)
class Taken:
    """What was taken from a file."""

    name: str
    prints: Prints
    """With its local features."""

    @cached_property
    def asking(self) -> list[Points]:
        return self._points(self.prints.features)

    @cached_property
    def straight(self) -> list[Points]:
        """Without the mirrored ones: of two pictures one is mirrored, not both."""
        return self._points([one for one in self.prints.features if one.view == IDENTITY])

    @cached_property
    def says_something(self) -> bool:
        """A flat picture resembles every other one, by every hash; it is never matched by them."""
        return any((one.quality or 0) >= PDQ.minimum_quality for one in self.prints.of(PDQ, view=None))

    @staticmethod
    def _points(sets: Sequence[LocalFeatures]) -> list[Points]:
        step = max(1, -(-len(sets) // (2 * MOST_POINT_SETS)))
        return [unpack_points(one.points) for one in sets[::step] if one.count]


@dataclass(frozen=True, slots=True)
class Asked:
    """A file that is asked about, and the names of the originals that are in it: none, and nothing may be found."""

    taken: Taken
    of: frozenset[str]


@dataclass(frozen=True, slots=True)
class Nearest:
    """An unrelated pair that is nearly, or wrongly, called a match: to be looked at. It may be related after all."""

    asked: str
    original: str
    value: int


@dataclass(frozen=True, slots=True)
class AtThreshold:
    threshold: int
    found: int
    wrong: int


@dataclass
class Curve:
    """Of one algorithm. ``is_distance``: smaller is nearer, in bits; else points that lie alike, and more is nearer."""

    algorithm: str
    is_distance: bool
    default: int
    """In force where a case says nothing else."""
    thresholds: range
    proposes: bool = True
    """False: its hashes are stored and shown, and propose no match."""
    true_values: list[int | None] = field(default_factory=list)
    """Of every pair of a copy and its original; None: too far apart to be measured, or nothing to measure."""
    unrelated_values: list[int | None] = field(default_factory=list)
    nearest: list[Nearest] = field(default_factory=list)

    @cached_property
    def rows(self) -> list[AtThreshold]:
        """From the strictest threshold to the loosest."""
        return [
            AtThreshold(at, self._count(self.true_values, at), self._count(self.unrelated_values, at))
            for at in self.thresholds
        ]

    def at(self, threshold: int) -> AtThreshold:
        return AtThreshold(
            threshold, self._count(self.true_values, threshold), self._count(self.unrelated_values, threshold)
        )

    @property
    def suggested(self) -> AtThreshold | None:
        """The strictest of those that find most with no wrong pair; None where there is none. Nothing looser than what
        is in force by default, unless enough pairs were measured to say so."""
        may_be_looser = len(self.unrelated_values) >= PAIRS_FOR_LOOSER
        sound = [row for row in self.rows if row.wrong == 0 and (may_be_looser or not self._is_looser(row.threshold))]
        return max(sound, key=lambda row: row.found, default=None)

    def _is_looser(self, threshold: int) -> bool:
        return threshold > self.default if self.is_distance else threshold < self.default

    @property
    def wrong_share_below(self) -> float | None:
        """With 95 % confidence, where none was wrong, the share of unrelated pairs that are wrong is below this."""
        return RULE_OF_THREE / len(self.unrelated_values) if self.unrelated_values else None

    def _count(self, values: Iterable[int | None], at: int) -> int:
        measured = (value for value in values if value is not None)
        return sum(value <= at if self.is_distance else value >= at for value in measured)

    def add(self, asked: Asked, original: Taken, value: int | None) -> None:
        if original.name in asked.of:
            self.true_values.append(value)
            return
        self.unrelated_values.append(value)
        if value is not None:
            self.nearest.append(Nearest(asked.taken.name, original.name, value))
            self.nearest.sort(key=lambda one: one.value if self.is_distance else -one.value)
            del self.nearest[NEAREST_KEPT:]


@dataclass
class Together:
    """What a case says at the present thresholds, by all algorithms together."""

    copies: int = 0
    found: int = 0
    found_firmly: int = 0
    unrelated: int = 0
    wrong: int = 0
    wrong_firmly: int = 0
    wrong_pairs: list[tuple[str, str, str]] = field(default_factory=list)
    """Asked about, original, tier."""

    def add(self, asked: Asked, original: Taken, tier: str | None) -> None:
        is_firm = tier in FIRM
        if original.name in asked.of:
            self.copies += 1
            self.found += tier is not None
            self.found_firmly += is_firm
            return
        self.unrelated += 1
        self.wrong += tier is not None
        self.wrong_firmly += is_firm
        if tier is not None:
            self.wrong_pairs.append((asked.taken.name, original.name, tier))


def new_curves() -> dict[str, Curve]:
    """One for every algorithm that there is, those included that propose no match."""
    curves = {one.name: Curve(one.name, True, one.threshold_bits, range(one.bits // 4 + 1)) for one in CATALOG.current}
    curves[POINTS] = Curve(POINTS, False, SAME_PICTURE_INLIERS, range(MOST_POINTS_SHOWN, FEWEST_INLIERS - 1, -1))
    return curves


def measure(curves: dict[str, Curve], together: Together, asked: Asked, original: Taken) -> None:
    """Adds one pair to every curve, and what all say together."""
    for algorithm in CATALOG.current:
        curves[algorithm.name].add(asked, original, distance_bits(algorithm, asked.taken, original))
    curves[POINTS].add(asked, original, inliers(asked.taken, original))
    sides = asked.taken.prints, original.prints
    found = explain(*sides, thresholds_of(), moments=_moments(*sides))
    together.add(asked, original, None if found is None else found.tier)


def _moments(asked: Prints, original: Prints) -> list[tuple[int, int]]:
    """All pairs of frames that have points: here no index proposes some of them."""
    mine, theirs = (sorted({one.time_ms for one in prints.features}) for prints in (asked, original))
    return [(ours, other) for ours in mine for other in theirs]


def distance_bits(algorithm: Algorithm, asked: Taken, original: Taken) -> int | None:
    """None: the two cannot be compared by this algorithm, or are further apart than what is looked for."""
    if not (asked.says_something and original.says_something):
        return None
    if asked.prints.is_sequence or original.prints.is_sequence:
        return _radius_bits(asked.prints, original.prints) if algorithm.version == PDQ.version else None
    distances = [
        hamming(mine.value, theirs.value)
        for mine in asked.prints.of(algorithm, view=None)
        for theirs in original.prints.of(algorithm, view=None)
        if symmetry_of(theirs.view) == IDENTITY and are_comparable(mine.view, theirs.view)
    ]
    return min(distances, default=None)


def _radius_bits(asked: Prints, original: Prints) -> int | None:
    """The least of some radii at which frames of the two align."""
    asked, original = replace(asked, features=()), replace(original, features=())
    for radius in FRAME_RADII_BITS:
        if explain(asked, original, thresholds_of({PDQ.name: radius})) is not None:
            return radius
    return None


def inliers(asked: Taken, original: Taken) -> int | None:
    """Points that lie alike; 0: not enough to say anything. None: one of the two has no points."""
    if not asked.asking or not original.straight:
        return None
    found = (find_geometry(mine, theirs) for mine in asked.asking for theirs in original.straight)
    return max((0 if one is None else one.inliers for one in found), default=0)
