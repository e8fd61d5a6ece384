"""Finding matches: an item against the settled items of its case, each pair of blobs computed once.

Plan (reads), compare (pure), then under the case's lock: is it complete, store. See ``match_job``.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.cases.service import current_policy
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.decodings import in_force
from app.fingerprints.events import EvidenceMatched
from app.fingerprints.following import FollowingIndex
from app.fingerprints.matching import (
    Explanation,
    Print,
    Prints,
    Thresholds,
    explain,
    rule_of,
    thresholds_of,
)
from app.fingerprints.models import BlobMatch, Fingerprint, Match, RuleInForce
from app.fingerprints.views import IDENTITY
from app.kernel.primitives import new_id, sha256_hex, utc_now
from app.media.items import entry_object
from app.media.models import Blob, Evidence
from app.media.rules import FingerprintStatus
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork

INDEX = FollowingIndex({one.version for versions in CATALOG.matching().values() for one in versions})
"""This process's; the worker's chore ``keep_index`` gives it its file."""
FRAME_MINIMUM_QUALITY = 30
SETTLED = (FingerprintStatus.DONE, FingerprintStatus.UNDECODABLE, FingerprintStatus.FAILED)
_MATCHING_LOCK = 0x4D41


def lock_matching(session: Session, case_id: UUID) -> None:
    """One item of a case settles at a time, until the transaction ends: of two that arrive at once the later one sees
    that the earlier one has settled. Held for a few statements, never while anything is compared. Waits for its turn
    however long that takes: that a case is busy is no failure of the file."""
    session.execute(text("SET LOCAL lock_timeout = 0"))
    session.execute(
        text("SELECT pg_advisory_xact_lock(:lock, hashtext(:case_id))"),
        {"lock": _MATCHING_LOCK, "case_id": str(case_id)},
    )
    session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


Settled = tuple[str, int]
"""A blob of a case, and the number of the decoding by which its items were settled: one that was decoded again is
another one, for it has to be compared anew."""


@dataclass(frozen=True)
class Comparison:
    """What is to be compared: an item's blob with those blobs of its case that were settled and not yet looked at."""

    sha256: str
    thresholds: Thresholds
    rule: str
    prints: Prints | None
    """Of the item's blob; None when it has none, and resembles nothing but itself."""
    others: dict[str, Prints]
    """The blobs that may be similar, by SHA-256."""
    found: dict[str, Explanation | None]
    """What is known to be similar already; see :class:`Compared`."""
    seen: frozenset["Settled"]
    """Every blob of the case that this comparison and the earlier ones took into account."""
    catalog: Catalog = CATALOG


@dataclass(frozen=True)
class Compared:
    """The result of one or more comparisons of one item."""

    sha256: str
    rule: str
    seen: frozenset["Settled"]
    explained: dict[str, Explanation | None]
    """Per similar blob its explanation; None: it was stored before."""


def plan_comparison(
    session: Session, evidence: Evidence, earlier: Compared | None = None, catalog: Catalog = CATALOG
) -> Comparison:
    """Reads, without a lock, what :func:`compare` needs.

    The settled blobs are read first and nothing else is looked at: whatever settles later is in nobody's ``seen``, and
    :func:`is_complete` says so. ``earlier`` is what was compared before, by the same rule.
    """
    sha256 = evidence.blob_sha256
    assert sha256 is not None
    thresholds = _thresholds(session, evidence.case_id, catalog)
    rule = rule_of(thresholds, catalog)
    if earlier is not None and earlier.rule != rule:
        earlier = None
    seen_before: frozenset[Settled] = frozenset() if earlier is None else earlier.seen
    settled = _settled_blobs(session, evidence.case_id)
    prints = _prints_of(session, [sha256]).get(sha256)
    fresh = {blob for blob, _ in settled - seen_before} - {sha256}
    candidates: set[str] = set()
    if prints is not None:
        candidates = _candidates(session, fresh, prints, thresholds, catalog)
    known = _known(session, sha256, candidates, rule)
    others = _prints_of(session, candidates - known)
    explained = {} if earlier is None else earlier.explained
    found = {blob: explanation for blob, explanation in explained.items() if blob not in fresh}
    found.update(dict.fromkeys(known))
    return Comparison(sha256, thresholds, rule, prints, others, found, seen_before | settled, catalog)


def compare(comparison: Comparison) -> Compared:
    """Explain every pair. Pure, and long for videos: nobody waits for it."""
    explained = dict(comparison.found)
    for other, theirs in comparison.others.items():
        assert comparison.prints is not None
        explanation = explain(comparison.prints, theirs, comparison.thresholds, comparison.catalog)
        if explanation is not None:
            explained[other] = explanation
    return Compared(comparison.sha256, comparison.rule, comparison.seen, explained)


@dataclass(frozen=True)
class Found:
    """A stored blob that resembles what was searched for, and why; what was searched for is the query."""

    blob_sha256: str
    explanation: Explanation


