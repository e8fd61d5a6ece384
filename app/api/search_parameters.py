"""By what lists of incidents and of items are narrowed, as query parameters: the same names as those of figures.

Each may be given several times: one of its words is enough. Of different ones all must hold.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, StringConstraints

from app.api.evidence_shapes import Digest
from app.api.http import Moment
from app.api.incident_shapes import Code
from app.facts.errors import FilterUnreadable
from app.facts.filters import read_box, read_near
from app.facts.words import AttackPattern, ObjectKind, PersonGroup
from app.gradings.rules import Grade
from app.gradings.vocabularies import PROVISIONS
from app.incidents.rules import MAXIMUM_RADIUS_M, IncidentKind
from app.media.rules import FingerprintStatus, State
from app.search.filters import IncidentFilters, Interval, ItemFilters
from app.verification.rules import Outcome

LabelName = Literal[
    "unlabelled",
    "graphic_none",
    "graphic_mild",
    "graphic_severe",
    "child",
    "sexual_violence",
    "distressing_audio",
]
MediaKind = Literal["image", "video"]
MOST = 40
"""Times that a parameter is given."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


def _known_provision(code: str) -> str:
    if code not in PROVISIONS.by_code:
        raise ValueError("no code of the vocabulary; GET /v1/vocabularies/provisions lists them")
    return code


Provision = Annotated[str, StringConstraints(max_length=100), AfterValidator(_known_provision)]


def _any_of(about: str, **more: Any) -> Any:
    return Query(max_length=MOST, description=f"{about} Given several times: one of them.", **more)


Text = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=500,
        pattern=r"^[^\x00]*$",
        description="All these words stand in its texts, in any script, whatever their case and accents; `Khar*` "
        "stands for all words that begin so, and a designation of a weapon for all its spellings.",
        examples=["лікарня Kh-101"],
    ),
]
States = Annotated[list[State] | None, _any_of("In this state.")]
Labels = Annotated[list[LabelName] | None, _any_of("With this label.")]
Verdicts = Annotated[
    list[Outcome] | None,
    _any_of("Whose verdict that stands, or waits for its review, is this; none of a blind round that is pending."),
]
SimilarTo = Annotated[UUID | None, Query(description="Resembling this item of the case: by the matches found.")]
SimilarSearch = Annotated[
    UUID | None,
    Query(description="Resembling the file of this search, which `POST /v1/similar` gave and which is done."),
]
OccurredFrom = Annotated[Moment | None, Query(description="Its interval ends then or later.")]


async def of_incidents(
    weapon: Annotated[
        list[Name] | None,
        _any_of(
            "Of which a source names this weapon: as reported or as normalised, in any spelling.", examples=[["Х-101"]]
        ),
    ] = None,
    object_kind: Annotated[list[ObjectKind] | None, _any_of("Of which such an object was hit.")] = None,
    protected_object: Annotated[
        list[ObjectKind] | None, _any_of("Of which such an object was hit, and the law protects it specially.")
    ] = None,
    protected_person: Annotated[
        list[PersonGroup] | None, _any_of("Of which a source counts victims in this group.")
    ] = None,
    attack_pattern: Annotated[list[AttackPattern] | None, _any_of("Attacked in this pattern.")] = None,
    grading: Annotated[list[Grade] | None, _any_of("Its present grading.")] = None,
    provision: Annotated[
        list[Provision] | None, _any_of("To which this provision applies by somebody's word; its code.")
    ] = None,
    near: Annotated[
        str | None,
        Query(
            max_length=40, description="Latitude and longitude in degrees; with `radius_m`.", examples=["50.45,30.52"]
        ),
    ] = None,
    radius_m: Annotated[
        int | None, Query(ge=1, le=MAXIMUM_RADIUS_M, description="Its point lies so near to `near`.")
    ] = None,
    box: Annotated[
        str | None,
        Query(
            max_length=80,
            description="Its point lies within south,west,north,east in degrees; a west greater than its east goes "
            "across the 180th meridian.",
            examples=["44.0,22.0,52.5,40.3"],
        ),
    ] = None,
) -> IncidentFilters:
    """What both lists ask of incidents. Raises FilterUnreadable."""
    if (near is None) != (radius_m is None):
        raise FilterUnreadable("'near' and 'radius_m' are given together.")
    return IncidentFilters(
        weapon=_words(weapon),
        object_kind=_words(object_kind),
        protected_object=_words(protected_object),
        protected_person=_words(protected_person),
        attack_pattern=_words(attack_pattern),
        grading=_words(grading),
        provision=_words(provision),
        near=None if near is None or radius_m is None else read_near(near, radius_m),
        box=None if box is None else read_box(box),
    )


OF_BOTH = ("state", "label", "verdict", "similar_to", "similar_search")


async def of_items(
    state: States = None,
    label: Labels = None,
    verdict: Verdicts = None,
    similar_to: SimilarTo = None,
    similar_search: SimilarSearch = None,
) -> ItemFilters:
    """What both lists ask of items."""
    return ItemFilters(
        state=_words(state),
        label=_words(label),
        verdict=_words(verdict),
        similar_to=similar_to,
        similar_search=similar_search,
    )


def _words(given: list[Any] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(word) for word in given or ()))


async def incident_list(
    kind: Annotated[list[IncidentKind] | None, _any_of("Of this kind.")] = None,
    code: Annotated[Code | None, Query()] = None,
    occurred_from: OccurredFrom = None,
    occurred_after: Annotated[Moment | None, Query(description="The same.", deprecated=True)] = None,
    occurred_before: Annotated[Moment | None, Query(description="Its interval begins then or earlier.")] = None,
    grade: Annotated[Grade | None, Query(description="The same as `grading`.", deprecated=True)] = None,
) -> IncidentFilters:
    """What the list of incidents asks besides."""
    given = [moment for moment in (occurred_from, occurred_after) if moment is not None]
    return IncidentFilters(
        kind=_words(kind),
        code=code,
        grading=() if grade is None else (grade,),
        occurred=Interval(from_=max(given, default=None), before=occurred_before),
    )


async def item_list(
    kind: Annotated[list[MediaKind] | None, _any_of("Of this kind.")] = None,
    fingerprint_status: Annotated[list[FingerprintStatus] | None, _any_of("Fingerprinted so far.")] = None,
    sha256: Annotated[Digest | None, Query()] = None,
    registered_after: Annotated[Moment | None, Query()] = None,
    registered_before: Annotated[Moment | None, Query()] = None,
    occurred_from: OccurredFrom = None,
    occurred_before: Annotated[Moment | None, Query(description="Its interval begins then or earlier.")] = None,
    incident: Annotated[UUID | None, Query(description="Linked to this incident of the case.")] = None,
    incident_kind: Annotated[list[IncidentKind] | None, _any_of("Linked to an incident of this kind.")] = None,
) -> tuple[ItemFilters, tuple[str, ...]]:
    """What the list of items asks besides; the interval is what is claimed of the item's time."""
    filters = ItemFilters(
        kind=_words(kind),
        fingerprint_status=_words(fingerprint_status),
        sha256=sha256,
        registered_after=registered_after,
        registered_before=registered_before,
        claimed=Interval(from_=occurred_from, before=occurred_before),
        incident=incident,
    )
    return filters, _words(incident_kind)
