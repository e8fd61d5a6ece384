"""Finding matches: an item against the settled items of its case, each pair of blobs computed once in a case.

Plan (reads), compare (pure), then under the case's lock: is it complete, store. See ``match_job``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from app.blobs.store import BlobStore
from app.cases.policy import Policy
from app.cases.service import current_policy
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.matching import (
    Explanation,
    Prints,
    Thresholds,
    explain,
    rule_of,
    thresholds_of,
)
from app.fingerprints.models import BlobMatch, BlobStops, Fingerprint, Match
from app.fingerprints.pair_rules import Settled, newest, pair_rule, stops_of
from app.fingerprints.pictures import with_store
from app.fingerprints.proposing import Moments, Proposed, proposed
from app.fingerprints.stored_prints import prints_of, without_stopped
from app.fingerprints.views import SETS_OF_A_FRAME, SETS_OF_A_PICTURE
from app.kernel.database import is_among
from app.kernel.primitives import sha256_hex
from app.media.models import Evidence
from app.media.rules import FingerprintStatus

PRINTS_AT_ONCE = 200_000
"""Hashes of candidates that are held at a time: some 60 MB."""
MOST_IN_VAIN = 20
"""Pictures that points alone proposed and that are nothing, one after the other. Measured: docs/decisions/0038."""
SET_IN_PRINTS = 60
"""A set of local features takes as much memory as so many hashes."""
SETTLED = (FingerprintStatus.DONE, FingerprintStatus.UNDECODABLE, FingerprintStatus.FAILED)
_MATCHING_LOCK = 0x4D41
_WITHOUT_TIMEOUT, _WITH_TIMEOUT = text("SET LOCAL lock_timeout = 0"), text("SET LOCAL lock_timeout TO DEFAULT")
_LOCK = text("SELECT pg_advisory_xact_lock(:lock, hashtext(:case_id))")


def lock_matching(session: Session, case_id: UUID) -> None:
    """One item of a case settles at a time, until the transaction ends: of two that arrive at once the later one sees
    that the earlier one has settled. Held for a few statements, never while anything is compared. Waits for its turn
    however long that takes: that a case is busy is no failure of the file."""
    session.execute(_WITHOUT_TIMEOUT)
    session.execute(_LOCK, {"lock": _MATCHING_LOCK, "case_id": str(case_id)})
    session.execute(_WITH_TIMEOUT)


@dataclass(frozen=True)
class Comparison:
    """What is to be compared: an item's blob with those blobs of its case that were settled and not yet looked at."""

    own: Settled
    """The item's blob."""
    thresholds: Thresholds
    rule: str
    prints: Prints | None
    """Of the item's blob; None when it has none, and resembles nothing but itself."""
    others: dict[str, Prints]
    """The blobs that may be similar, by SHA-256."""
    found: dict[str, Explanation | None]
    """What is known to be similar already; see :class:`Compared`."""
    seen: frozenset[Settled]
    """Every blob of the case that this comparison and the earlier ones took into account."""
    moments: Proposed = field(default_factory=Proposed)
    """Frames whose local features may lie alike."""
    is_part: bool = False
    """Whether more is left to be compared in another round."""
    catalog: Catalog = CATALOG


@dataclass(frozen=True)
class Compared:
    """The result of one or more comparisons of one item."""

    own: Settled
    """The item's blob."""
    rule: str
    seen: frozenset[Settled]
    explained: dict[str, Explanation | None]
    """Per similar blob its explanation; None: it was stored before."""
    prints: Prints | None = None
    """What it was compared by: another round of the same decoding need not read it again."""
    is_part: bool = False

    @property
    def sha256(self) -> str:
        return self.own.blob

    def rule_with(self, other: str) -> str:
        """The name of the rule by which the pair with this blob was compared."""
        return pair_rule(self.rule, self.own, self._others.get(other, Settled(other)))

    @cached_property
    def _others(self) -> dict[str, Settled]:
        return newest(self.seen)


