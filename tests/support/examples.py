"""What is tried of many: of a property's examples a third in `make test`, all in `make check` and `make fuzz`."""

import os
from collections.abc import Collection, Iterable
from typing import Any

import pytest
from hypothesis import settings

PROFILE = "EXHIBIT_HYPOTHESIS_PROFILE"
USUAL = 100
"""What a property is tried on that asks for no number."""
FEWEST = 10


def examples(count: int) -> int:
    """For ``max_examples``: this many, or a third of it in `make test`, where they are the same ones every time."""
    return count if is_thorough() else min(count, max(FEWEST, count // 3))


def is_thorough() -> bool:
    """Whether this run is to try all that there is: `make check` the same every time, `make fuzz` something new."""
    return os.environ.get(PROFILE) in ("thorough", "fuzz")


def load_profile() -> None:
    """No test is timed: machines are noisy. The same examples every time: whoever changes nothing gets the answer of
    before; but for `make fuzz`."""
    settings.register_profile("exhibit", deadline=None, derandomize=True, max_examples=examples(USUAL))
    settings.register_profile("thorough", deadline=None, derandomize=True)
    settings.register_profile("fuzz", deadline=None)
    settings.load_profile(os.environ.get(PROFILE, "exhibit"))


def all_but_slow(every: Iterable[Any], slow: Collection[Any]) -> list[Any]:
    """For ``parametrize``: all of them; `make test` leaves out those that are slow, `make check` tries these."""
    return [pytest.param(each, marks=pytest.mark.thorough) if each in slow else each for each in every]
