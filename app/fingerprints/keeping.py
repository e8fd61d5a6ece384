"""Keeping matches: the explanation of each pair of blobs once, a row for each pair of items, an entry in both streams.

An item is matched with a few items of every blob that it resembles, the earliest ones: what it has in common with the
hundredth copy of the same bytes is what it has with the first. So the rows grow with the copies, and not with their
square; no blob is left out.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.fingerprints.events import EvidenceMatched, EvidenceMatchLost
from app.fingerprints.finding import SETTLED, Compared, pair_key, query_of
from app.fingerprints.matching import LIKELY, Explanation
from app.fingerprints.models import BlobMatch, Match, MatchComparison, MatchTier
from app.fingerprints.tiers import Changed, keep_changed_tiers, keep_losses
from app.fingerprints.views import IDENTITY
from app.kernel.database import is_one_of
from app.kernel.primitives import new_id, utc_now
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.rules import State
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork

APPEARED = "appeared"
"""The job that looks whether a signed-off item's pictures turn out to be known from before its event. What that means
verification knows."""
COPIES_MATCHED = 8
"""Of each blob, so many items, the earliest, are matched with one that comes."""
LIKELY_KEPT = 100
"""Of an item's likely matches, so many are kept at a time, the strongest; firm ones all."""

EXACT_GROUND: dict[str, Any] = {
    "algorithm": "sha256",
    "version": "sha256",
    "distance_bits": 0,
    "threshold_bits": 0,
    "transformation": IDENTITY,
}


def is_settled() -> ColumnElement[bool]:
    """Whether an item is to be found by others: pending ones find the others when their turn comes."""
    return or_(Evidence.fingerprint_status.in_(SETTLED), Evidence.settled_decoding > 0)


def store_matches(uow: UnitOfWork, evidence: Evidence, compared: Compared | None) -> list[Match]:
    """Store and record what is new between a settled item and the other settled items of its case.

    The caller holds ``finding.lock_matching``. Without a comparison, only copies of the same bytes.
    """
    if evidence.blob_sha256 is None:
        return []
    explained, left_out = ({}, 0) if compared is None else keep_blob_matches(uow.session, compared)
    copies = earliest([evidence.blob_sha256, *explained], COPIES_MATCHED, Evidence.case_id == evidence.case_id)
    others = uow.session.scalars(
        select(Evidence)
        .where(Evidence.id.in_(copies), Evidence.id != evidence.id)
        .order_by(Evidence.registered_at, Evidence.id)
    ).all()
    made = []
    for other in others:
        match = keep_match(uow.session, evidence, other, explained.get(other.blob_sha256 or ""))
        if match is not None:
            _record_match(uow, match, explained.get(other.blob_sha256 or ""), evidence, other)
            _record_match(uow, match, explained.get(other.blob_sha256 or ""), other, evidence)
            made.append(match)
            if other.state == State.SIGNED_OFF:
                uow.enqueue(APPEARED, evidence_id=str(other.id))
    if compared is not None:
        changed = _record_changed_tiers(uow, evidence, explained)
        note_comparison(uow.session, evidence, compared, across=False, left_out=left_out)
        changed += _record_losses(uow, evidence, compared)
        signed_off = {item.id for one in changed for item in (evidence, one.other) if item.state == State.SIGNED_OFF}
        for item in sorted(signed_off):
            uow.enqueue(APPEARED, evidence_id=str(item))
    return made


def _record_changed_tiers(uow: UnitOfWork, evidence: Evidence, explained: Mapping[str, BlobMatch]) -> list[Changed]:
    """What was said of matches found earlier, and is not so any more, is said anew in both streams."""
    changed = keep_changed_tiers(uow.session, evidence, explained)
    for one in changed:
        _record_match(uow, one.match, one.blob_match, evidence, one.other, one.tier)
        _record_match(uow, one.match, one.blob_match, one.other, evidence, one.tier)
    return changed


def _record_losses(uow: UnitOfWork, evidence: Evidence, compared: Compared) -> list[Changed]:
    """That a match is no longer found is said in both streams."""
    lost = keep_losses(uow.session, evidence, compared, Evidence.case_id == evidence.case_id, is_settled())
    for one in lost:
        for stream, other in ((evidence, one.other), (one.other, evidence)):
            uow.record(
                EvidenceMatchLost(
                    stream=stream.id,
                    actor=system_actor(uow.session),
                    object=entry_object(uow.session, stream),
                    match=one.match.id,
                    evidence=other.id,
                    tier=one.tier.tier,
                    because=one.tier.lost_by,
                    number=one.tier.number,
                    supersedes=one.tier.number - 1,
                )
            )
    return lost


def earliest(blobs: Collection[str], of_each: int, *conditions: ColumnElement[bool]) -> Any:
    """Ids of the settled items on these blobs that were registered first, so many of each blob and case."""
    place = func.row_number().over(
        partition_by=(Evidence.case_id, Evidence.blob_sha256), order_by=(Evidence.registered_at, Evidence.id)
    )
    ranked = (
        select(Evidence.id, place.label("place"))
        .where(is_one_of(Evidence.blob_sha256, blobs), is_settled(), *conditions)
        .subquery()
    )
    return select(ranked.c.id).where(ranked.c.place <= of_each)


