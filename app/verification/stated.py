"""A finding as its author states it, whole or as a draft that lacks something still. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from app.incidents.rules import PlacePrecision
from app.kernel.primitives import format_time
from app.verification.errors import AnswerDoesNotFit
from app.verification.references import Reference
from app.verification.rules import (
    SAYS_SOMETHING,
    Confidence,
    Dimension,
    FindingResult,
    Method,
    Point,
    RecycledAnswer,
    TimePrecision,
    require_fitting_precision,
    require_methods,
)

NEEDED = ("result", "confidence", "rationale")


class Answer(NamedTuple):
    """To the question that an earlier appearance of the same pictures opens, by the match that shows it."""

    match_id: UUID
    answer: RecycledAnswer
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stated:
    """``dimension`` is always there; of the rest a draft may lack what it likes."""

    dimension: Dimension
    result: FindingResult | None = None
    confidence: Confidence | None = None
    methods: tuple[Method, ...] = ()
    rationale: str | None = None
    references: tuple[Reference, ...] = ()
    place_precision: PlacePrecision | None = None
    point: Point | None = None
    time_precision: TimePrecision | None = None
    recycled: tuple[Answer, ...] = ()

    @property
    def missing(self) -> list[str]:
        """What a finding needs and this lacks."""
        lacking = [name for name in NEEDED if getattr(self, name) is None]
        return [*lacking, "methods"] if self.result in SAYS_SOMETHING and not self.methods else lacking

    def require_fit(self) -> None:
        """What is stated fits together. Raises PrecisionDoesNotFit, MethodsMissing, AnswerDoesNotFit."""
        require_fitting_precision(self.dimension, self.place_precision, self.time_precision, self.point)
        if self.recycled and self.dimension is not Dimension.PROVENANCE:
            raise AnswerDoesNotFit("Only a finding on 'provenance' says what an earlier appearance means.")
        for each in self.recycled:
            if each.answer is RecycledAnswer.NOT_RECYCLED and each.reason is None:
                raise AnswerDoesNotFit("'not_recycled' needs its reason.")
        if self.result is not None:
            require_methods(self.result, self.methods)

    def document(self) -> dict[str, Any]:
        """As a draft keeps it: what is stated, in JSON."""
        time = self.time_precision
        stated = {
            "result": self.result,
            "confidence": self.confidence,
            "methods": [str(method) for method in self.methods],
            "rationale": self.rationale,
            "references": [reference.document() for reference in self.references],
            "place_precision": self.place_precision,
            "point": None if self.point is None else list(self.point),
            "time_precision": None
            if time is None
            else [format_time(time.from_), format_time(time.to), time.zone, time.basis],
            "recycled": [[str(each.match_id), str(each.answer), each.reason] for each in self.recycled],
        }
        return {name: value for name, value in stated.items() if value not in (None, [])}

    @classmethod
    def of(cls, dimension: str, document: Mapping[str, Any]) -> Self:
        """What :meth:`document` gave."""
        time = document.get("time_precision")
        point = document.get("point")
        return cls(
            dimension=Dimension(dimension),
            result=_word(FindingResult, document.get("result")),
            confidence=_word(Confidence, document.get("confidence")),
            methods=tuple(Method(method) for method in document.get("methods", ())),
            rationale=document.get("rationale"),
            references=tuple(Reference.of(each) for each in document.get("references", ())),
            place_precision=_word(PlacePrecision, document.get("place_precision")),
            point=None if point is None else Point(*point),
            time_precision=None
            if time is None
            else TimePrecision(datetime.fromisoformat(time[0]), datetime.fromisoformat(time[1]), time[2], time[3]),
            recycled=tuple(
                Answer(UUID(match), RecycledAnswer(answer), reason)
                for match, answer, reason in document.get("recycled", ())
            ),
        )


def _word(words: Any, value: str | None) -> Any:
    return None if value is None else words(value)
