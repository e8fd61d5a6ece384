"""The JSON shapes of evidence items, which several resources answer with."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.api.as_of import PositionShape, position_shape
from app.api.http import Changed, Erased, Input, Moment, NamesPlace, Readable, ReceiptShape, Shape, WrittenText
from app.media.acquisition import CORRECTABLE
from app.media.models import Blob, Evidence, EvidenceCorrection
from app.media.reading import ItemDetails
from app.media.rules import BlindState, FingerprintStatus, Priority, State, Transition

Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$"), Readable]
Address = Annotated[
    str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00-\x1f\x7f]*$"), Readable, NamesPlace
]
"""As it was told, with or without a scheme; not what a browser would run."""
Prose = WrittenText
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
ProductName = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9 ._/+()-]+$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
"""An ISO 639 code."""


class Labels(Input):
    """Sensitivity labels, set before anybody looks; and the languages that whoever looks should know."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"graphic_level": "mild", "child": True, "languages": ["uk"]}]}
    )

    graphic_level: Literal["none", "mild", "severe"]
    child: bool = False
    sexual_violence: bool = False
    distressing_audio: bool = False
    languages: list[Language] = Field(
        default_factory=list,
        max_length=20,
        description="Spoken or written in it, as ISO 639 codes such as `uk`, `ar`; empty: none, or not known.",
    )


