"""Queries about fingerprints, matches and the decisions in force."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import SmallInteger, func, null, or_, select, tuple_
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.fingerprints.decodings import in_force
from app.fingerprints.models import (
    BlobMatch,
    Fingerprint,
    IndexCheck,
    LocalFeatureSet,
    Match,
    MatchComparison,
    Relation,
    RuleInForce,
    VideoShot,
)
from app.fingerprints.seeing import find_match, of_item_seen_by
from app.fingerprints.standing import Standing, as_told, by_rules_in_force
from app.fingerprints.tiers import is_to_decide, last_tiers_and_losses
from app.kernel.database import HexDigest
from app.kernel.errors import NotFound
from app.ledger.positions import Position, standing_at
from app.media.blindness import pending_among
from app.media.closing import is_open
from app.media.models import Evidence


@dataclass(frozen=True)
class ExplainedMatch:
    """A match, what explains it (None: the same bytes), and the decision in force (None: undecided)."""

    match: Match
    blob_match: BlobMatch | None
    decision: Relation | None
    standing: Standing
    is_kept_back: bool = False
    """Of the decision what it says: another's, in a blind round that is pending."""
    tier_since: datetime | None = None
    """When the match came to its tier."""

    @property
    def tier(self) -> str:
        return self.standing.tier

    @property
    def query_id(self) -> UUID:
        """The item that the explanation calls the query."""
        return self.standing.query_id

    @property
    def reference_id(self) -> UUID:
        match = self.match
        return match.second_id if self.query_id == match.first_id else match.first_id


def get_match(session: Session, actor: Actor, match_id: UUID, *, at: Position | None = None) -> ExplainedMatch:
    """To members of the cases of both items, as it stands or stood then."""
    match, _ = find_match(session, actor, match_id, Operation.READ_METADATA)
    if (
        at is not None
        and session.scalar(select(Match.id).where(Match.id == match_id, standing_at(at, Match.act))) is None
    ):
        raise NotFound(f"It did not exist as of {at}.")
    return explained(session, [match], reader=actor.account_id, at=at)[0]