def plan_comparison(
    session: Session,
    evidence: Evidence,
    earlier: Compared | None = None,
    catalog: Catalog = CATALOG,
    decoding: int | None = None,
) -> Comparison:
    """Reads, without a lock, what :func:`compare` needs. ``decoding``: by which the item is being settled.

    The settled blobs are read first and nothing else is looked at: whatever settles later is in nobody's ``seen``, and
    :func:`is_complete` says so. ``earlier`` is what was compared before, by the same rule.
    """
    sha256 = evidence.blob_sha256
    assert sha256 is not None
    thresholds = thresholds_in(session, evidence.case_id, catalog)
    rule = rule_of(thresholds, catalog)
    own = Settled(sha256, decoding or evidence.settled_decoding, stops_of(session, sha256))
    if earlier is not None and (earlier.rule, earlier.own) != (rule, own):
        earlier = None
    seen_before: frozenset[Settled] = frozenset() if earlier is None else earlier.seen
    settled = _settled_blobs(session, evidence.case_id)
    prints = query_prints(session, sha256, catalog) if earlier is None else earlier.prints
    fresh = {one.blob for one in settled - seen_before} - {sha256}
    candidates = Proposed() if prints is None else proposed(session, fresh, prints, thresholds, catalog)
    here = _matched_here(session, evidence.case_id, sha256)
    return plan_pairs(session, own, prints, candidates, settled, thresholds, earlier, catalog, explained_among=here)


def query_prints(session: Session, sha256: str, catalog: Catalog = CATALOG) -> Prints | None:
    """All that a blob is searched for with."""
    return prints_of(session, [sha256], None, catalog).get(sha256)


def plan_pairs(
    session: Session,
    own: Settled,
    prints: Prints | None,
    candidates: Proposed,
    settled: frozenset[Settled],
    thresholds: Thresholds,
    earlier: Compared | None,
    catalog: Catalog,
    explained_among: Collection[str] | None = None,
) -> Comparison:
    """What is to be compared of the candidates: not what is known, and of the rest so many as memory holds. What is
    left for another round is not in ``seen``. ``own`` and ``settled`` were read before any prints: so what is compared
    knows of these decodings and these changes of the stop list. ``explained_among``: the blobs with which a stored
    explanation is used, whoever had it made; None: all."""
    rule = rule_of(thresholds, catalog)
    seen_before: frozenset[Settled] = frozenset() if earlier is None else earlier.seen
    fresh = {one.blob for one in settled - seen_before}
    theirs = newest(settled)
    rules = {other: pair_rule(rule, own, theirs.get(other, Settled(other))) for other in candidates}
    known = _known(session, own.blob, rules)
    if explained_among is not None:
        known.intersection_update(explained_among)
    now, later = _at_once(session, candidates.only(candidates.keys() - known))
    explained = {} if earlier is None else earlier.explained
    found = {blob: explanation for blob, explanation in explained.items() if blob not in fresh}
    found.update(dict.fromkeys(known))
    seen = seen_before | {one for one in settled if one.blob not in later}
    others = prints_of(session, now, _frames_of(now), catalog)
    return Comparison(own, thresholds, rule, prints, others, found, seen, now, bool(later), catalog)


def _frames_of(candidates: Proposed) -> dict[str, set[int]]:
    """Those whose local features are compared."""
    return {blob: {theirs for _, theirs in moments} for blob, moments in candidates.items()}


def _at_once(session: Session, blobs: Proposed) -> tuple[Proposed, set[str]]:
    """Those of the blobs that are compared in this round, at least one, and those that are left."""
    if not blobs:
        return blobs, set()
    counts = dict(session.execute(_COUNTED, {"digests": list(blobs)}).all())
    total, now = 0, set[str]()
    for blob in sorted(blobs):
        # One frame may be a picture with all the parts that a picture may have; several are a recording's.
        total += counts.get(blob, 0) + SET_IN_PRINTS * max(SETS_OF_A_PICTURE, SETS_OF_A_FRAME * len(blobs[blob]))
        if now and total > PRINTS_AT_ONCE:
            break
        now.add(blob)
    return blobs.only(now), blobs.keys() - now


