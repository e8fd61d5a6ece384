"""Recall, wrong pairs, micro-AP: what was answered against what is true. Pure.

A pair is a query and a reference. Of an edit, recall is the share of its true pairs that were answered; where the
source is shown beside others (an inset, a collage), what it is shown beside counts by itself, as ``… (around it)``.
Pieces of one film (``1a2b3c4d-8``, ``1a2b3c4d-16``) share shots, also one that the cut between them goes through:
whether one is found by another is nobody's merit and nobody's fault, and counts as neither.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FIRM = ("exact", "same_picture")
AROUND = " (around it)"
INSETS = ("picture_in_picture", "reaction")
NOTHING = "(matches nothing)"


@dataclass(frozen=True, slots=True)
class Answered:
    """A reference that was answered. ``score``: the higher the surer, over all queries alike."""

    reference: str
    score: float
    is_match: bool
    tier: str = ""
    spans: tuple[tuple[float, float], ...] = ()
    """Of videos: which seconds of the reference, from and to."""


Answers = Mapping[str, Sequence[Answered]]
"""By the query's file."""


@dataclass
class Edit:
    pairs: int = 0
    found: int = 0
    firm: int = 0
    spans: int = 0
    spans_found: int = 0

    @property
    def recall(self) -> float:
        return self.found / self.pairs if self.pairs else 0.0


@dataclass
class Scores:
    edits: dict[str, Edit] = field(default_factory=dict)
    pairs: int = 0
    """Of query and reference, all that there are."""
    wrong: int = 0
    wrong_firm: int = 0
    nothing: int = 0
    """Queries that match nothing."""
    nothing_answered: int = 0
    nothing_firm: int = 0
    micro_ap: float = 0.0
    recall_at_99: float = 0.0
    recall_at_no_wrong: float = 0.0
    missed_files: list[str] = field(default_factory=list)
    wrong_files: list[str] = field(default_factory=list)

    @property
    def all(self) -> Edit:
        return _sum(self.edits.values())

    def as_json(self) -> dict[str, Any]:
        edits = {name: vars(edit) | {"recall": edit.recall} for name, edit in self.edits.items()}
        return vars(self) | {"edits": edits, "recall": self.all.recall, "likely_of_nothing": self.nothing_likely_share}

    @property
    def nothing_likely_share(self) -> float:
        return (self.nothing_answered - self.nothing_firm) / self.nothing if self.nothing else 0.0


def _sum(edits: Iterable[Edit]) -> Edit:
    total = Edit()
    for edit in edits:
        for name, value in vars(edit).items():
            setattr(total, name, getattr(total, name) + value)
    return total


def score(queries: Sequence[Mapping[str, Any]], references: Sequence[str], answers: Answers) -> Scores:
    """``queries``: rows of the corpus's manifest. A query without an answer found nothing; a source that
    is not among the references cannot be found."""
    scores, there = Scores(), set(references)
    ranked: list[tuple[float, bool]] = []
    for row in queries:
        truth = {source["reference"] for source in row["sources"]} & there
        same_film = _same_film(row, there) - truth
        answered = {one.reference: one for one in answers.get(row["file"], ()) if one.reference not in same_film}
        matched = {name: one for name, one in answered.items() if one.is_match}
        scores.pairs += len(references) - len(same_film)
        ranked += [(one.score, name in truth) for name, one in answered.items()]
        _count_wrong(scores, row, matched, truth)
        for name in sorted(truth):
            edit = scores.edits.setdefault(edit_of(row, name), Edit())
            edit.pairs += 1
            if name in matched:
                edit.found += 1
                edit.firm += matched[name].tier in FIRM
            elif not edit_of(row, name).endswith(AROUND):
                scores.missed_files.append(f"{row['file']} → {name}")
        _count_spans(scores, row, matched, truth)
    scores.micro_ap, scores.recall_at_99, scores.recall_at_no_wrong = _ranked(ranked, scores.all.pairs)
    return scores


def film_of(name: str) -> str:
    return name.partition("-")[0]


def _same_film(row: Mapping[str, Any], references: Iterable[str]) -> set[str]:
    """Pieces of what the query shows pieces of."""
    shown = {film_of(row["of"]), *(film_of(source["reference"]) for source in row["sources"])}
    return {name for name in references if film_of(name) != name and film_of(name) in shown}


def edit_of(row: Mapping[str, Any], name: str) -> str:
    is_around = row["edit"] in INSETS and name != row["of"]
    return str(row["edit"]) + (AROUND if is_around else "")


def _count_wrong(scores: Scores, row: Mapping[str, Any], matched: Mapping[str, Answered], truth: set[str]) -> None:
    wrong = [one for name, one in matched.items() if name not in truth]
    firm = [one for one in wrong if one.tier in FIRM]
    scores.wrong += len(wrong)
    scores.wrong_firm += len(firm)
    scores.wrong_files += [f"{row['file']} → {one.reference} ({one.tier or 'match'})" for one in wrong]
    if not truth:
        scores.nothing += 1
        scores.nothing_answered += bool(wrong)
        scores.nothing_firm += bool(firm)


def _count_spans(scores: Scores, row: Mapping[str, Any], matched: Mapping[str, Answered], truth: set[str]) -> None:
    """A span is found when at least half of the reference's seconds that it covers are named."""
    if row["kind"] != "video":
        return
    for source in (one for one in row["sources"] if one["reference"] in truth):
        edit = scores.edits[edit_of(row, source["reference"])]
        begin, end = sorted((source["from_s"], source["to_s"]))
        edit.spans += 1
        answered = matched.get(source["reference"])
        named = () if answered is None else answered.spans
        edit.spans_found += end > begin and _covered(named, begin, end) >= 0.5 * (end - begin)


def _covered(spans: Iterable[tuple[float, float]], begin: float, end: float) -> float:
    covered, at = 0.0, begin
    for first, last in sorted(spans):
        covered += max(0.0, min(last, end) - max(first, at))
        at = max(at, min(last, end))
    return covered


def _ranked(ranked: Sequence[tuple[float, bool]], true_pairs: int) -> tuple[float, float, float]:
    """Micro average precision, recall at 99 % precision, and recall before the first wrong pair: over all pairs of all
    queries, the surest first; of equally sure ones the wrong first."""
    hits, average, at_99, at_first = 0, 0.0, 0, 0
    for place, (_, is_true) in enumerate(sorted(ranked, key=lambda one: (-one[0], one[1])), 1):
        if not is_true:
            continue
        hits += 1
        average += hits / place
        if hits >= 0.99 * place:
            at_99 = hits
        if hits == place:
            at_first = hits
    total = max(1, true_pairs)
    return average / total, at_99 / total, at_first / total
