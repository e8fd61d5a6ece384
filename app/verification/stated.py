"""A finding as its author states it, whole or as a draft that lacks something still. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from app.incidents.rules import PlacePrecision
from app.kernel.primitives import format_time
from app.verification.references import Reference
from app.verification.rules import (
    Confidence,
    Dimension,
    FindingResult,
    Method,
    Point,
    TimePrecision,
    require_fitting_precision,
    require_methods,
)

NEEDED = ("result", "confidence", "rationale")


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

    @property
    def missing(self) -> list[str]:
        """What a finding needs and this lacks."""
        return [name for name in NEEDED if getattr(self, name) is None]

    def require_fit(self) -> None:
        """What is stated fits together. Raises PrecisionDoesNotFit, MethodsMissing."""
        require_fitting_precision(self.dimension, self.place_precision, self.time_precision, self.point)
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
        )


def _word(words: Any, value: str | None) -> Any:
    return None if value is None else words(value)