class HasBlobs(Protocol):
    """What the worker hands to jobs that compare."""

    @property
    def blobs(self) -> BlobStore: ...


def compare(comparison: Comparison, blobs: BlobStore) -> Compared:
    """Explain every pair. Reads working pictures, and is long for videos: nobody waits for it."""

    def with_other(other: str, moments: Moments) -> Explanation | None:
        if comparison.prints is None or other not in comparison.others:
            return None
        query, reference = with_store(comparison.prints, blobs), with_store(comparison.others[other], blobs)
        if query_of(comparison.own.blob, other) == other:
            query, reference, moments = reference, query, [(theirs, mine) for mine, theirs in moments]
        return explain(query, reference, comparison.thresholds, comparison.catalog, moments)

    explained = comparison.found | _explained(comparison.moments, with_other)
    return Compared(comparison.own, comparison.rule, comparison.seen, explained, comparison.prints, comparison.is_part)


def _explained(
    candidates: Proposed, with_other: Callable[[str, Moments], Explanation | None]
) -> dict[str, Explanation | None]:
    """Of the candidates those that are similar. What points alone propose is looked at in the order of its votes, and
    no further when so many one after the other were nothing: a copy has far more votes than others have by chance."""
    found: dict[str, Explanation | None] = {}
    in_vain = 0
    for blob in [*sorted(candidates.keys() - set(candidates.by_votes)), *candidates.by_votes]:
        if in_vain == MOST_IN_VAIN:
            break
        explanation = with_other(blob, candidates[blob])
        if explanation is not None:
            found[blob] = explanation
        if blob in candidates.by_votes:
            in_vain = 0 if explanation is not None else in_vain + 1
    return found


@dataclass(frozen=True)
class Found:
    """A stored blob that resembles what was searched for, and why; what was searched for is the query."""

    blob_sha256: str
    explanation: Explanation


@dataclass(frozen=True)
class Search:
    """What is to be compared with something that is not stored, a part of it at a time."""

    prints: Prints
    thresholds: Thresholds
    left: Proposed
    """Candidates that are not at hand yet, with their frames whose local features may lie alike."""
    others: dict[str, Prints] = field(default_factory=dict)
    """Those that are."""
    moments: Proposed = field(default_factory=Proposed)
    found: tuple[Found, ...] = ()
    """Of those before, without an order."""
    catalog: Catalog = CATALOG


def plan_search(
    session: Session,
    prints: Prints,
    features: Sequence[LocalFeatures],
    among_cases: Collection[UUID],
    thresholds: Thresholds,
    catalog: Catalog = CATALOG,
) -> Search:
    """The settled blobs of these cases that may resemble something which is not stored, the first of them at hand.

    Reads all of the candidates' fingerprints; no permission check: the caller chose the cases.
    """
    prints = without_stopped(session, {"": replace(prints, features=list(features))})[""]
    among = {one.blob for case_id in among_cases for one in _settled_blobs(session, case_id)}
    left = proposed(session, among, prints, thresholds, catalog)
    return next_part(session, Search(prints, thresholds, left, catalog=catalog))


def next_part(session: Session, search: Search) -> Search:
    """The same with other candidates at hand, so many as memory holds."""
    now, later = _at_once(session, search.left)
    others = prints_of(session, now, _frames_of(now), search.catalog)
    return replace(search, left=search.left.only(later), others=others, moments=now)


def search_part(search: Search, blobs: BlobStore) -> Search:
    """Explains what is at hand, by the same rule as what is stored, and lets go of it."""

    def with_other(other: str, moments: Moments) -> Explanation | None:
        theirs = search.others.get(other)
        if theirs is None:
            return None
        return explain(search.prints, with_store(theirs, blobs), search.thresholds, search.catalog, moments)

    explained = _explained(search.moments, with_other)
    found = [Found(sha256, one) for sha256, one in explained.items() if one is not None]
    return replace(search, others={}, moments=Proposed(), found=(*search.found, *found))


