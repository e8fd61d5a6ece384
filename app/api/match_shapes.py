"""The shapes of matches and of decisions about them."""

from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

from pydantic import Field, StringConstraints

from app.api.as_of import DatedPage, PositionShape, position_shape
from app.api.http import Changed, Erased, Shape
from app.fingerprints import reading as queries
from app.fingerprints.keeping import EXACT_GROUND
from app.fingerprints.models import Relation
from app.fingerprints.wording import explain_in_words
from app.ledger.positions import Position

RelationWord = Literal[
    "exact_copy",
    "same_capture",
    "excerpt_of",
    "contains",
    "edited_from",
    "same_event_other_camera",
    "unrelated",
    "potential",
]


Tier = Literal["exact", "same_picture", "likely"]


LostBy = Literal["rule", "decoding", "stop_list"]


Area = Annotated[str, StringConstraints(pattern=r"^(whole|trimmed|framed|folded|part(\.[0-9]+){5})$")]


class GroundShape(Shape):
    """One reason for a match: a distance of hashes, or points of local features that agree.

    Places are in thousandths of the displayed picture's width and height.
    """

    algorithm: str = Field(examples=["pdq", "orb"])
    version: str = Field(examples=["pdq/1", "orb/1"])
    transformation: str = Field(description="What makes the reference of the query.", examples=["identity", "mirror"])
    query_view: Area = Field(
        default="whole",
        description="What of the query's picture was looked at: all of it, what uniform borders leave, the picture"
        " found inside a screenshot, all of it with its tones folded (each counting as its negative does), or a part:"
        " an inset, a cell of a collage, a picture on a page. After `part`: left, upper edge, width, height, in pixels"
        " of the picture at most 640 long, and how long the part itself was.",
        examples=["whole", "framed", "part.10.12.252.155.404"],
    )
    reference_view: Area = Field(default="whole", description="The same of the reference's.")
    distance_bits: int | None = Field(default=None, description="Of hashes.")
    threshold_bits: int | None = Field(
        default=None, description="Distances up to this one match, by the case's policy at that time."
    )
    inliers: int | None = Field(
        default=None, description="Of local features: points that agree under one transformation."
    )
    threshold_inliers: int | None = Field(default=None, description="So many say what the tier says.")
    alike_percent: int | None = Field(
        default=None,
        description="Of local features, where the working pictures were laid upon each other as the points lie: so much"
        " of what both show is alike.",
    )
    threshold_alike_percent: int | None = Field(
        default=None, description="Less than this is no `same_picture`, however many points agree."
    )
    held_back: Literal["pictures_differ", "too_little", "no_pictures"] | None = Field(
        default=None,
        description="Why as many points as are asked for make it `likely` only: what both pictures show differs between"
        " the points, as in two that have one layout; too little can be compared; or there are no working pictures of"
        " just these frames (`exhibit fingerprints recompute` makes them).",
    )
    query_ms: int | None = Field(default=None, description="Of a video or a file of several pictures: the frame.")
    reference_ms: int | None = None
    outline: list[tuple[int, int]] | None = Field(
        default=None,
        description="The four corners of the query's picture in the reference's, clockwise from the upper left; they"
        " may lie outside.",
    )
    points: list[tuple[int, int, int, int]] | None = Field(
        default=None, description="Some of the points that agree: x and y in the query, x and y in the reference."
    )


class AlignedSpan(Shape):
    """A span of the query that shows what a span of the reference shows."""

    query_start_ms: int
    query_end_ms: int
    reference_start_ms: int
    reference_end_ms: int
    frames: int = Field(description="Distinct frames that match, on the side that has fewer.")
    distance_bits: int | None = Field(description="The median over these frames; null by local features.")
    speed: int = Field(
        1000,
        description="Reference time per query time, in thousandths: 1000 the same, or unknown since nothing moves; "
        "negative: played backwards.",
    )
    transformation: str = Field("identity", description="What makes the reference's picture of the query's.")
    query_view: str = Field("whole", description="Which area of the query's picture was compared.")
    reference_view: str = Field("whole", description="Which area of the reference's picture was compared.")
    by: Literal["pdq", "orb"] = Field("pdq", description="Hashes of whole pictures, or local features.")


