"""Whether one of two costs is larger, by pairs that differ in nothing else: Wilcoxon's signed ranks. Pure.

What is compared are logarithms, so that an effect is a share; the estimate is the median of all means of two (Hodges
and Lehmann), its interval what the test does not reject. Neither asks that noise be normal, and a few disturbed pairs
on a machine that others use move them little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, sqrt

import numpy as np

FEWEST_PAIRS = 10
"""Below, the normal approximation says nothing."""
Z_95 = 1.959964


@dataclass(frozen=True)
class Effect:
    """By how much the first is more than the second, as a share; ``low`` to ``high``: with 95 % confidence."""

    pairs: int
    share: float
    low: float
    high: float
    p: float
    """Of a difference as clear as this one, or clearer, where there is none."""

    @property
    def is_seen(self) -> bool:
        return not self.low <= 0 <= self.high


def effect(first: Sequence[float], second: Sequence[float]) -> Effect:
    """Of values above 0, in pairs. Raises ValueError for fewer than ten."""
    if len(first) < FEWEST_PAIRS:
        raise ValueError(f"{len(first)} pairs: at least {FEWEST_PAIRS} are needed")
    apart = np.log(np.asarray(first, float)) - np.log(np.asarray(second, float))
    count = len(apart)
    rows, columns = np.triu_indices(count)
    means = np.sort((apart[rows] + apart[columns]) / 2)
    expected, deviation = len(means) / 2, sqrt(count * (count + 1) * (2 * count + 1) / 24)
    above = float((means > 0).sum() + (means == 0).sum() / 2)
    outside = max(0, int(expected - Z_95 * deviation))
    low, high = means[outside], means[len(means) - 1 - outside]
    p = erfc(abs(above - expected) / deviation / sqrt(2))
    return Effect(count, exp(float(np.median(means))) - 1, exp(low) - 1, exp(high) - 1, p)
