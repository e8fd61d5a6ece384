"""What an item's file says of itself, claim by claim."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field

from app.access.actors import Actor
from app.access.rules import Operation
from app.api.http import Requires, Shape, reading
from app.api.problems import problem_responses
from app.api.waiting import LedgerRoute
from app.media.claim_reading import ItemClaims, get_claims
from app.media.claims import NOTICE, Source

router = APIRouter(route_class=LedgerRoute, prefix="/v1/evidence", tags=["Evidence"])

Reader = Annotated[Actor, Depends(Requires(Operation.READ_METADATA))]

_OF_XMP = "0b9d3c4e5f60718293a4b5c6d7e8f9010a2b3c4d5e6f708192a3b4c5d6e7f809"
_COMMITMENT = "5f1c2d0a9b3e4c6d7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6"


class ClaimShape(Shape):
    """One claim of the file. Not a fact: whoever made the file, or changed it since, could write what they liked."""

    name: str = Field(description="Such as `taken_at`, `model`, `gps_latitude`, `body_serial_number`.")
    source: Source = Field(description="Where in the file it stands.")
    value: str | int | bool | None = Field(description="As the file says it, cut to a sane length; see `standing`.")
    standing: Literal["open", "disclosed", "withheld", "erased"] = Field(
        description="`open`: it identifies nobody. The others are sealed, because they identify a person, a place or a "
        "device: `disclosed` to you, who may read the original; `withheld` from you; `erased` for everybody."
    )
    moment: str | None = Field(
        description="A claimed time in ISO 8601, where it can be read. Without an offset its zone is unknown."
    )
    commitment: str | None = Field(
        description="The custody entry that seals it. A custodian erases the claim by it: "
        "`POST /v1/ledger/entries/{commitment}/erasures` with `name` as `field`. What another source states "
        "under the same name is another claim, sealed by another entry: erase each."
    )
    contradicted_by: list[Source] = Field(
        description="The other sources that state otherwise, of what is shown to you: a place farther off than 11 m "
        "(GPS, or a container's `location`), a height by a metre, a direction by a degree, a time by a second that no "
        "missing time zone explains, or other words."
    )


class ClaimsShape(Shape):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "evidence_id": "9414abb4-15b2-41bb-b83d-5df4cca27ec5",
                    "sha256": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
                    "notice": NOTICE,
                    "decoder": "heif/1.8.1 pillow/13.0.0",
                    "outcome": "decoded",
                    "claims": [
                        {
                            "name": "taken_at",
                            "source": "exif",
                            "value": "2024:05:06 07:08:09",
                            "standing": "open",
                            "moment": "2024-05-06T07:08:09.250+03:00",
                            "commitment": None,
                            "contradicted_by": [],
                        },
                        {
                            "name": "gps_latitude",
                            "source": "exif",
                            "value": "50.4501000",
                            "standing": "disclosed",
                            "moment": None,
                            "commitment": _COMMITMENT,
                            "contradicted_by": ["xmp"],
                        },
                        {
                            "name": "gps_latitude",
                            "source": "xmp",
                            "value": "50.5127000",
                            "standing": "disclosed",
                            "moment": None,
                            "commitment": _OF_XMP,
                            "contradicted_by": ["exif"],
                        },
                        {
                            "name": "body_serial_number",
                            "source": "exif",
                            "value": None,
                            "standing": "erased",
                            "moment": None,
                            "commitment": _COMMITMENT,
                            "contradicted_by": [],
                        },
                    ],
                }
            ]
        }
    )

    evidence_id: UUID
    sha256: str
    notice: str = Field(description="What to keep in mind, in words for people.")
    decoder: str = Field(description="The programs that read the file, with their versions.")
    outcome: str = Field(description="How decoding ended; a file that cannot be shown may still claim something.")
    claims: list[ClaimShape] = Field(description="Empty: the file says nothing that is known here.")


@router.get(
    "/{evidence_id}/claims",
    name="getClaims",
    summary="What the file says of itself",
    response_model=ClaimsShape,
    responses=problem_responses(401, 403, 404, 409, 422),
)
def get_item_claims(evidence_id: UUID, request: Request, actor: Reader) -> ClaimsShape:
    """Camera, times, place, size, codecs: claims, not facts, and where each stands: EXIF, XMP, IPTC, the
    container or its track. What several state is shown of each, and `contradicted_by` names those that state otherwise.

    Those that identify a person, a place or a device are shown to whoever may read the original, with a token made for
    content, here and in the custody log; everybody else sees that they are there.
    `claims_not_read` (404) until the file is decoded; `no_content` (409) for a lead.
    """
    with reading(request) as session:
        return _shape(get_claims(session, actor, evidence_id))


def _shape(found: ItemClaims) -> ClaimsShape:
    assert found.evidence.blob_sha256 is not None
    return ClaimsShape(
        evidence_id=found.evidence.id,
        sha256=found.evidence.blob_sha256,
        notice=NOTICE,
        decoder=found.decoder,
        outcome=found.outcome,
        claims=[ClaimShape.model_validate(claim) for claim in found.claims],
    )
