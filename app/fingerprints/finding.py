"""Finding matches: an item against the settled items of its case, each pair of blobs computed once.

Plan (reads), compare (pure), then under the case's lock: is it complete, store. See ``match_job``.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from app.cases.policy import Policy
from app.cases.service import current_policy
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.decodings import in_force
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
from app.fingerprints.models import BlobMatch, Fingerprint, RuleInForce
from app.kernel.primitives import sha256_hex
from app.media.models import Blob, Evidence
from app.media.rules import FingerprintStatus

INDEX = FollowingIndex({one.version for versions in CATALOG.matching().values() for one in versions})
"""This process's; the worker's chore ``keep_index`` gives it its file."""
FRAME_MINIMUM_QUALITY = 30
PRINTS_AT_ONCE = 200_000
"""Hashes of candidates that are held at a time: some 60 MB."""
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
    is_part: bool = False
    """Whether more is left to be compared in another round."""
    catalog: Catalog = CATALOG


@dataclass(frozen=True)
class Compared:
    """The result of one or more comparisons of one item."""

    sha256: str
    rule: str
    seen: frozenset["Settled"]
    explained: dict[str, Explanation | None]
    """Per similar blob its explanation; None: it was stored before."""
    is_part: bool = False


def plan_comparison(
    session: Session, evidence: Evidence, earlier: Compared | None = None, catalog: Catalog = CATALOG
) -> Comparison:
    """Reads, without a lock, what :func:`compare` needs.

    The settled blobs are read first and nothing else is looked at: whatever settles later is in nobody's ``seen``, and
    :func:`is_complete` says so. ``earlier`` is what was compared before, by the same rule.
    """
    sha256 = evidence.blob_sha256
    assert sha256 is not None
    thresholds = thresholds_in(session, evidence.case_id, catalog)
    rule = rule_of(thresholds, catalog)
    if earlier is not None and earlier.rule != rule:
        earlier = None
    seen_before: frozenset[Settled] = frozenset() if earlier is None else earlier.seen
    settled = _settled_blobs(session, evidence.case_id)
    prints = prints_of(session, [sha256]).get(sha256)
    fresh = {blob for blob, _ in settled - seen_before} - {sha256}
    candidates: set[str] = set()
    if prints is not None:
        candidates = _candidates(session, fresh, prints, thresholds, catalog)
    return plan_pairs(session, sha256, prints, candidates, settled, thresholds, earlier, catalog)


def plan_pairs(
    session: Session,
    sha256: str,
    prints: Prints | None,
    candidates: Collection[str],
    settled: frozenset[Settled],
    thresholds: Thresholds,
    earlier: Compared | None,
    catalog: Catalog,
) -> Comparison:
    """What is to be compared of the candidates: not what is known, and of the rest so many as memory holds. What is
    left for another round is not in ``seen``."""
    rule = rule_of(thresholds, catalog)
    seen_before: frozenset[Settled] = frozenset() if earlier is None else earlier.seen
    fresh = {blob for blob, _ in settled - seen_before}
    known = _known(session, sha256, candidates, rule)
    now, later = _at_once(session, set(candidates) - known)
    explained = {} if earlier is None else earlier.explained
    found = {blob: explanation for blob, explanation in explained.items() if blob not in fresh}
    found.update(dict.fromkeys(known))
    seen = seen_before | {one for one in settled if one[0] not in later}
    return Comparison(sha256, thresholds, rule, prints, prints_of(session, now), found, seen, bool(later), catalog)


def _at_once(session: Session, blobs: set[str]) -> tuple[set[str], set[str]]:
    """Those of the blobs that are compared in this round, at least one, and those that are left."""
    if not blobs:
        return set(), set()
    counts = session.execute(
        select(Fingerprint.blob_sha256, func.count())
        .where(Fingerprint.blob_sha256.in_(blobs))
        .group_by(Fingerprint.blob_sha256)
        .order_by(Fingerprint.blob_sha256)
    ).all()
    total, now = 0, set[str]()
    for blob, count in counts:
        total += count
        if now and total > PRINTS_AT_ONCE:
            break
        now.add(blob)
    return now, blobs - now


def compare(comparison: Comparison) -> Compared:
    """Explain every pair. Pure, and long for videos: nobody waits for it."""
    explained = dict(comparison.found)
    for other, theirs in comparison.others.items():
        assert comparison.prints is not None
        explanation = explain(comparison.prints, theirs, comparison.thresholds, comparison.catalog)
        if explanation is not None:
            explained[other] = explanation
    return Compared(comparison.sha256, comparison.rule, comparison.seen, explained, comparison.is_part)


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
    others = prints_of(session, _candidates(session, among, prints, thresholds, catalog))
    explained = {sha256: explain(prints, theirs, thresholds, catalog) for sha256, theirs in others.items()}
    found = [Found(sha256, explanation) for sha256, explanation in explained.items() if explanation is not None]
    return sorted(found, key=lambda one: (one.explanation.strength(), one.blob_sha256))


def is_complete(session: Session, evidence: Evidence, compared: Compared, catalog: Catalog = CATALOG) -> bool:
    """Whether nothing settled in the case, and no rule changed, since the comparison was planned.

    The caller holds :func:`lock_matching`, so that the answer stays true until its transaction ends.
    """
    if compared.rule != rule_of(thresholds_in(session, evidence.case_id, catalog), catalog):
        return False
    settled = _settled_blobs(session, evidence.case_id)
    return {one for one in settled if one[0] != compared.sha256} <= compared.seen


def thresholds_in(session: Session, case_id: UUID, catalog: Catalog) -> Thresholds:
    """Those of the case's policy."""
    return case_thresholds(current_policy(session, case_id)[1], catalog)


def case_thresholds(policy: Policy, catalog: Catalog = CATALOG) -> Thresholds:
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


def blobs_near(session: Session, prints: Prints, thresholds: Thresholds, catalog: Catalog = CATALOG) -> set[str]:
    """The blobs of any case that may be similar: those of which an index says so, and a few more."""
    found: set[str] = set()
    for algorithm in (algorithm for versions in catalog.matching().values() for algorithm in versions):
        hashes = [one.value for one in prints.of(algorithm, view=None)]
        near = INDEX.blobs_near(session, algorithm.version, hashes, thresholds.bits[algorithm.name]) if hashes else ()
        if near is None:
            return set(session.scalars(select(Fingerprint.blob_sha256).distinct()))
        found |= {digest.hex() for digest in near}
    return found


def _known(session: Session, sha256: str, others: Iterable[str], rule: str) -> set[str]:
    """Those of the others with which a match by this rule is stored, by this case or another one."""
    keys = {pair_key(sha256, other, rule): other for other in others}
    return {keys[key] for key in session.scalars(select(BlobMatch.key).where(BlobMatch.key.in_(list(keys))))}


def prints_of(session: Session, blobs: Iterable[str]) -> dict[str, Prints]:
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


def pair_key(first: str, second: str, rule: str) -> str:
    """The same for either direction."""
    low, high = sorted((first, second))
    return sha256_hex(f"{low} {high} {rule}".encode("ascii"))
