"""Lines in the plane of time against time: at which shift, and at which speed, two recordings run along. Pure.

Every pair of frames that look alike is a point; footage used again is a line of them. Pairs vote for their shift at the
same speed, and those that say something (a static shot does not) for shift and speed, forwards and backwards.

The same speed is believed unless another explains more of what was seen, with all that the first would need counted:
several pieces of one recording, cut out and put together, lie along a steeper line too. Where it cannot be known, the
speed is the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.fingerprints.frame_pairs import FEW_PARTNERS, MOST_BINS, SHIFT_TOLERANCE_MS, Pairs

SLOWEST, FASTEST = 0.5, 2.0
STEP_OF_SPEED = 0.02
"""Within half of that a span of half a minute stays within the tolerance; longer ones are fitted afterwards."""
NEAR_THE_SAME = 0.025
"""Speeds so near to 1 are told from it in none but long spans: they are said to be 1."""
MOST_VOTERS = 8_000
LOOKS_FOR_A_SPEED = 3.0
"""So many different looks, at the least, let a speed be known."""
LOOKS_OF_A_LINE = 2.0
"""What one more line has to explain to be believed."""
LOOKS_OF_A_SPEED = 1.0
"""So much more another speed has to explain. The frame at an end stands for what was seen before or after it as well,
so it may lie beside the line; a line that leans towards it explains one look more, and is wrong."""
_FITS = 5

Array = np.ndarray[Any, Any]


def _speeds() -> Array:
    count = round(np.log(FASTEST / SLOWEST) / STEP_OF_SPEED / 2)
    grid = np.exp(np.arange(-count, count + 1) * np.log(FASTEST / SLOWEST) / 2 / count)
    others = grid[np.abs(grid - 1) > NEAR_THE_SAME]
    return np.concatenate([others, -grid])


SPEEDS = _speeds()


@dataclass(frozen=True, slots=True)
class Line:
    """The second's time is the first's times the speed, plus the shift."""

    speed: float
    shift_ms: float
    looks: float
    """How much lies on it, the nearer the more."""

    def holds(self, pairs: Pairs) -> Array:
        """Which pairs lie on it. The tolerance is the same whichever side is the first."""
        off = np.abs(pairs.b_ms - self.speed * pairs.a_ms - self.shift_ms)
        on_line: Array = off <= SHIFT_TOLERANCE_MS * max(1.0, abs(self.speed))
        return on_line


def line_at_same_speed(pairs: Pairs) -> Line:
    """The line on which most lies, of those where both play at one speed."""
    return _at_speed(pairs, _closeness(pairs), 1.0)


def strongest_line(pairs: Pairs) -> Line:
    """The line on which most lies."""
    closeness = _closeness(pairs)
    same = _at_speed(pairs, closeness, 1.0)
    says_much = pairs.weight * FEW_PARTNERS >= 1
    if float(pairs.weight[says_much].sum()) < LOOKS_FOR_A_SPEED:
        return same
    places = np.nonzero(says_much)[0]
    voters = pairs.where(_evenly(places, MOST_VOTERS))
    # A line at the same speed that holds nearly all that says anything leaves nothing for another speed.
    if float(voters.weight[same.holds(voters)].sum()) >= 0.9 * voters.looks():
        return same
    other = _best_other(voters, LOOKS_FOR_A_SPEED * voters.a.size / places.size)
    if other is None:
        return same
    other = _fitted(other, pairs, closeness)
    if other is None or not _explains_more(other, pairs):
        return same
    return other


def _closeness(pairs: Pairs) -> Array:
    """What a pair says, the nearer the more: of two symmetries of an even picture the true one says more."""
    closeness: Array = pairs.weight * (1 - pairs.distance / 256)
    return closeness


def _evenly(places: Array, limit: int) -> Array:
    return places if places.size <= limit else places[np.arange(limit) * places.size // limit]


def _best_other(voters: Pairs, least: float) -> Line | None:
    best: tuple[float, float] = (0.0, 0.0)
    for speed in SPEEDS.tolist():
        votes, _ = _votes(voters, voters.weight, speed)
        best = max(best, (float(votes.max()), speed))
    return None if best[0] < least else _at_speed(voters, voters.weight, best[1])


def _votes(pairs: Pairs, weight: Array, speed: float) -> tuple[Array, Array]:
    """Per bin of the shift what lies there and in the next, since a true shift may lie on a border; and the bins."""
    width = SHIFT_TOLERANCE_MS * max(1.0, abs(speed))
    bins = np.floor((pairs.b_ms - speed * pairs.a_ms) / width).astype(np.int64)
    bins = (bins - bins.min()) % MOST_BINS
    votes = np.bincount(bins, weight)
    votes[:-1] += votes[1:].copy()
    return votes, bins


def _at_speed(pairs: Pairs, weight: Array, speed: float) -> Line:
    votes, bins = _votes(pairs, weight, speed)
    best = int(np.argmax(votes))
    is_there = (bins == best) | (bins == best + 1)
    shifts = (pairs.b_ms - speed * pairs.a_ms)[is_there]
    return Line(speed, float(np.median(shifts)), float(votes[best]))


def _fitted(line: Line, pairs: Pairs, weight: Array) -> Line | None:
    """The line through what lies near it, by least squares, again and again; None when that is the same speed."""
    for _ in range(_FITS):
        near = line.holds(pairs)
        a_ms, b_ms, by = pairs.a_ms[near].astype(float), pairs.b_ms[near].astype(float), weight[near]
        if a_ms.size < 2 or by.sum() <= 0:
            return None
        mean_a, mean_b = np.average(a_ms, weights=by), np.average(b_ms, weights=by)
        of_a = float((by * (a_ms - mean_a) ** 2).sum())
        of_b = float((by * (b_ms - mean_b) ** 2).sum())
        if of_a == 0 or of_b == 0:
            return None
        # The slope by which neither side is the first: the line of least squares leans towards the side that votes.
        speed = float(np.copysign(np.sqrt(of_b / of_a), line.speed))
        if not SLOWEST * 0.95 <= abs(speed) <= FASTEST * 1.05:
            return None
        line = Line(speed, float(mean_b - speed * mean_a), float(by.sum()))
    return None if abs(line.speed - 1) <= NEAR_THE_SAME else line


def _explains_more(line: Line, pairs: Pairs) -> bool:
    """Than lines at the same speed do of what lies beside it, each of which has to be worth its own."""
    on_line = pairs.where(line.holds(pairs))
    if on_line.looks() < LOOKS_FOR_A_SPEED:
        return False
    box = (pairs.a_ms >= on_line.a_ms.min()) & (pairs.a_ms <= on_line.a_ms.max())
    box &= (pairs.b_ms >= on_line.b_ms.min()) & (pairs.b_ms <= on_line.b_ms.max())
    beside = pairs.where(box)
    votes, _ = _votes(beside, beside.weight, 1.0)
    by_same = 0.0
    for place in np.argsort(-votes, kind="stable")[:100].tolist():
        if votes[place] <= LOOKS_OF_A_LINE:
            continue
        by_same += float(votes[place]) - LOOKS_OF_A_LINE
        votes[max(place - 1, 0) : place + 2] = 0.0
    return on_line.looks() - LOOKS_OF_A_LINE - LOOKS_OF_A_SPEED > by_same
