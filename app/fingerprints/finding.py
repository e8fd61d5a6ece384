"""Finding matches: a settled item against the other items of its case, each pair of blobs computed once."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.cases.service import current_policy
from app.fingerprints.events import EvidenceMatched
from app.fingerprints.index import Index, ScanIndex
from app.fingerprints.matching import (
    MATCHING_ALGORITHMS,
    Explanation,
    Print,
    Prints,
    explain,
    rule_of,
    thresholds_of,
)
from app.fingerprints.models import BlobMatch, Fingerprint, Match
from app.fingerprints.views import IDENTITY
from app.kernel.primitives import new_id, sha256_hex, utc_now
from app.media.items import entry_object
from app.media.models import Blob, Evidence
from app.media.rules import FingerprintStatus
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork

INDEX: Index = ScanIndex()
FRAME_MINIMUM_QUALITY = 30
SETTLED = (FingerprintStatus.DONE, FingerprintStatus.UNDECODABLE, FingerprintStatus.FAILED)
_MATCHING_LOCK = 0x4D41


def lock_matching(session: Session, case_id: UUID) -> None:
    """One search and its storing at a time in a case, until the transaction ends: of two items that arrive at once,
    the later one sees the earlier one's fingerprints. Waits for its turn however long the others take: that a case is
    busy is no failure of the file."""
    session.execute(text("SET LOCAL lock_timeout = 0"))
    session.execute(
        text("SELECT pg_advisory_xact_lock(:lock, hashtext(:case_id))"),
        {"lock": _MATCHING_LOCK, "case_id": str(case_id)},
    )
    session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


def match_item(uow: UnitOfWork, evidence: Evidence) -> list[Match]:
    """Compare a settled item with the other settled items of its case; store and record what is new.

    The caller holds :func:`lock_matching`. Items that are still pending find this one when their turn comes.
    """
    if evidence.blob_sha256 is None:
        return []
    explained = _similar_blobs(uow.session, evidence)
    blobs = [evidence.blob_sha256, *explained]
    others = uow.session.scalars(
        select(Evidence)
        .where(
            Evidence.case_id == evidence.case_id,
            Evidence.id != evidence.id,
            Evidence.fingerprint_status.in_(SETTLED),
            Evidence.blob_sha256.in_(blobs),
        )
        .order_by(Evidence.registered_at, Evidence.id)
    ).all()
    made = []
    for other in others:
        match = _match(uow, evidence, other, explained.get(other.blob_sha256 or ""))
        if match is not None:
            made.append(match)
    return made


def _similar_blobs(session: Session, evidence: Evidence) -> dict[str, BlobMatch]:
    """The other blobs of the case that are similar, each with its stored explanation."""
    sha256 = evidence.blob_sha256
    assert sha256 is not None
    prints = _prints_of(session, [sha256]).get(sha256)
    if prints is None:
        return {}
    _, policy = current_policy(session, evidence.case_id)
    thresholds = thresholds_of(policy.thresholds)
    rule = rule_of(thresholds)
    candidates = _candidates(session, evidence.case_id, prints, thresholds) - {sha256}
    keys = {_pair_key(sha256, other, rule): other for other in sorted(candidates)}
    known = {row.key: row for row in session.scalars(select(BlobMatch).where(BlobMatch.key.in_(list(keys))))}
    found = {keys[key]: row for key, row in known.items()}
    unknown = {other: key for key, other in keys.items() if key not in known}
    for other, theirs in _prints_of(session, unknown).items():
        explanation = explain(prints, theirs, thresholds)
        if explanation is not None:
            found[other] = _keep_blob_match(session, unknown[other], sha256, other, rule, explanation)
    return found


def _candidates(session: Session, case_id: UUID, prints: Prints, thresholds: dict[str, int]) -> set[str]:
    found: set[str] = set()
    for algorithm in MATCHING_ALGORITHMS:
        found |= INDEX.candidates(
            session,
            case_id,
            algorithm.version,
            [one.value for one in prints.of(algorithm, view=None)],
            radius_bits=thresholds[algorithm.name],
            minimum_quality=FRAME_MINIMUM_QUALITY,
            any_view=prints.is_video,
        )
    return found


def _prints_of(session: Session, blobs: Iterable[str]) -> dict[str, Prints]:
    """All stored hashes of these blobs, those without any left out."""
    wanted = list(blobs)
    if not wanted:
        return {}
    rows = session.execute(
        select(
            Fingerprint.blob_sha256,
            Fingerprint.version,
            Fingerprint.time_ms,
            Fingerprint.view,
            Fingerprint.value,
            Fingerprint.quality,
        )
        .where(Fingerprint.blob_sha256.in_(wanted))
        .order_by(Fingerprint.blob_sha256, Fingerprint.version, Fingerprint.time_ms, Fingerprint.view)
    )
    kinds = dict(session.execute(select(Blob.sha256, Blob.kind).where(Blob.sha256.in_(wanted))).all())
    grouped: dict[str, list[Print]] = {}
    for row in rows:
        found = Print(row.version, row.time_ms, row.view, row.value, row.quality)
        grouped.setdefault(row.blob_sha256, []).append(found)
    return {sha256: Prints(kinds.get(sha256) == "video", prints) for sha256, prints in grouped.items()}


def _pair_key(first: str, second: str, rule: str) -> str:
    low, high = sorted((first, second))
    return sha256_hex(f"{low} {high} {rule}".encode("ascii"))


def _keep_blob_match(
    session: Session, key: str, query: str, reference: str, rule: str, explanation: Explanation
) -> BlobMatch:
    """The stored explanation; another case may have stored the same pair a moment ago, then theirs."""
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
    return session.scalars(select(BlobMatch).where(BlobMatch.key == key)).one()


def _match(uow: UnitOfWork, evidence: Evidence, other: Evidence, blob_match: BlobMatch | None) -> Match | None:
    """A new match of two items, recorded in both streams; None when the pair is known (decided or not)."""
    is_query = blob_match is None or blob_match.query_sha256 == evidence.blob_sha256
    first, second = sorted((evidence.id, other.id))
    match = uow.session.scalar(
        insert(Match)
        .values(
            id=new_id(),
            case_id=evidence.case_id,
            first_id=first,
            second_id=second,
            query_id=evidence.id if is_query else other.id,
            blob_match=None if blob_match is None else blob_match.key,
            tier="exact" if blob_match is None else blob_match.tier,
            found_at=utc_now(),
        )
        .on_conflict_do_nothing(constraint="uq_matches_pair")
        .returning(Match)
    )
    if match is not None:
        _record_match(uow, match, blob_match, evidence, other)
        _record_match(uow, match, blob_match, other, evidence)
    return match


EXACT_GROUND: dict[str, Any] = {
    "algorithm": "sha256",
    "version": "sha256",
    "distance_bits": 0,
    "threshold_bits": 0,
    "transformation": IDENTITY,
}


def _record_match(
    uow: UnitOfWork, match: Match, blob_match: BlobMatch | None, stream: Evidence, other: Evidence
) -> None:
    ground = EXACT_GROUND if blob_match is None else blob_match.grounds[0]
    segments = [] if blob_match is None else blob_match.segments
    uow.record(
        EvidenceMatched(
            stream=stream.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, stream),
            match=match.id,
            evidence=other.id,
            query=match.query_id,
            tier=match.tier,
            algorithm=str(ground["version"]),
            distance_bits=int(ground["distance_bits"]),
            threshold_bits=int(ground["threshold_bits"]),
            transformation=str(ground["transformation"]),
            spans=tuple(
                (one["query_start_ms"], one["query_end_ms"], one["reference_start_ms"], one["reference_end_ms"])
                for one in segments
            ),
        )
    )