def note_comparison(
    session: Session,
    evidence: Evidence,
    compared: Compared,
    *,
    across: bool,
    left_out: int,
    since: datetime | None = None,
) -> bool:
    """By which rule the item was compared last. False when it was by this one already, by the same decoding and under
    the same change of the stop list, and not before ``since``."""
    values = {
        "rule": compared.rule,
        "decoding": evidence.settled_decoding,
        "left_out": left_out,
        "compared_at": utc_now(),
        "stops": compared.own.stops,
    }
    row = insert(MatchComparison).values(evidence_id=evidence.id, across=across, **values)
    is_other = (
        (MatchComparison.rule != compared.rule)
        | (MatchComparison.decoding != evidence.settled_decoding)
        | (MatchComparison.stops != compared.own.stops)
    )
    if since is not None:
        is_other |= MatchComparison.compared_at <= since
    written = session.scalar(
        row.on_conflict_do_update(constraint="pk_match_comparisons", set_=values, where=is_other).returning(
            MatchComparison.evidence_id
        )
    )
    return written is not None


def keep_blob_matches(session: Session, compared: Compared) -> tuple[dict[str, BlobMatch], int]:
    """The stored explanation per similar blob, and how many likely ones were too many to be kept.

    Another case may have stored the same pair a moment ago, then theirs.
    """
    kept, left_out = _strongest(compared)
    rules = {other: _rule_of(compared, other) for other in kept}
    keys = {pair_key(compared.sha256, other, rules[other]): other for other in kept}
    for key, other in sorted(keys.items()):
        explanation = compared.explained[other]
        if explanation is not None:
            query = query_of(compared.sha256, other)
            reference = other if query == compared.sha256 else compared.sha256
            _keep_blob_match(session, key, query, reference, rules[other], explanation)
    rows = session.scalars(select(BlobMatch).where(is_one_of(BlobMatch.key, keys)))
    return {keys[row.key]: row for row in rows}, left_out


def _rule_of(compared: Compared, other: str) -> str:
    explanation, rule = compared.explained[other], compared.rule_with(other)
    return rule if explanation is None else explanation.named(rule)


def _strongest(compared: Compared) -> tuple[list[str], int]:
    likely = sorted(
        (explanation.strength(), blob)
        for blob, explanation in compared.explained.items()
        if explanation is not None and explanation.tier == LIKELY
    )
    left_out = {blob for _, blob in likely[LIKELY_KEPT:]}
    return [blob for blob in sorted(compared.explained) if blob not in left_out], len(left_out)


def _keep_blob_match(
    session: Session, key: str, query: str, reference: str, rule: str, explanation: Explanation
) -> None:
    grounds, segments = explanation.as_json()
    session.execute(
        insert(BlobMatch)
        .values(
            key=key,
            query_sha256=query,
            reference_sha256=reference,
            rule=rule,
            tier=explanation.tier,
            grounds=grounds,
            segments=segments,
            found_at=utc_now(),
        )
        .on_conflict_do_nothing()
    )


def keep_match(
    session: Session,
    evidence: Evidence,
    other: Evidence,
    blob_match: BlobMatch | None,
    found_at: datetime | None = None,
) -> Match | None:
    """A new match of two items, which the caller records in both streams; None when the pair is known (decided or
    not)."""
    is_query = blob_match is None or blob_match.query_sha256 == evidence.blob_sha256
    first, second = sorted((evidence, other), key=lambda item: item.id)
    return session.scalar(
        insert(Match)
        .values(
            id=new_id(),
            case_id=first.case_id,
            other_case_id=None if first.case_id == second.case_id else second.case_id,
            first_id=first.id,
            second_id=second.id,
            query_id=evidence.id if is_query else other.id,
            blob_match=None if blob_match is None else blob_match.key,
            tier="exact" if blob_match is None else blob_match.tier,
            found_at=found_at or utc_now(),
        )
        .on_conflict_do_nothing(constraint="uq_matches_pair")
        .returning(Match)
    )


def _record_match(
    uow: UnitOfWork,
    match: Match,
    blob_match: BlobMatch | None,
    stream: Evidence,
    other: Evidence,
    later: MatchTier | None = None,
) -> None:
    """``later``: the tier that the match has now, which is not the one with which it was found."""
    query = match.query_id
    if later is not None and blob_match is not None:
        query = next(item.id for item in (stream, other) if item.blob_sha256 == blob_match.query_sha256)
    ground = EXACT_GROUND if blob_match is None else blob_match.grounds[0]
    segments: Sequence[dict[str, Any]] = [] if blob_match is None else blob_match.segments
    uow.record(
        EvidenceMatched(
            stream=stream.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, stream),
            match=match.id,
            evidence=other.id,
            query=query,
            tier=match.tier if later is None else later.tier,
            number=None if later is None else later.number,
            supersedes=None if later is None else later.number - 1,
            algorithm=str(ground["version"]),
            distance_bits=ground.get("distance_bits"),
            threshold_bits=ground.get("threshold_bits"),
            inliers=ground.get("inliers"),
            threshold_inliers=ground.get("threshold_inliers"),
            transformation=str(ground["transformation"]),
            spans=tuple(
                (one["query_start_ms"], one["query_end_ms"], one["reference_start_ms"], one["reference_end_ms"])
                for one in segments
            ),
        )
    )