def search(
    session: Session,
    prints: Prints,
    features: Sequence[LocalFeatures],
    among_cases: Collection[UUID],
    thresholds: Thresholds,
    catalog: Catalog = CATALOG,
) -> list[Found]:
    """The settled blobs of these cases that resemble something which is not stored, by the same rule as what is:
    the firm ones first, and of each tier the strongest. Exact copies are for the caller to look up.

    Reads all of the candidates' fingerprints; no permission check: the caller chose the cases.
    """
    prints = replace(prints, features=features)
    among = {blob for case_id in among_cases for blob, _ in _settled_blobs(session, case_id)}
    others = _prints_of(session, _candidates(session, among, prints, thresholds, catalog))
    explained = {sha256: explain(prints, theirs, thresholds, catalog) for sha256, theirs in others.items()}
    found = [Found(sha256, explanation) for sha256, explanation in explained.items() if explanation is not None]
    return sorted(found, key=lambda one: (one.explanation.strength(), one.blob_sha256))


def is_complete(session: Session, evidence: Evidence, compared: Compared, catalog: Catalog = CATALOG) -> bool:
    """Whether nothing settled in the case, and no rule changed, since the comparison was planned.

    The caller holds :func:`lock_matching`, so that the answer stays true until its transaction ends.
    """
    if compared.rule != rule_of(_thresholds(session, evidence.case_id, catalog), catalog):
        return False
    settled = _settled_blobs(session, evidence.case_id)
    return {one for one in settled if one[0] != compared.sha256} <= compared.seen


def store_matches(uow: UnitOfWork, evidence: Evidence, compared: Compared | None) -> list[Match]:
    """Store and record what is new between a settled item and the other settled items of its case.

    The caller holds :func:`lock_matching`. Items that are still pending find this one when their turn comes. Without a
    comparison, only copies of the same bytes.
    """
    if evidence.blob_sha256 is None:
        return []
    explained = {} if compared is None else _keep_blob_matches(uow.session, compared)
    blobs = [evidence.blob_sha256, *explained]
    others = uow.session.scalars(
        select(Evidence)
        .where(
            Evidence.case_id == evidence.case_id,
            Evidence.id != evidence.id,
            or_(Evidence.fingerprint_status.in_(SETTLED), Evidence.settled_decoding > 0),
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


def _thresholds(session: Session, case_id: UUID, catalog: Catalog) -> Thresholds:
    _, policy = current_policy(session, case_id)
    return thresholds_of(
        policy.thresholds,
        inliers=policy.inliers_of("same_picture"),
        inliers_likely=policy.inliers_of("likely"),
        catalog=catalog,
    )


def _settled_blobs(session: Session, case_id: UUID) -> frozenset[Settled]:
    """The blobs of the case whose fingerprints may be compared with. One that is being decoded again counts with what
    it has."""
    is_again = and_(Evidence.fingerprint_status == FingerprintStatus.PENDING, Evidence.settled_decoding > 0)
    query = (
        select(Evidence.blob_sha256, func.max(Evidence.settled_decoding))
        .where(Evidence.case_id == case_id, or_(Evidence.fingerprint_status == FingerprintStatus.DONE, is_again))
        .group_by(Evidence.blob_sha256)
    )
    return frozenset((blob, number) for blob, number in session.execute(query) if blob is not None)


def _candidates(
    session: Session, among: Collection[str], prints: Prints, thresholds: Thresholds, catalog: Catalog
) -> set[str]:
    found: set[str] = set()
    for algorithm in (algorithm for versions in catalog.matching().values() for algorithm in versions):
        found |= INDEX.candidates(
            session,
            among,
            algorithm.version,
            [one.value for one in prints.of(algorithm, view=None)],
            radius_bits=thresholds.bits[algorithm.name],
            minimum_quality=FRAME_MINIMUM_QUALITY,
            any_view=prints.is_sequence,
        )
    return found


def _known(session: Session, sha256: str, others: Iterable[str], rule: str) -> set[str]:
    """Those of the others with which a match by this rule is stored, by this case or another one."""
    keys = {_pair_key(sha256, other, rule): other for other in others}
    return {keys[key] for key in session.scalars(select(BlobMatch.key).where(BlobMatch.key.in_(list(keys))))}


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
        .join(RuleInForce, in_force())
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


def _keep_blob_matches(session: Session, compared: Compared) -> dict[str, BlobMatch]:
    """The stored explanation per similar blob; another case may have stored the same pair a moment ago, then theirs."""
    keys = {_pair_key(compared.sha256, other, compared.rule): other for other in sorted(compared.explained)}
    for key, other in sorted(keys.items()):
        explanation = compared.explained[other]
        if explanation is not None:
            _keep_blob_match(session, key, compared.sha256, other, compared.rule, explanation)
    rows = session.scalars(select(BlobMatch).where(BlobMatch.key.in_(list(keys))))
    return {keys[row.key]: row for row in rows}


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