class RelationShape(Shape):
    """A decision: `evidence_id` is `relation` the other. The highest number is in force. While one of the items is
    verified blind, and not both have submitted, what another decided since is kept back: `relation` and `reason` are
    null then, and which item is named first says nothing."""

    match_id: UUID
    number: int
    evidence_id: UUID
    other_id: UUID
    relation: RelationWord | None = Field(description="Null: kept back.")
    reason: str | None = Field(description="Null: kept back, or erased.")
    decided_by: UUID
    decided_at: datetime
    erased: list[str] = Erased


class MatchShape(Changed):
    id: UUID
    case_id: UUID = Field(description="The query's.")
    query_id: UUID = Field(
        description="The item that transformation and segments call the query: which says nothing of what came first."
    )
    reference_id: UUID
    reference_case_id: UUID = Field(description="Another one only where you are a member of both cases.")
    tier: Tier = Field(
        description="The same bytes; surely the same picture; alike enough for a person to look at. As the newest entry"
        " of the match says in both items' streams."
    )
    tier_since: datetime = Field(
        description="When the match came to this tier: when it was found, or compared anew with another result."
    )
    grounds: list[GroundShape]
    segments: list[AlignedSpan] = Field(description="Of videos: where each shows what the other shows.")
    explanation: str = Field(
        description="The grounds and segments in words.",
        examples=["Local features: 143 points agree under a crop to the marked quadrilateral."],
    )
    rule: str | None = Field(description="The rule by which the pair was compared; null for the same bytes.")
    still_found: bool | None = Field(
        description="Whether the rule in force finds the pair too; null while it was not compared by it yet, from"
        " either side. What is no longer found stays, with what was decided about it, and shows the grounds it had;"
        " where nobody decided, it counts in no group and need not be decided. Both items' streams say so. As of a"
        " position: what they had said by then."
    )
    not_found_because: LostBy | None = Field(
        description="Where `still_found` is false: thresholds or the rule changed, one of the two was decoded again, or"
        " the match rested on frames that people put on the stop list since."
    )
    found_at: datetime
    decision: RelationShape | None = Field(description="The decision in force; null while nobody decided.")
    as_of: PositionShape | None = Field(None, description="The position as of which it stood so; null: now.")


class MatchPage(DatedPage[MatchShape]):
    likely_left_out: int | None = Field(
        description="Likely matches that were too many to be kept when the item was compared, the weakest. Firm ones"
        " are never left out. Null as of a position: it is no act."
    )


def match_shape(found: queries.ExplainedMatch, at: Position | None = None) -> MatchShape:
    match, blob_match = found.match, found.blob_match
    is_first = found.query_id == match.first_id
    cases = (match.case_id, match.other_case_id or match.case_id)
    tier = found.tier
    grounds = [EXACT_GROUND] if blob_match is None else blob_match.grounds
    segments = [] if blob_match is None else blob_match.segments
    return MatchShape(
        id=match.id,
        case_id=cases[0] if is_first else cases[1],
        query_id=found.query_id,
        reference_id=found.reference_id,
        reference_case_id=cases[1] if is_first else cases[0],
        tier=cast(Tier, tier),
        tier_since=found.tier_since or match.found_at,
        grounds=[GroundShape(**ground) for ground in grounds],
        segments=[AlignedSpan(**segment) for segment in segments],
        explanation=explain_in_words(tier, grounds, segments),
        rule=None if blob_match is None else blob_match.rule,
        still_found=found.standing.still_found,
        not_found_because=cast(LostBy | None, found.standing.lost_by),
        found_at=match.found_at,
        decision=None if found.decision is None else relation_shape((found.decision, found.is_kept_back)),
        as_of=position_shape(at),
    )


def relation_shape(row: tuple[Relation, bool]) -> RelationShape:
    """Of a decision, and whether what it says is kept back."""
    decision, is_kept_back = row
    shape = RelationShape.model_validate(decision)
    if not is_kept_back:
        return shape
    first, second = sorted((decision.evidence_id, decision.other_id))
    return shape.model_copy(update={"evidence_id": first, "other_id": second, "relation": None, "reason": None})
