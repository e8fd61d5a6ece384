"""Comparing the two items of a match: what is known of both, from the database, and their working pictures, drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final
from uuid import UUID

from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.blobs.store import BlobStore
from app.cases.service import Grant
from app.fingerprints.alignment import Segment
from app.fingerprints.comparison import Facts, Item, ShownPair, WantedPair, draw, views_of, wanted_pairs
from app.fingerprints.comparison_places import area_in
from app.fingerprints.decodings import in_force
from app.fingerprints.matching import Ground
from app.fingerprints.models import BlobMatch, RuleInForce, VideoShot
from app.fingerprints.reading import get_match
from app.kernel.primitives import Sha256Hex
from app.media import viewing
from app.media.errors import NoFrame
from app.media.frames import PackedFrame, index_of, opened
from app.media.models import Blob, Evidence
from app.media.previews import as_pixels, preview_of

RENDERING: Final = "comparison"
RENDERING_ACROSS: Final = "frame"
"""What is logged of a comparison of two cases, in either: its readers would learn from the other word that another case
has something like the item."""


@dataclass(frozen=True)
class ComparedItem:
    """One side of a match, and what permits the reader to look at it."""

    evidence_id: UUID
    grant: Grant
    pack_sha256: Sha256Hex
    frames: list[PackedFrame]
    length_ms: int

    @property
    def as_item(self) -> Item:
        return Item(str(self.evidence_id), [frame.time_ms for frame in self.frames], self.length_ms)


@dataclass(frozen=True)
class FoundComparison:
    """All that is drawn, but for the pixels."""

    facts: Facts
    query: ComparedItem
    reference: ComparedItem

    @property
    def is_across(self) -> bool:
        return self.query.grant.case_id != self.reference.grant.case_id

    @property
    def rendering(self) -> str:
        """By which a look at it as it is stands in the items' streams."""
        return RENDERING_ACROSS if self.is_across else RENDERING

    @property
    def sides(self) -> tuple[ComparedItem, ComparedItem]:
        """In the order of their ids, in which everybody writes about them."""
        first, second = sorted((self.query, self.reference), key=lambda side: side.evidence_id)
        return first, second


def find_comparison(session: Session, actor: Actor, match_id: UUID, *, is_content: bool) -> FoundComparison:
    """For whoever may look at both items, as content or blurred.

    Raises NotFound, Forbidden, NoFrame for an item without working pictures, NoPreview in quarantine.
    """
    found = get_match(session, actor, match_id)
    operation = Operation.READ_ORIGINAL if is_content else Operation.READ_PREVIEW
    query = _find_side(session, actor, found.query_id, operation)
    reference = _find_side(session, actor, found.reference_id, operation)
    facts = Facts(
        str(match_id),
        found.tier,
        query.as_item,
        reference.as_item,
        _grounds_of(found.blob_match),
        _segments_of(found.blob_match),
        is_blurred=not is_content,
    )
    return FoundComparison(facts, query, reference)


def _find_side(session: Session, actor: Actor, evidence_id: UUID, operation: Operation) -> ComparedItem:
    evidence, pack, grant = viewing.find_frames(session, actor, evidence_id, operation)
    if pack is None:
        raise NoFrame(f"There are no working pictures of item {evidence_id}: nothing can be drawn of it.")
    frames = index_of(pack.details)
    return ComparedItem(evidence_id, grant, Sha256Hex(pack.sha256), frames, _length_ms(session, evidence, frames))


def _length_ms(session: Session, evidence: Evidence, frames: list[PackedFrame]) -> int:
    """0 of one picture; of a recording at least 1."""
    blob = session.get(Blob, evidence.blob_sha256)
    if len(frames) == 1 and (blob is None or blob.kind != "video"):
        return 0
    last_shot = (
        select(func.max(VideoShot.to_ms))
        .join(RuleInForce, in_force(VideoShot))
        .where(VideoShot.blob_sha256 == evidence.blob_sha256)
    )
    return max(1, frames[-1].time_ms, session.scalar(last_shot) or 0)


def _grounds_of(blob_match: BlobMatch | None) -> list[Ground]:
    return [] if blob_match is None else [Ground(**_known(Ground, each)) for each in blob_match.grounds]


def _segments_of(blob_match: BlobMatch | None) -> list[Segment]:
    return [] if blob_match is None else [Segment(**_known(Segment, each)) for each in blob_match.segments]


def _known(kind: type[Ground] | type[Segment], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What another release stored besides is left out."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in stored.items() if name in names}


def drawn_comparison(blobs: BlobStore, found: FoundComparison) -> bytes:
    """The PNG. Holds at most seven pairs of working pictures. Raises ContentUnavailable."""
    return draw(found.facts, [_shown(blobs, found, wanted) for wanted in wanted_pairs(found.facts)])


def _shown(blobs: BlobStore, found: FoundComparison, wanted: WantedPair) -> ShownPair:
    query = _picture(blobs, found.query, wanted.query)
    reference = _picture(blobs, found.reference, wanted.reference)
    views = views_of(found.facts, wanted)
    areas = area_in(query, views[0]), area_in(reference, views[1])
    if found.facts.is_blurred:
        query, reference = _blurred(query), _blurred(reference)
    return ShownPair(wanted, query, reference, *areas)


def _picture(blobs: BlobStore, side: ComparedItem, number: int) -> Image.Image:
    return opened(viewing.read_frame(blobs, side.pack_sha256, side.frames[number]))


def _blurred(picture: Image.Image) -> Image.Image:
    return opened(preview_of(as_pixels(picture)).content)
