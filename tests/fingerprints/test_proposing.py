"""Which frames are laid upon each other, of those that the indexes propose."""

import pytest

from app.fingerprints import finding, proposing
from app.fingerprints.feature_index import Candidate
from app.fingerprints.matching import Explanation
from app.fingerprints.proposing import Moments, Proposed


def test_frames_when_more_are_proposed_than_are_laid_upon_each_other_then_those_with_most_votes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proposing, "MOMENTS_IN_ALL", 3)
    votes = [("a", 0, 900), ("b", 0, 700), ("a", 1_000, 600), ("c", 0, 500), ("a", 2_000, 400)]
    candidates = [Candidate(blob, time_ms, time_ms, "identity", count) for blob, time_ms, count in votes]

    found = proposing._with_moments({"by hashes"}, candidates, is_picture=False)

    assert found == {"by hashes": [], "a": [(0, 0), (1_000, 1_000)], "b": [(0, 0)]}


@pytest.mark.parametrize("is_picture", [True, False], ids=["a picture", "a recording"])
def test_blobs_when_a_picture_agrees_with_them_by_chance_alone_then_only_the_first_few_are_laid_upon_it(
    is_picture: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposing, "MOST_BY_CHANCE", 2)
    votes = [
        ("chance 1", True),
        ("copy", False),
        ("chance 2", True),
        ("copy", True),
        ("chance 3", True),
        ("near", True),
    ]
    candidates = [
        Candidate(blob, 1_000 * place, 0, "identity", 900 - place, is_by_chance)
        for place, (blob, is_by_chance) in enumerate(votes)
    ]

    found = proposing._with_moments({"near"}, candidates, is_picture=is_picture)

    assert found["copy"] == [(0, 1_000), (0, 3_000)], "all frames of what more than chance speaks for"
    assert found["near"] == [(0, 5_000)], "hashes speak for it"
    assert set(found) - {"copy", "near"} == {"chance 1", "chance 2"} | ({"chance 3"} if not is_picture else set())


@pytest.mark.parametrize(
    ("copies", "asked"),
    [
        ([], [0, *range(1, 21)]),
        ([1, 20], [0, *range(1, 41)]),
        ([0, 1, 22], [0, *range(1, 22)]),
    ],
    ids=["none is a copy", "a copy after nineteen others", "a copy after twenty others"],
)
def test_what_points_alone_propose_when_twenty_one_after_the_other_are_nothing_then_no_more_is_looked_at(
    copies: list[int], asked: list[int]
) -> None:
    names = [f"{number:02}" for number in range(60)]
    candidates = Proposed({name: [(0, 0)] for name in reversed(names)})
    candidates.by_votes = names[1:]
    looked_at = list[int]()

    def with_other(name: str, _: Moments) -> Explanation | None:
        looked_at.append(int(name))
        return Explanation("same_picture", [], []) if int(name) in copies else None

    found = finding._explained(candidates, with_other)

    assert (looked_at, sorted(found)) == (asked, [names[one] for one in copies if one in asked])