def list_matches(
    session: Session,
    actor: Actor,
    evidence_id: UUID,
    *,
    undecided_only: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> list[ExplainedMatch]:
    """The matches of an item that the actor sees, now or as they stood then, in the order in which they were found (no
    permission check: the caller found the item)."""
    query = select(Match).where(of_item_seen_by(actor, evidence_id), standing_at(at, Match.act))
    query = query.order_by(Match.found_at, Match.id).limit(limit)
    if undecided_only:
        query = query.where(Match.other_case_id.is_(None), is_to_decide(at))
    if after is not None:
        query = query.where(tuple_(Match.found_at, Match.id) > after)
    return explained(session, session.scalars(query).all(), reader=actor.account_id, at=at)


def likely_left_out(session: Session, evidence_id: UUID) -> int:
    """How many likely matches with its case were too many to be kept when the item was compared last."""
    made = session.get(MatchComparison, (evidence_id, False))
    return 0 if made is None else made.left_out


def list_relations(
    session: Session,
    reader: UUID,
    evidence_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    at: Position | None = None,
) -> list[tuple[Relation, bool]]:
    """The decisions in force about an item, on either side, as they were made, and whether what each one says is kept
    back from the reader (no permission check)."""
    newest = select(Relation.match_id, func.max(Relation.number).label("number")).where(standing_at(at, Relation.act))
    later = newest.group_by(Relation.match_id).subquery()
    query = (
        select(Relation)
        .join(later, (later.c.match_id == Relation.match_id) & (later.c.number == Relation.number))
        .where(or_(Relation.evidence_id == evidence_id, Relation.other_id == evidence_id))
        .where(
            ~select(Evidence.id).where(Evidence.id.in_((Relation.evidence_id, Relation.other_id)), ~is_open()).exists()
        )
        .order_by(Relation.decided_at, Relation.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Relation.decided_at, Relation.id) > after)
    found = session.scalars(query).all()
    kept_back = _kept_back(session, reader, found)
    return [(row, row.id in kept_back) for row in found]


def _kept_back(session: Session, reader: UUID | None, decisions: Collection[Relation]) -> set[UUID]:
    """The decisions of which the reader (None: of everybody) may not see yet what they say: the work of one of two who
    verify blind. That a match is decided is shown."""
    of_others = [row for row in decisions if row.decided_by != reader]
    pending = pending_among(session, {item for row in of_others for item in (row.evidence_id, row.other_id)})
    return {
        row.id
        for row in of_others
        for item in (row.evidence_id, row.other_id)
        if item in pending and row.decided_at >= pending[item].since
    }


@dataclass(frozen=True)
class ListedFingerprint:
    """A hash, or a set of local features: of that only how many points it has, and their digest."""

    version: str
    time_ms: int
    view: str
    value: bytes | None
    quality: int | None
    points: int | None
    points_sha256: str | None


def list_fingerprints(
    session: Session, sha256: str, *, after: tuple[str, int, str] | None, limit: int
) -> Sequence[ListedFingerprint]:
    """What is in force of a blob, by version, time and view (no permission check: the caller found an item)."""
    hashes = (
        select(
            Fingerprint.version,
            Fingerprint.time_ms,
            Fingerprint.view,
            Fingerprint.value,
            Fingerprint.quality,
            null().cast(SmallInteger).label("points"),
            null().cast(HexDigest).label("points_sha256"),
        )
        .join(RuleInForce, in_force())
        .where(Fingerprint.blob_sha256 == sha256)
    )
    features = (
        select(
            LocalFeatureSet.version,
            LocalFeatureSet.time_ms,
            LocalFeatureSet.view,
            null().cast(BYTEA).label("value"),
            null().cast(SmallInteger).label("quality"),
            LocalFeatureSet.count,
            LocalFeatureSet.points_sha256,
        )
        .join(RuleInForce, in_force(LocalFeatureSet))
        .where(LocalFeatureSet.blob_sha256 == sha256)
    )
    if after is not None:
        hashes = hashes.where(tuple_(Fingerprint.version, Fingerprint.time_ms, Fingerprint.view) > after)
        features = features.where(
            tuple_(LocalFeatureSet.version, LocalFeatureSet.time_ms, LocalFeatureSet.view) > after
        )
    listed = hashes.union_all(features)
    columns = listed.selected_columns
    rows = session.execute(listed.order_by(columns.version, columns.time_ms, columns.view).limit(limit))
    return [ListedFingerprint(*row) for row in rows]


def list_shots(session: Session, sha256: str, *, after: tuple[str, int] | None, limit: int) -> Sequence[VideoShot]:
    """The shots of a video in force, by version and number (no permission check: the caller found an item on it)."""
    query = select(VideoShot).join(RuleInForce, in_force(VideoShot)).where(VideoShot.blob_sha256 == sha256)
    query = query.order_by(VideoShot.version, VideoShot.number).limit(limit)
    if after is not None:
        query = query.where(tuple_(VideoShot.version, VideoShot.number) > after)
    return session.scalars(query).all()


def shots_between(session: Session, sha256: str, from_ms: int, to_ms: int) -> Sequence[VideoShot]:
    """The shots in force that show something within these times, both of which count; in order of time."""
    query = select(VideoShot).join(RuleInForce, in_force(VideoShot)).where(VideoShot.blob_sha256 == sha256)
    return session.scalars(
        query.where(VideoShot.from_ms <= to_ms, VideoShot.to_ms > from_ms).order_by(VideoShot.from_ms)
    ).all()


def explained(
    session: Session, matches: Sequence[Match], *, reader: UUID | None = None, at: Position | None = None
) -> list[ExplainedMatch]:
    """Each match with its explanation and the decision in force, in a few queries however many there are; ``reader``:
    to whom it is shown; None: as everybody may see it, by decisions of which nothing is kept back from anybody.

    ``at``: with the tier, the explanation and the decision of then. What is kept back from a reader is so now.
    """
    if not matches:
        return []
    similar = [match.id for match in matches if match.blob_match is not None]
    later, lost = last_tiers_and_losses(session, similar, at)
    keys = {match.blob_match for match in matches} | {tier.blob_match for tier in later.values()}
    keys.discard(None)
    blob_matches = {row.key: row for row in session.scalars(select(BlobMatch).where(BlobMatch.key.in_(keys)))}
    ids = [match.id for match in matches]
    of_matches = select(Relation).where(Relation.match_id.in_(ids), standing_at(at, Relation.act))
    made = session.scalars(of_matches.order_by(Relation.number)).all()
    kept_back = _kept_back(session, reader, made)
    decisions = {row.match_id: row for row in made if reader is not None or row.id not in kept_back}
    standing = (
        by_rules_in_force(session, matches, blob_matches, later, lost)
        if at is None
        else {match.id: as_told(match, blob_matches, later.get(match.id), lost.get(match.id)) for match in matches}
    )
    return [
        ExplainedMatch(
            match,
            standing[match.id].blob_match,
            decision,
            standing[match.id],
            decision is not None and decision.id in kept_back,
            later[match.id].found_at if match.id in later else match.found_at,
        )
        for match in matches
        for decision in (decisions.get(match.id),)
    ]


def newest_check(session: Session, name: str = "fingerprints") -> IndexCheck | None:
    """The last comparison of an index with the database; None before the first one."""
    query = select(IndexCheck).where(IndexCheck.name == name)
    return session.scalar(query.order_by(IndexCheck.at.desc()).limit(1))
