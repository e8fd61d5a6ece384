"""Keeping what a decoding gave, and which decoding's fingerprints are in force.

A blob may be decoded again: by a newer decoder, under other limits, by more rules. Each decoding has a number and its
own rows; none is ever changed. Of each rule the latest decoding that got at least as far as the one before is in force:
a decoder that is worse with a file takes nothing away from what an earlier one found in it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.matching import Print
from app.fingerprints.models import Fingerprint, LocalFeatureSet, RuleInForce, VideoShot
from app.fingerprints.shots import SHOTS_RULE, Shot
from app.kernel.primitives import Sha256Hex, sha256_hex, utc_now
from app.media.claims import SealedClaim
from app.media.derivatives import StoredRendering, keep_renderings
from app.media.models import Decoding
from app.media.rules import OUTCOME_RANKS

ROWS_AT_ONCE = 5_000
SETS_AT_ONCE = 500


@dataclass(frozen=True)
class Decoded:
    """What decoding a blob gave."""

    decoder: str
    outcome: str
    reason: str | None
    claims: Mapping[str, Any]
    """Those that are kept with the bytes."""
    prints: list[Print]
    renderings: Sequence[StoredRendering] = ()
    rules: tuple[str, ...] = ()
    """The fingerprint versions that were computed; ``prints`` and ``shots`` hold none of others."""
    shots: Sequence[Shot] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    sealed: Sequence[SealedClaim] = ()
    """What else the file claims: for the streams of its items, and kept with the bytes nowhere."""
    features: Sequence[LocalFeatures] = ()

    def by_rules(self, rules: Collection[str]) -> "Decoded":
        """The same, with what these rules gave and nothing else."""
        return replace(
            self,
            rules=tuple(rules),
            prints=[one for one in self.prints if one.version in rules],
            shots=self.shots if SHOTS_RULE in rules else (),
            features=[one for one in self.features if one.version in rules],
        )


def in_force(table: type[Fingerprint | LocalFeatureSet | VideoShot] = Fingerprint) -> ColumnElement[bool]:
    """The condition that joins a fingerprint, local features or a shot to the row that says that it is in force."""
    return and_(
        RuleInForce.blob_sha256 == table.blob_sha256,
        RuleInForce.rule == table.version,
        RuleInForce.decoding == table.decoding,
    )


def store_decoding(session: Session, sha256: Sha256Hex, number: int, decoded: Decoded) -> bool:
    """Keep a decoding as the blob's ``number``-th. False when another worker was first: its result stays, all of it,
    for two decodings are not mixed. Raises BlobMissing."""
    stored = session.scalar(
        insert(Decoding)
        .values(
            blob_sha256=sha256,
            number=number,
            decoder=decoded.decoder,
            limits=dict(decoded.limits),
            rules=list(decoded.rules),
            outcome=decoded.outcome,
            reason=decoded.reason,
            claims=decoded.claims,
            decoded_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(Decoding.number)
    )
    if stored is None:
        return False
    _store_prints(session, sha256, number, decoded)
    _store_shots(session, sha256, number, decoded.shots)
    _store_features(session, sha256, number, decoded.features)
    _put_in_force(session, sha256, number, decoded)
    keep_renderings(session, sha256, decoded.renderings)
    return True


def _store_prints(session: Session, sha256: Sha256Hex, number: int, decoded: Decoded) -> None:
    """A part at a time: of a long video there are many, and their rows take more memory than they do."""
    for start in range(0, len(decoded.prints), ROWS_AT_ONCE):
        rows = [
            {
                "blob_sha256": sha256,
                "algorithm": one.version.partition("/")[0],
                "version": one.version,
                "decoding": number,
                "time_ms": one.time_ms,
                "view": one.view,
                "value": one.value,
                "quality": one.quality,
            }
            for one in decoded.prints[start : start + ROWS_AT_ONCE]
        ]
        session.execute(insert(Fingerprint).on_conflict_do_nothing(), rows)


def _store_shots(session: Session, sha256: Sha256Hex, number: int, shots: Sequence[Shot]) -> None:
    for start in range(0, len(shots), ROWS_AT_ONCE):
        rows = [
            {"blob_sha256": sha256, "version": SHOTS_RULE, "decoding": number, **asdict(shot)}
            for shot in shots[start : start + ROWS_AT_ONCE]
        ]
        session.execute(insert(VideoShot).on_conflict_do_nothing(), rows)


def _store_features(session: Session, sha256: Sha256Hex, number: int, features: Sequence[LocalFeatures]) -> None:
    rows = [
        {
            "blob_sha256": sha256,
            "version": one.version,
            "decoding": number,
            "time_ms": one.time_ms,
            "view": one.view,
            "count": one.count,
            "points": one.points,
            "points_sha256": sha256_hex(one.points),
        }
        for one in features
    ]
    for start in range(0, len(rows), SETS_AT_ONCE):
        session.execute(insert(LocalFeatureSet).on_conflict_do_nothing(), rows[start : start + SETS_AT_ONCE])


def _put_in_force(session: Session, sha256: Sha256Hex, number: int, decoded: Decoded) -> None:
    """The rules of this decoding, but for those of which an earlier one got further."""
    query = (
        select(RuleInForce.rule, Decoding.outcome)
        .join(Decoding, and_(Decoding.blob_sha256 == RuleInForce.blob_sha256, Decoding.number == RuleInForce.decoding))
        .where(RuleInForce.blob_sha256 == sha256)
    )
    earlier = {rule: OUTCOME_RANKS.get(outcome, 0) for rule, outcome in session.execute(query)}
    rank = OUTCOME_RANKS.get(decoded.outcome, 0)
    rules = [rule for rule in decoded.rules if rank >= earlier.get(rule, 0)]
    if not rules:
        return
    statement = insert(RuleInForce).values(
        [{"blob_sha256": sha256, "rule": rule, "decoding": number} for rule in sorted(rules)]
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["blob_sha256", "rule"], set_={"decoding": statement.excluded.decoding}
        )
    )
