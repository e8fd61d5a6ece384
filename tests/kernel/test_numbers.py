"""Arrays of numbers: what is joined all at once is what is joined one after the other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprints.graph import Sets
from app.kernel.numbers import joined

SOME = st.integers(0, 12) | st.integers(2**40, 2**40 + 3)


@given(st.lists(st.tuples(SOME, SOME), max_size=24))
def test_pairs_when_joined_then_each_number_goes_by_the_smallest_of_its_set(pairs: list[tuple[int, int]]) -> None:
    one, other = np.array(pairs, np.int64).reshape(-1, 2).T
    sets = Sets()
    for pair in pairs:
        sets.join(*pair)
    every = sorted({number for pair in pairs for number in pair})
    numbers, names = joined(one, other)
    assert (numbers.tolist(), names.tolist()) == (every, [sets.find(number) for number in every])


def test_chain_when_long_and_in_any_order_then_is_one_set() -> None:
    links = np.random.default_rng(7).permutation(20_000)
    numbers, names = joined(links, links + 1)
    assert len(numbers) == 20_001
    assert not names.any()
