"""How far two raters agree beyond chance: Cohen's kappa with its confidence interval. Pure.

Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960) 37-46.
The interval is by the asymptotic standard error of Fleiss, Cohen and Everitt, "Large sample standard errors of kappa
and weighted kappa", Psychological Bulletin 72 (1969) 323-327, equation 13.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

NORMAL_95 = 1.959963984540054
"""The 0.975 quantile of the normal distribution."""
ROUGH_BELOW = 30
"""With fewer pairs the asymptotic interval is only a hint."""


class Undefined(StrEnum):
    """Why there is no kappa."""

    NO_PAIRS = "no_pairs"
    NO_VARIATION = "no_variation"
    """Both gave the same one answer every time: they would agree by chance as often as they do."""


@dataclass(frozen=True)
class Agreement:
    """``observed`` is the share of pairs that agree. ``interval`` (95 %, within -1 and 1) is None without a kappa, and
    where the standard error is 0: agreement everywhere, or nowhere, is no proof of certainty."""

    pairs: int
    agreeing: int
    observed: float | None
    kappa: float | None
    interval: tuple[float, float] | None
    undefined: Undefined | None

    @property
    def is_rough(self) -> bool:
        return self.pairs < ROUGH_BELOW


def agreement(answers: Iterable[tuple[str, str]]) -> Agreement:
    """Of pairs of answers: the first rater's, the second's."""
    cells = Counter(answers)
    pairs = sum(cells.values())
    if pairs == 0:
        return Agreement(0, 0, None, None, None, Undefined.NO_PAIRS)
    agreeing = sum(count for (first, second), count in cells.items() if first == second)
    rows, columns = _margins(cells)
    # In whole numbers, so that no variation is seen exactly: chance is certain when this product is all of them.
    by_chance = sum(rows[answer] * columns[answer] for answer in rows)
    observed = agreeing / pairs
    if by_chance == pairs * pairs:
        return Agreement(pairs, agreeing, observed, None, None, Undefined.NO_VARIATION)
    expected = by_chance / pairs**2
    kappa = (observed - expected) / (1 - expected)
    error = sqrt(_variance(cells, rows, columns, observed, expected))
    within = (max(-1.0, kappa - NORMAL_95 * error), min(1.0, kappa + NORMAL_95 * error)) if error > 1e-9 else None
    return Agreement(pairs, agreeing, observed, kappa, within, None)


def _margins(cells: Counter[tuple[str, str]]) -> tuple[Counter[str], Counter[str]]:
    rows: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for (first, second), count in cells.items():
        rows[first] += count
        columns[second] += count
    return rows, columns


def _variance(
    cells: Counter[tuple[str, str]], rows: Counter[str], columns: Counter[str], observed: float, expected: float
) -> float:
    """Equation 13, unweighted, with ``p_i.`` the first rater's shares and ``p_.i`` the second's."""
    pairs = sum(cells.values())
    on, off = 0.0, 0.0
    for (first, second), count in cells.items():
        # Crosswise: the column's share of the first's answer, and the row's of the second's.
        crosswise = (columns[first] + rows[second]) / pairs
        if first == second:
            on += count / pairs * ((1 - expected) - crosswise * (1 - observed)) ** 2
        else:
            off += count / pairs * crosswise**2
    total = on + (1 - observed) ** 2 * off - (observed * expected - 2 * expected + observed) ** 2
    return max(0.0, total) / (pairs * (1 - expected) ** 4)
