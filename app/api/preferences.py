"""What you want to be offered: for your own eyes."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.evidence_shapes import Language
from app.api.http import Input, Requires, Shape, reading, working
from app.api.problems import problem_responses
from app.verification import preferences
from app.verification.preferences import Wanted

router = APIRouter(prefix="/v1/me", tags=["Safety"])

SignedIn = Annotated[Actor, Depends(Requires(Operation.SIGNED_IN))]
Setter = Annotated[Actor, Depends(Requires(Operation.SET_PREFERENCES))]

OptOut = Literal["child", "sexual_violence", "distressing_audio"]
_EXAMPLE: dict[str, Any] = {"languages": ["uk", "ru"], "graphic_level_at_most": "mild", "opt_outs": ["child"]}


class PreferencesInput(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    languages: list[Language] = Field(
        default_factory=list, max_length=50, description="Those you know, as ISO 639 codes; empty: any."
    )
    graphic_level_at_most: Literal["none", "mild"] | None = Field(
        default=None, description="The most graphic that your queue offers; null: anything."
    )
    opt_outs: list[OptOut] = Field(
        default_factory=list, max_length=3, description="Labels of what your queue does not offer."
    )


class PreferencesShape(Shape):
    """Your languages and opt-outs."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    languages: list[str]
    graphic_level_at_most: Literal["none", "mild"] | None
    opt_outs: list[OptOut]


@router.get(
    "/preferences",
    name="getPreferences",
    summary="Read your preferences",
    response_model=PreferencesShape,
    responses=problem_responses(401, 403, 422),
)
def get_preferences(request: Request, actor: SignedIn) -> PreferencesShape:
    """Nobody else sees them, in any answer, entry or log: they shape what your queue offers, and nothing besides."""
    with reading(request) as session:
        return PreferencesShape.model_validate(preferences.get_preferences(session, actor))


@router.put(
    "/preferences",
    name="setPreferences",
    summary="Set your preferences",
    response_model=PreferencesShape,
    responses=problem_responses(401, 403, 422),
)
def set_preferences(body: PreferencesInput, request: Request, actor: Setter) -> PreferencesShape:
    """All of them at once; a member that is left out is as if empty. No custody entry is written: an entry stays for
    ever. What nobody has labelled yet is not offered to who opts out of anything; what a coordinator assigned to you
    is, and you may give it back without a reason (`DELETE /v1/evidence/{id}/assignment`)."""
    wanted = Wanted(
        tuple(dict.fromkeys(body.languages)), body.graphic_level_at_most, tuple(dict.fromkeys(body.opt_outs))
    )
    with working(request) as uow:
        preferences.set_preferences(uow, actor, wanted)
        uow.commit()
    return PreferencesShape.model_validate(wanted)
