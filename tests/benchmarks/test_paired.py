"""A paired comparison: sees a small effect in noise that is much larger, and none where there is none."""

import numpy as np
import pytest

from benchmarks.paired import effect

PAIRS = 100


def pairs(share: float, seed: int) -> tuple[list[float], list[float]]:
    """Costs of very unlike files, the first of each pair so much larger; each with 4 % of noise, a few disturbed."""
    chance = np.random.default_rng(seed)
    costs = chance.uniform(50, 800, PAIRS)
    noise = np.exp(chance.normal(0, 0.04, (2, PAIRS)))
    noise[chance.integers(2, size=5), chance.integers(PAIRS, size=5)] *= 2
    return list(costs * (1 + share) * noise[0]), list(costs * noise[1])


@pytest.mark.parametrize("share", [0.02, -0.02])
def test_effect_when_it_is_two_percent_then_is_seen_and_lies_in_its_interval(share: float) -> None:
    found = [effect(*pairs(share, seed)) for seed in range(40)]
    assert sum(one.low <= share <= one.high for one in found) >= 36
    assert sum(one.is_seen and one.p < 0.05 for one in found) >= 34


def test_effect_when_there_is_none_then_is_seen_as_seldom_as_its_confidence_says() -> None:
    found = [effect(*pairs(0, seed)) for seed in range(100)]
    assert 1 <= sum(one.is_seen for one in found) <= 11
    assert all(one.is_seen == (one.p < 0.05) for one in found if abs(one.p - 0.05) > 0.005)


def test_effect_when_the_sides_are_equal_then_is_nothing() -> None:
    found = effect([7.0] * PAIRS, [7.0] * PAIRS)
    assert (found.share, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_effect_when_pairs_are_few_then_is_refused() -> None:
    with pytest.raises(ValueError, match="9 pairs"):
        effect([1.0] * 9, [2.0] * 9)
