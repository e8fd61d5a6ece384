"""Which frames are laid upon each other, of those that the indexes propose."""

import pytest

from app.fingerprints import proposing
from app.fingerprints.feature_index import Candidate


def test_frames_when_more_are_proposed_than_are_laid_upon_each_other_then_those_with_most_votes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proposing, "MOMENTS_IN_ALL", 3)
    votes = [("a", 0, 900), ("b", 0, 700), ("a", 1_000, 600), ("c", 0, 500), ("a", 2_000, 400)]
    candidates = [Candidate(blob, time_ms, time_ms, "identity", count) for blob, time_ms, count in votes]

    found = proposing._with_moments({"by hashes"}, candidates)

    assert found == {"by hashes": [], "a": [(0, 0), (1_000, 1_000)], "b": [(0, 0)]}