class EvidenceMetadata(Input):
    """The part `metadata` of an upload: how, when and from where the file was acquired."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "collector": "Olena Example",
                    "method": "download",
                    "acquired_at": "2026-07-14T09:30:00Z",
                    "source": "Public channel",
                    "source_address": "https://example.org/channel/4711",
                    "claimed_from": "2026-07-13T20:00:00Z",
                    "claimed_place": "Kharkiv, north",
                }
            ]
        }
    )

    collector: Line = Field(description="Who acquired the file.")
    method: Code = Field(
        description="How, as one word: it stays readable in the ledger for ever. Details belong in `notes`.",
        examples=["download", "screen_recording", "handed_over"],
    )
    acquired_at: Moment
    source: Line = Field(description="Where it comes from: a channel, a person's pseudonym, an organisation.")
    source_address: Address | None = None
    tool: ProductName | None = Field(
        default=None,
        description="The program and its version, not whose: it stays readable in the ledger for ever.",
        examples=["yt-dlp 2026.06.09"],
    )
    claimed_from: Moment | None = Field(default=None, description="When it is said to have been taken: begin.")
    claimed_to: Moment | None = None
    claimed_place: Line | None = None
    notes: Prose | None = None
    labels: Labels | None = None
    expected_sha256: Digest | None = Field(default=None, description="Refused (422) unless the bytes have this digest.")

    def acquisition(self) -> dict[str, Any]:
        return self.model_dump(exclude={"labels", "expected_sha256"})


class HeldLease(Shape):
    """Who works on an item now, and until when."""

    holder: UUID
    expires_at: datetime


class EvidenceSummary(Shape):
    """An item as lists show it. Acquisition fields are as first stated; `corrected_fields` names those that read
    otherwise now: their corrections stand in the item itself."""

    id: UUID
    case_id: UUID
    state: State
    version: int
    round: int = Field(description="The verification round; 0 before the first.")
    blind: BlindState | None = Field(
        description="Of the round. `pending`: two persons verify it, and until both have submitted what somebody wrote "
        "in it is shown to nobody else. `complete`: both have, and everything is shown. `ended`: somebody ended that "
        "for want of a second, with a reason that stands in its reviews; everything is shown. Null: it is not blind."
    )
    sha256: str | None
    size_bytes: int | None
    media_type: str | None = Field(description="By the file's first bytes, whatever was claimed.")
    kind: Literal["image", "video"] | None
    fingerprint_status: FingerprintStatus | None
    fingerprint_reason: str | None
    registered_by: UUID
    registered_at: datetime
    received_by: UUID | None
    received_at: datetime | None
    lead_address: str | None = Field(
        description="As it was told, with or without a scheme; never a program for a browser (`javascript:` and its "
        "like are refused, 422). Make a link of it only where it begins with `http://` or `https://`: what was "
        "stored before that was refused still stands."
    )
    lead_claim: str | None
    reason_code: str | None
    collector: str | None
    method: str | None
    tool: str | None
    acquired_at: datetime | None
    source: str | None
    source_address: str | None = Field(description="As `lead_address`.")
    claimed_from: datetime | None
    claimed_to: datetime | None
    claimed_place: str | None
    file_name: str | None
    media_type_claimed: str | None
    notes: str | None
    labels: Labels | None
    lease: HeldLease | None
    priority: Priority = Field(description="How soon a coordinator wants it worked on.")
    assigned_to: UUID | None = Field(description="Who alone is to do its present work, by a coordinator's word.")
    closed_at: datetime | None = Field(
        description="From when on nothing of it is shown, because somebody's consent to that ends then or was "
        "withdrawn; null: none ends."
    )
    source_number: int | None = Field(
        description="Its source by the number that it has in the case, once who that is lies sealed in the vault: "
        "`GET …/source`. Null: nothing is sealed.",
        examples=[3],
    )
    corrected_fields: list[str] = Field(description="Acquisition fields that were corrected since, by their names.")
    erased: list[str] = Erased


class CorrectionShape(Shape):
    number: int
    field: str
    value: str | None
    reason: str
    corrected_by: UUID
    corrected_at: datetime
    erased: list[str] = Erased


class DecodingShape(Shape):
    """How decoding the item's bytes ended the last time. `GET /v1/limits` explains the outcomes and names the limits of
    today."""

    outcome: str = Field(examples=["limit_time"])
    reason: str | None = Field(description="In words; null where all of it was decoded.")
    decoder: str = Field(description="What decoded, with all versions and a digest of the limits.")
    limits: dict[str, int] = Field(description="That held for this file then; empty where none was looked at.")
    kept_outcome: str | None = Field(
        description="Null, unless an earlier decoding got further: how that one ended. What it gave stays in force."
    )


class ProgressShape(Shape):
    """How far the decoding of a video has come, as its worker last said."""

    decoded_ms: int = Field(description="Time in the video up to which it is decoded.")
    claimed_ms: int | None = Field(description="The length that the container claims; null when it claims none.")
    fraction: float | None = Field(description="0 to 1; null without a claimed length, or past it.")
    reported_at: datetime


class EvidenceShape(EvidenceSummary, Changed):
    """One item. Acquisition fields read as last corrected; `as_first_stated` holds what they said before."""

    as_first_stated: dict[str, str | None] = Field(description="Only the fields that were corrected since.")
    corrections: list[CorrectionShape]
    claims: dict[str, Any] | None = Field(
        description="What the file says of itself: claims, not facts. Null until decoded, and of an item that a "
        "withdrawn consent closed. `sealed` names those that identify a person, a place or a device: `GET …/claims` "
        "shows them to whoever may read the original."
    )
    decoding: DecodingShape | None = Field(description="Null until the item is fingerprinted.")
    fingerprint_progress: ProgressShape | None = Field(
        description="Only while a worker decodes the item; renewed every few seconds. It is no part of the item's "
        "version: the `ETag` stays, and so may an `If-Match`.",
        examples=[
            {"decoded_ms": 61000, "claimed_ms": 183000, "fraction": 0.333, "reported_at": "2026-07-14T09:31:00Z"}
        ],
    )
    as_of: PositionShape | None = Field(description="The position as of which it stood so; null: now.")
    possible_events: list[Transition] = Field(
        description="The events by which you may move the item now, as far as its state, your roles in the case and "
        "your token's scope go. Empty: it is not your turn, or a job moves it next. Send them to `POST …/transitions`, "
        "`receive` to `POST …/content`. Where a round's `blind` is `pending` no review is among them: the second takes "
        "the lease, then `POST …/second-verdicts` comes first. Conditions about persons and work (the lease, no review "
        "of one's own, findings on every required dimension) are checked when you do it, and the refusal names them."
    )


class DuplicateShape(Shape):
    """Another item on the same bytes."""

    id: UUID
    case_id: UUID
    state: State
    registered_at: datetime


class ReceivedShape(EvidenceShape):
    duplicates: list[DuplicateShape] = Field(description="Items on the same bytes in your cases: exact copies.")


def summary(evidence: Evidence, blob: Blob | None, corrected_fields: list[str]) -> EvidenceSummary:
    return EvidenceSummary(**_summary_fields(evidence, blob), corrected_fields=corrected_fields)


_OF_THE_BLOB = ("sha256", "size_bytes", "media_type", "kind")
_OF_THE_ITEM = tuple(
    EvidenceSummary.model_fields.keys() - {*_OF_THE_BLOB, "lease", "labels", "priority", "corrected_fields"}
)


def _summary_fields(evidence: Evidence, blob: Blob | None) -> dict[str, Any]:
    """All of a summary that stands in the item and its blob."""
    measured = {name: None if blob is None else getattr(blob, name) for name in _OF_THE_BLOB}
    lease = None
    if evidence.lease_holder is not None and evidence.lease_expires_at is not None:
        lease = HeldLease(holder=evidence.lease_holder, expires_at=evidence.lease_expires_at)
    labels = None if evidence.labels is None else Labels(**evidence.labels)
    stated = {"lease": lease, "labels": labels, "priority": Priority.of_rank(evidence.priority)}
    return {**{name: getattr(evidence, name) for name in _OF_THE_ITEM}, **measured, **stated}


def item(details: ItemDetails, receipts: list[ReceiptShape] | None = None) -> EvidenceShape:
    return EvidenceShape(**_item_fields(details), receipts=receipts or [])


def received(details: ItemDetails, duplicates: list[DuplicateShape], receipts: list[ReceiptShape]) -> ReceivedShape:
    return ReceivedShape(**_item_fields(details), duplicates=duplicates, receipts=receipts)


def _item_fields(details: ItemDetails) -> dict[str, Any]:
    corrected = {correction.field for correction in details.corrections}
    first = {name: getattr(details.evidence, name) for name in CORRECTABLE if name in corrected}
    return {
        **_summary_fields(details.evidence, details.blob),
        **details.current,
        "corrected_fields": sorted(corrected),
        "erased": _erased_now(details),
        "as_first_stated": {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in first.items()
        },
        "corrections": [correction_shape(correction) for correction in details.corrections],
        "claims": details.claims,
        "decoding": _decoding(details),
        "fingerprint_progress": None if details.progress is None else ProgressShape.model_validate(details.progress),
        "as_of": position_shape(details.at),
        "possible_events": details.possible_events,
    }


def _decoding(details: ItemDetails) -> DecodingShape | None:
    if details.decoding is None:
        return None
    return DecodingShape(
        outcome=details.decoding.outcome,
        reason=details.decoding.reason,
        decoder=details.decoding.decoder,
        limits=details.decoding.limits,
        kept_outcome=None if details.kept is None else details.kept.outcome,
    )


def _erased_now(details: ItemDetails) -> list[str]:
    """The fields of which the reading that is shown was erased: the last correction, else the first statement."""
    erased = set(details.evidence.erased)
    for correction in details.corrections:
        if "value" in correction.erased:
            erased.add(correction.field)
        else:
            erased.discard(correction.field)
    return sorted(erased)


def correction_shape(correction: EvidenceCorrection) -> CorrectionShape:
    return CorrectionShape.model_validate(correction)
