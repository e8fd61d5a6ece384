"""Agreement against scikit-learn's and statsmodels' kappa: another's code, on tables of every shape."""

import random
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from app.verification.kappa import agreement

WORDS = ("established", "partly_established", "not_established", "contradicted", "not_applicable")


def tables() -> list[list[tuple[str, str]]]:
    """Two hundred, of two to five answers, from hardly any agreement to nearly full; the same each time."""
    chance = random.Random(20261126)
    found: list[list[tuple[str, str]]] = []
    while len(found) < 200:
        words, share, count = WORDS[: chance.randint(2, 5)], chance.random(), chance.randint(5, 120)
        first = [chance.choice(words) for _ in range(count)]
        pairs = [(one, one if chance.random() < share else chance.choice(words)) for one in first]
        if agreement(pairs).kappa is not None:
            found.append(pairs)
    return found


def test_kappa_when_computed_by_others_then_the_same_number_and_the_same_interval() -> None:
    intervals = 0
    for pairs in tables():
        ours = agreement(pairs)
        assert ours.kappa == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=1e-12)
        if ours.interval is None:
            continue  # Agreement everywhere: theirs warns of the root of a number just below 0.
        answers = sorted({answer for pair in pairs for answer in pair})
        cells = Counter(pairs)
        theirs = cohens_kappa(np.array([[cells[row, column] for column in answers] for row in answers]))
        assert ours.kappa == pytest.approx(theirs.kappa, abs=1e-12)
        intervals += 1
        within = max(-1.0, theirs.kappa_low), min(1.0, theirs.kappa_upp)
        assert ours.interval == pytest.approx(within, abs=1e-9)
    assert intervals > 150
