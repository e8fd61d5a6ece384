"""Cohen's kappa against numbers worked out by hand, and against its definition."""

from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.verification.kappa import NORMAL_95, Agreement, Undefined, agreement

ANSWERS = st.sampled_from(["established", "contradicted", "not_established"])


def pairs(cells: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    return list(Counter(cells).elements())


def test_kappa_when_of_two_answers_then_as_by_hand() -> None:
    """Twenty and fifteen of fifty agree: 0.7 observed; 0.5 * 0.6 + 0.5 * 0.4 = 0.5 by chance; (0.7 - 0.5) / 0.5."""
    found = agreement(pairs({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}))
    assert (found.pairs, found.agreeing, found.observed) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)
    # Equation 13: on the diagonal 0.4 * (0.5 - 1.1 * 0.3)^2 + 0.3 * (0.5 - 0.9 * 0.3)^2 = 0.02743; off it
    # 0.09 * (0.1 * (0.6 + 0.5)^2 + 0.2 * (0.4 + 0.5)^2) = 0.02547; less (0.35 - 1 + 0.7)^2 = 0.0025; over 50 * 0.5^4.
    error = sqrt((0.02743 + 0.02547 - 0.0025) / (50 * 0.0625))
    assert found.interval == pytest.approx((0.4 - NORMAL_95 * error, 0.4 + NORMAL_95 * error))
    assert not found.is_rough


def test_kappa_when_both_always_gave_the_same_answer_then_undefined_and_said() -> None:
    assert agreement([("yes", "yes")] * 7) == Agreement(7, 7, 1.0, None, None, Undefined.NO_VARIATION)


def test_kappa_when_there_are_no_pairs_then_undefined_and_said() -> None:
    assert agreement([]) == Agreement(0, 0, None, None, None, Undefined.NO_PAIRS)


def test_kappa_when_all_agree_on_several_answers_then_one_without_an_interval() -> None:
    found = agreement([("yes", "yes"), ("no", "no"), ("no", "no")])
    assert (found.kappa, found.interval, found.is_rough) == (1.0, None, True)


def test_kappa_when_one_gave_one_answer_and_the_other_several_then_zero() -> None:
    """Chance agrees as often: that is defined, and 0."""
    assert agreement([("yes", "yes"), ("yes", "no")]).kappa == 0


@given(st.lists(st.tuples(ANSWERS, ANSWERS), max_size=60))
def test_kappa_when_of_any_answers_then_within_its_bounds_and_the_same_whoever_comes_first(
    answers: list[tuple[str, str]],
) -> None:
    found, turned = agreement(answers), agreement([(second, first) for first, second in answers])
    assert (found.kappa is None) is (found.undefined is not None)
    if found.kappa is not None:
        assert turned.kappa == pytest.approx(found.kappa)
        assert -1 <= found.kappa <= (found.observed or 0) <= 1
    if found.interval is not None and found.kappa is not None:
        assert turned.interval == pytest.approx(found.interval)
        assert -1 <= found.interval[0] <= found.kappa <= found.interval[1] <= 1
