"""A measurement that is taken in steps: nothing is asked twice, nothing that was finished is lost."""

from pathlib import Path

from benchmarks.matching_kept import Kept
from benchmarks.matching_scores import Answered

ANSWER = Answered("r1", 2.5, is_match=True, tier="same_picture", spans=((1.0, 2.5),))


def test_step_when_the_one_before_was_killed_then_all_that_it_finished_counts(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.made_case("case", "token")
    kept.uploaded("item", "references/a.jpg")
    kept.answered("queries/a.jpg", [ANSWER])
    with (tmp_path / "answers.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"file": "queries/b.jpg", "ans')  # Cut off.

    Kept(tmp_path).answered("queries/c.jpg", [])
    again = Kept(tmp_path)

    assert (again.case, again.items) == (("case", "token"), {"item": "references/a.jpg"})
    assert again.answers == {"queries/a.jpg": [ANSWER], "queries/c.jpg": []}


def test_peers_when_asked_the_same_again_then_answer_what_they_did(tmp_path: Path) -> None:
    asked = []

    def ask() -> dict[str, dict[str, list[Answered]]]:
        asked.append(1)
        return {"peer": {"queries/a.jpg": [ANSWER]}}

    for question in ({"queries": ["a"]}, {"queries": ["a"]}, {"queries": ["b"]}):
        assert Kept(tmp_path).peers(question, ask) == {"peer": {"queries/a.jpg": [ANSWER]}}
    assert len(asked) == 2
