"""What is claimed of matching is counted here: by hand on few pairs."""

from typing import Any

import pytest

from benchmarks.matching_scores import Answered, score

REFERENCES = ["a", "b", "c", "d"]


def query(file: str, *sources: str, edit: str = "cropped", kind: str = "photograph", **span: Any) -> dict[str, Any]:
    times = {"query_from_s": 0.0, "query_to_s": 10.0, "from_s": 0.0, "to_s": 10.0} | span
    told = [{"reference": name, **times} for name in sources]
    return {"file": file, "kind": kind, "edit": edit, "of": "a", "sources": told}


def found(name: str, score: float = 2.0, tier: str = "same_picture", **more: Any) -> Answered:
    return Answered(name, score, is_match=True, tier=tier, **more)


def test_recall_counts_pairs_that_were_answered_of_those_that_are_true() -> None:
    scores = score([query("1", "a"), query("2", "a", "b")], REFERENCES, {"1": [found("a")], "2": [found("b")]})
    assert (scores.edits["cropped"].pairs, scores.edits["cropped"].found) == (3, 2)
    assert scores.missed_files == ["2 → a"]
    assert scores.wrong == 0


def test_a_source_that_is_no_reference_is_expected_of_nobody() -> None:
    scores = score([query("1", "a", "z", kind="video")], REFERENCES, {"1": [found("a")]})
    assert (scores.all.pairs, scores.all.spans, scores.missed_files) == (1, 1, [])


def test_wrong_pairs_are_told_by_tier_and_for_queries_that_match_nothing() -> None:
    answers = {"1": [found("c")], "2": [found("d", 1.0, "likely")], "3": []}
    scores = score([query("1"), query("2"), query("3")], REFERENCES, answers)
    assert (scores.pairs, scores.wrong, scores.wrong_firm) == (12, 2, 1)
    assert (scores.nothing, scores.nothing_answered, scores.nothing_firm) == (3, 2, 1)
    assert scores.nothing_likely_share == pytest.approx(1 / 3)


def test_another_piece_of_the_same_film_counts_as_neither_true_nor_wrong() -> None:
    references = ["f-0", "f-8", "g"]
    row = {**query("1", "f-8", kind="video"), "of": "f-8"}
    scores = score([row], references, {"1": [found("f-0", 3.0), found("f-8"), found("g", 1.0)]})
    assert (scores.pairs, scores.all.recall, scores.wrong_files) == (2, 1.0, ["1 → g (same_picture)"])
    assert scores.recall_at_no_wrong == 1.0


def test_what_an_inset_is_shown_beside_counts_by_itself() -> None:
    scores = score([query("1", "a", "b", edit="picture_in_picture")], REFERENCES, {"1": [found("b")]})
    assert scores.edits["picture_in_picture"].recall == 0
    assert scores.edits["picture_in_picture (around it)"].recall == 1


def test_precision_is_averaged_over_all_pairs_of_all_queries_the_surest_first() -> None:
    near = Answered("b", 1.5, is_match=False)
    answers = {"1": [found("a", 3.0), near], "2": [found("a", 1.0)]}
    scores = score([query("1", "a"), query("2", "a")], REFERENCES, answers)
    assert scores.micro_ap == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert scores.recall_at_99 == scores.recall_at_no_wrong == 0.5
    assert scores.wrong == 0


def test_of_equally_sure_pairs_the_wrong_one_counts_first() -> None:
    scores = score([query("1", "a")], REFERENCES, {"1": [found("a"), found("b")]})
    assert scores.micro_ap == 0.5
    assert scores.recall_at_no_wrong == 0


@pytest.mark.parametrize(("spans", "is_named"), [(((0, 5),), True), (((0, 3), (1, 4)), False), ((), False)])
def test_a_span_is_named_by_half_of_its_seconds_overlaps_counted_once(spans: Any, is_named: bool) -> None:
    answers = {"1": [found("a", spans=spans)]}
    scores = score([query("1", "a", kind="video")], REFERENCES, answers)
    assert scores.edits["cropped"].spans_found == is_named


def test_footage_played_backwards_is_named_as_well() -> None:
    asked = query("1", "a", kind="video", from_s=10.0, to_s=0.0)
    assert score([asked], REFERENCES, {"1": [found("a", spans=((2, 10),))]}).all.spans_found == 1
