"""The filters of a question for figures, as query parameters; and the question out of an answer that somebody kept."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from app.api.http import Moment
from app.api.statistics import Cases
from app.facts.errors import FilterUnreadable
from app.facts.filters import read_box, read_near
from app.facts.words import AttackPattern, ObjectKind, PersonGroup
from app.figures.places import CONTESTED, UNKNOWN
from app.figures.query import MAXIMUM_LEVEL, Filters
from app.figures.words import By
from app.gradings.rules import Grade, Qualifier
from app.incidents.rules import IncidentKind
from app.media.welfare import FLAGS, LABEL_NAMES
from app.verification.rules import Method, Outcome

LABELS = tuple(name for name in LABEL_NAMES if name.startswith("graphic_") or name in FLAGS)
_TEXT = r"^[^\x00]*$"


def _split(given: str) -> list[str]:
    return [word.strip() for word in given.split(",")]


def _words_among(known: Iterable[str]) -> Callable[[str], str]:
    words = frozenset(str(word) for word in known)

    def check(given: str) -> str:
        if not words.issuperset(_split(given)):
            raise PydanticCustomError(
                "words", "Give one or more of {words}, with a comma between two", {"words": ", ".join(sorted(words))}
            )
        return given

    return check


def _ids(given: str) -> str:
    try:
        for word in _split(given):
            UUID(word)
    except ValueError as error:
        raise PydanticCustomError("ids", "Give ids, with a comma between two") from error
    return given


def _controllers(given: str) -> str:
    _ids(",".join(word for word in _split(given) if word not in (CONTESTED, UNKNOWN)) or str(UUID(int=0)))
    return given


def _optional(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda given: None if given is None else check(given))


def _words(known: Iterable[str]) -> AfterValidator:
    return _optional(_words_among(known))


def _several(about: str) -> Any:
    return Query(max_length=2000, description=f"{about} One or more, with a comma between two.")


async def figure_filters(
    incident: Annotated[str | None, _optional(_ids), _several("Only the incidents of these ids.")] = None,
    kind: Annotated[str | None, _words(IncidentKind), _several("Of these kinds.")] = None,
    weapon: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            pattern=_TEXT,
            description="Of which a source names this weapon: as normalised or as reported, in Latin or Cyrillic.",
        ),
    ] = None,
    object_kind: Annotated[str | None, _words(ObjectKind), _several("Of which one of these objects was hit.")] = None,
    protected_object: Annotated[
        str | None, _words(ObjectKind), _several("Of which one of these was hit, and the law protects it specially.")
    ] = None,
    protected_person: Annotated[
        str | None, _words(PersonGroup), _several("Of which a source counts victims in one of these groups.")
    ] = None,
    attack_pattern: Annotated[str | None, _words(AttackPattern), _several("Attacked in one of these patterns.")] = None,
    control: Annotated[
        str | None,
        _optional(_controllers),
        _several("Where one of these held the place at its time: ids of organisations, `contested`, `unknown`."),
    ] = None,
    grading: Annotated[str | None, _words(Grade), _several("Graded so.")] = None,
    provision: Annotated[
        str | None,
        Query(
            max_length=2000,
            pattern=_TEXT,
            description="To which one of these provisions applies by somebody's word; codes, with a comma between two.",
        ),
    ] = None,
    qualifier: Annotated[str | None, _words(Qualifier), _several("Legally classified so far.")] = None,
    method: Annotated[
        str | None,
        _words(Method),
        _several("Items whose verdict rests on one of these methods; incidents that have such an item."),
    ] = None,
    label: Annotated[
        str | None, _words(LABELS), _several("Items with one of these labels; incidents that have such an item.")
    ] = None,
    verdict: Annotated[
        str | None, _words((Outcome.VERIFIED,)), _several("`verified`: incidents that have a verified item.")
    ] = None,
    occurred_from: Annotated[Moment | None, Query(description="It surely happened then or later.")] = None,
    occurred_before: Annotated[Moment | None, Query(description="It surely happened before.")] = None,
    area: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=500,
            pattern=_TEXT,
            description="Within these administrative units, from the country downwards, with `/` between two; in any "
            "spelling that folds to the same.",
            examples=["Ukraine/Kyiv"],
        ),
    ] = None,
    near: Annotated[
        str | None,
        Query(
            max_length=40, description="Latitude and longitude in degrees; with `radius_m`.", examples=["50.45,30.52"]
        ),
    ] = None,
    radius_m: Annotated[int | None, Query(ge=1, le=20_100_000, description="Its point lies so near to `near`.")] = None,
    box: Annotated[
        str | None,
        Query(
            max_length=80,
            description="Its point lies within south,west,north,east in degrees; a west greater than its east goes "
            "across the 180th meridian.",
            examples=["44.0,22.0,52.5,40.3"],
        ),
    ] = None,
) -> Filters:
    """Raises FilterUnreadable."""
    if (near is None) != (radius_m is None):
        raise FilterUnreadable("'near' and 'radius_m' are given together.")
    return Filters(
        incident=frozenset(UUID(word) for word in _split(incident or "") if word),
        kind=_set(kind),
        weapon=weapon,
        object_kind=_set(object_kind),
        protected_object=_set(protected_object),
        protected_person=_set(protected_person),
        attack_pattern=_set(attack_pattern),
        control=frozenset(word.lower() for word in _set(control)),
        grading=_set(grading),
        provision=_set(provision),
        qualifier=_set(qualifier),
        method=_set(method),
        label=_set(label),
        verdict=_set(verdict),
        occurred_from=occurred_from,
        occurred_before=occurred_before,
        area=tuple(unit.strip() for unit in (area or "").split("/") if unit.strip()),
        near=None if near is None or radius_m is None else read_near(near, radius_m),
        box=None if box is None else read_box(box),
    )


def _set(given: str | None) -> frozenset[str]:
    return frozenset(word for word in _split(given or "") if word)


FigureCases = Cases
Series = Annotated[By | None, Query(description="By what the figure is parted into a series; without it: the total.")]
Level = Annotated[
    int, Query(ge=1, le=MAXIMUM_LEVEL, description="Of `by=place`: which administrative unit, the country being 1.")
]