def in_order(found: Sequence[Found]) -> list[Found]:
    """The firm ones first, and of each tier the strongest. Exact copies are for the caller to look up."""
    return sorted(found, key=lambda one: (one.explanation.strength(), one.blob_sha256))


def is_complete(session: Session, evidence: Evidence, compared: Compared, catalog: Catalog = CATALOG) -> bool:
    """Whether nothing settled in the case, no rule changed, and no frame was stopped or freed that concerns the two,
    since the comparison was planned.

    The caller holds :func:`lock_matching`, so that the answer stays true until its transaction ends.
    """
    if compared.rule != rule_of(thresholds_in(session, evidence.case_id, catalog), catalog):
        return False
    if compared.own.stops != stops_of(session, compared.sha256):
        return False
    settled = _settled_blobs(session, evidence.case_id)
    return {one for one in settled if one.blob != compared.sha256} <= compared.seen


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
    return _settled(session.execute(_SETTLED_IN_CASE, {"case_id": case_id}))


def settled_where(session: Session, *conditions: ColumnElement[bool]) -> frozenset[Settled]:
    """The blobs of these items."""
    return _settled(session.execute(_settled_query(*conditions)))


def _settled_query(*conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(Evidence.blob_sha256, func.max(Evidence.settled_decoding), func.coalesce(func.max(BlobStops.change), 0))
        .outerjoin(BlobStops, BlobStops.blob_sha256 == Evidence.blob_sha256)
        .where(*conditions)
        .group_by(Evidence.blob_sha256)
    )


def _settled(rows: Iterable[Any]) -> frozenset[Settled]:
    return frozenset(Settled(blob, *rest) for blob, *rest in rows if blob is not None)


def _matched_here(session: Session, case_id: UUID, sha256: str) -> set[str]:
    """The blobs with which this one is matched in the case. What another case had explained is explained anew: else how
    soon an item is done would tell that another case has the same and something like it."""
    matched = session.scalars(_MATCHED_HERE, {"case_id": case_id, "sha256": sha256})
    return {blob for blob in matched if blob is not None}


def _known(session: Session, sha256: str, rules: Mapping[str, str]) -> set[str]:
    """Those of the others with which a match is stored, by this case or another one, by the rule for that pair."""
    keys = {pair_key(sha256, other, rule): other for other, rule in rules.items()}
    return {keys[key] for key in session.scalars(_STORED, {"digests": list(keys)})}


def query_of(first: str, second: str) -> str:
    """Which of two stored blobs their explanation calls the query: by their digests alone. A pair is explained once for
    all cases, so anything that hangs on which came first would tell a case that another one has both."""
    return min(first, second)


def pair_key(first: str, second: str, rule: str) -> str:
    """The same for either direction."""
    low, high = sorted((first, second))
    return sha256_hex(f"{low} {high} {rule}".encode("ascii"))


def _matched_here_query() -> Select[*tuple[Any, ...]]:
    own, other = aliased(Evidence), aliased(Evidence)
    return (
        select(other.blob_sha256)
        .distinct()
        .select_from(own)
        .join(Match, or_(Match.first_id == own.id, Match.second_id == own.id))
        .join(other, other.id == case((Match.first_id == own.id, Match.second_id), else_=Match.first_id))
        .where(
            own.case_id == bindparam("case_id"),
            own.blob_sha256 == bindparam("sha256"),
            Match.other_case_id.is_(None),
        )
    )


# Asked for every item that is compared: made anew they would take longer than their answers.
_MATCHED_HERE = _matched_here_query()
_SETTLED_IN_CASE = _settled_query(
    Evidence.case_id == bindparam("case_id"),
    or_(
        Evidence.fingerprint_status == FingerprintStatus.DONE,
        and_(Evidence.fingerprint_status == FingerprintStatus.PENDING, Evidence.settled_decoding > 0),
    ),
)
_STORED = select(BlobMatch.key).where(is_among(BlobMatch.key))
_COUNTED = (
    select(Fingerprint.blob_sha256, func.count())
    .where(is_among(Fingerprint.blob_sha256))
    .group_by(Fingerprint.blob_sha256)
)
