"""What a verdict's author signs, and the signed envelope as it is kept."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, StringConstraints

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Input, Requires, reading
from app.api.incident_shapes import LongText
from app.api.problems import problem_responses
from app.api.signing_shapes import HEX32, KEYID, StatementShape, statement_shape
from app.verification import signing
from app.verification.dsse import ENVELOPE_MEDIA_TYPE
from app.verification.rules import Outcome

router = APIRouter(prefix="/v1/evidence/{evidence_id}/verdicts", tags=["Verification"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]
Verifier = Annotated[Actor, Depends(Requires(Operation.VERIFY))]


class VerdictToSign(Input):
    model_config = ConfigDict(
        strict=False,
        json_schema_extra={"examples": [{"keyid": KEYID, "outcome": "verified", "rationale": "The steps fit."}]},
    )

    keyid: Annotated[str, StringConstraints(pattern=HEX32)] = Field(description="Your bound key in this case.")
    outcome: Outcome
    rationale: LongText
    incident_id: UUID | None = None
    self_review: bool = Field(False, description="As you will submit it.")


ENVELOPE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The DSSE envelope, to the byte: its SHA-256 stands in the verdict's custody entry.",
        "content": {ENVELOPE_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    **problem_responses(401, 403, 404, 422),
}


@router.post(
    "/statement",
    name="prepareVerdict",
    summary="Get the statement to sign for a verdict",
    response_model=StatementShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def prepare_verdict(evidence_id: UUID, body: VerdictToSign, request: Request, actor: Verifier) -> StatementShape:
    """As things stand now: sign it with your key, then submit the same verdict with the envelope, before a finding or
    another version is added. Nothing is recorded by asking."""
    with reading(request) as session:
        statement = signing.prepare_verdict(session, actor, evidence_id, **body.model_dump())
    return statement_shape(statement.payload(), body.keyid)


@router.get(
    "/{verdict_id}/envelope",
    name="getVerdictEnvelope",
    summary="Get a verdict as its author signed it",
    response_class=Response,
    responses=ENVELOPE_RESPONSES,
)
def get_verdict_envelope(evidence_id: UUID, verdict_id: UUID, request: Request, actor: Reader) -> Response:
    """Check it with any DSSE library and the key. Without one, 404 `envelope_not_kept`: not signed, or erased."""
    with reading(request) as session:
        content = signing.get_envelope(session, actor, evidence_id, verdict_id)
    return Response(content, media_type=ENVELOPE_MEDIA_TYPE)
