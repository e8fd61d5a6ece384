"""Fingerprints of blobs, found similarities between blobs and between items, and what people decided about them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import BYTEA, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.kernel.database import Acted, Base, Erasable, HexDigest, UtcTime, one_of

TIERS = ("exact", "same_picture", "likely")
FIRM_TIERS = ("exact", "same_picture")
LOST_BY = ("rule", "decoding", "stop_list")
"""Thresholds or the rule changed, one of the two was decoded again, or frames were stopped that the match rested on."""
STOP_STANDINGS = ("proposed", "stopped", "dismissed", "released")
STOP_KINDS = ("leader", "colour_bars", "test_card", "end_card", "logo", "interface", "even", "other")
RELATIONS = (
    "exact_copy",
    "same_capture",
    "excerpt_of",
    "contains",
    "edited_from",
    "same_event_other_camera",
    "unrelated",
    "potential",
)


class Fingerprint(Base):
    """One hash of a picture, or of one frame of a video. Never changed: other output is another version."""

    __tablename__ = "fingerprints"
    __table_args__ = (
        ForeignKeyConstraint(
            ["blob_sha256", "decoding"], ["decodings.blob_sha256", "decodings.number"], name="fk_fingerprints_decodings"
        ),
    )

    blob_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"), primary_key=True)
    algorithm: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text, primary_key=True)
    decoding: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default="1")
    """The number of the decoding that gave the pixels. Only rows named by :class:`RuleInForce` are compared."""
    time_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """Of a video's frame, since the first one; 0 for a picture."""
    view: Mapped[str] = mapped_column(Text, primary_key=True)
    """``identity``, or the symmetry under which a picture was hashed to be searched with."""
    value: Mapped[bytes] = mapped_column(BYTEA)
    quality: Mapped[int | None] = mapped_column(SmallInteger)


class FingerprintBatch(Base):
    """The fingerprints that one transaction stored of one decoding, under a number by which an index follows. Written
    by triggers alone.

    Numbers are given under a lock that is held until the commit is visible: who sees a number sees all that is under
    it. The token makes the number one of this database: after a restore of an older state it is another one.
    """

    __tablename__ = "fingerprint_batches"
    __table_args__ = (
        ForeignKeyConstraint(
            ["blob_sha256", "decoding"],
            ["decodings.blob_sha256", "decodings.number"],
            name="fk_fingerprint_batches_decodings",
        ),
        CheckConstraint(
            "(blob_sha256 IS NULL) = (number IS NOT DISTINCT FROM 0) AND (blob_sha256 IS NULL) = (decoding IS NULL)",
            name="first_is_nobodys",
        ),
        UniqueConstraint("number", name="uq_fingerprint_batches_number"),
        Index(
            "ix_fingerprint_batches_open",
            "blob_sha256",
            "decoding",
            unique=True,
            postgresql_where=text("number IS NULL"),
        ),
    )

    token: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    number: Mapped[int | None] = mapped_column(BigInteger)
    """0: what was stored before there were numbers. None: not committed."""
    blob_sha256: Mapped[str | None] = mapped_column(HexDigest)
    decoding: Mapped[int | None]


class IndexCheck(Base):
    """A sample of what an index should find, compared with what it found. Anything missing sets that index aside."""

    __tablename__ = "index_checks"
    __table_args__ = (
        one_of("name", ("fingerprints", "features")),
        Index("ix_index_checks_at", "at"),
        Index("ix_index_checks_index_id", "index_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    index_id: Mapped[UUID]
    """Of the file, or of what a process holds in memory as long as there is no file."""
    name: Mapped[str] = mapped_column(Text, server_default="fingerprints")
    """``fingerprints``: hashes. ``features``: local features."""
    at: Mapped[datetime] = mapped_column(UtcTime)
    hashes: Mapped[int] = mapped_column(BigInteger)
    """So many were compared one by one; of local features, points."""
    queries: Mapped[int]
    missing: Mapped[int]
    """Blobs that were found that way and not by the index; of local features, points."""


class LocalFeatureSet(Base):
    """The points of a picture, or of one frame of a video. Never changed: other output is another version."""

    __tablename__ = "local_features"
    __table_args__ = (
        ForeignKeyConstraint(
            ["blob_sha256", "decoding"],
            ["decodings.blob_sha256", "decodings.number"],
            name="fk_local_features_decodings",
        ),
        CheckConstraint("points_sha256 = sha256(points)", name="points_digest"),
        CheckConstraint(r"view IN ('identity', 'mirror') OR view ~ '^part(\.[0-9]{1,4}){5}$'", name="view_word"),
        CheckConstraint(
            "CASE WHEN count = 0 THEN octet_length(points) = 0 ELSE octet_length(points) % count = 0 END",
            name="whole_points",
        ),
    )

    blob_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"), primary_key=True)
    version: Mapped[str] = mapped_column(Text, primary_key=True)
    decoding: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The number of the decoding that gave the pixels. Only rows named by :class:`RuleInForce` are compared."""
    time_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """Of a video's frame, since the first one; 0 for a picture."""
    view: Mapped[str] = mapped_column(Text, primary_key=True, server_default="identity")
    """``identity``; ``mirror``: of the mirrored picture, to be searched with; or of a part, see ``views.Part``."""
    count: Mapped[int] = mapped_column(SmallInteger)
    points: Mapped[bytes] = mapped_column(BYTEA)
    """Packed as the version says; of ``orb/1`` see ``algorithms.local_features``."""
    points_sha256: Mapped[str] = mapped_column(HexDigest)
    """What the ledger's digest covers, so that nobody reads the points to check it."""


class RuleInForce(Base):
    """By which decoding a rule's rows of a blob are in force; there is a row for every rule that was computed, also
    where it gave nothing. Replaced by a later decoding only, and only by one that ended no worse."""

    __tablename__ = "rules_in_force"
    __table_args__ = (
        ForeignKeyConstraint(
            ["blob_sha256", "decoding"],
            ["decodings.blob_sha256", "decodings.number"],
            name="fk_rules_in_force_decodings",
        ),
    )

    blob_sha256: Mapped[str] = mapped_column(HexDigest, primary_key=True)
    rule: Mapped[str] = mapped_column(Text, primary_key=True)
    """A fingerprint version: ``pdq/1``."""
    decoding: Mapped[int]


class VideoShot(Base):
    """One shot of a video: what lies between two cuts. Never changed: another rule is another version."""

    __tablename__ = "shots"
    __table_args__ = (
        UniqueConstraint("blob_sha256", "version", "decoding", "from_ms", name="uq_shots_begin"),
        ForeignKeyConstraint(
            ["blob_sha256", "decoding"], ["decodings.blob_sha256", "decodings.number"], name="fk_shots_decodings"
        ),
        CheckConstraint("number >= 0 AND from_ms >= 0 AND from_ms < to_ms", name="has_length"),
        CheckConstraint("shown_ms >= from_ms AND shown_ms < to_ms", name="shows_itself"),
    )

    blob_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"), primary_key=True)
    version: Mapped[str] = mapped_column(Text, primary_key=True)
    decoding: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0 in order of time."""
    from_ms: Mapped[int] = mapped_column(BigInteger)
    to_ms: Mapped[int] = mapped_column(BigInteger)
    """Where the next one begins; of the last one, the end of the recording."""
    shown_ms: Mapped[int] = mapped_column(BigInteger)
    """The time of the frame that stands for it."""


class BlobMatch(Base):
    """A similarity of two blobs by one rule, kept once and explained."""

    __tablename__ = "blob_matches"
    __table_args__ = (
        one_of("tier", ("same_picture", "likely")),
        Index("ix_blob_matches_query_sha256", "query_sha256"),
        Index("ix_blob_matches_reference_sha256", "reference_sha256"),
    )

    key: Mapped[str] = mapped_column(HexDigest, primary_key=True)
    """SHA-256 of both digests, the smaller first, and the rule: the same for either direction."""
    query_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"))
    reference_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"))
    rule: Mapped[str] = mapped_column(Text)
    tier: Mapped[str] = mapped_column(Text)
    grounds: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """What ``matching.Ground`` says of each, the strongest first; what is not known is absent."""
    segments: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    found_at: Mapped[datetime] = mapped_column(UtcTime)


class Match(Acted, Base):
    """A similarity of two items, of one case or of two."""

    __tablename__ = "matches"
    __table_args__ = (
        one_of("tier", TIERS),
        UniqueConstraint("first_id", "second_id", name="uq_matches_pair"),
        CheckConstraint("first_id < second_id", name="ordered"),
        CheckConstraint("query_id IN (first_id, second_id)", name="query_is_one"),
        CheckConstraint("(tier = 'exact') = (blob_match IS NULL)", name="explained"),
        CheckConstraint("other_case_id <> case_id", name="other_is_another"),
        Index("ix_matches_second_id", "second_id"),
        Index("ix_matches_case_id", "case_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    """Of the first item, and of the second as long as there is no other."""
    other_case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"))
    """The case of the second item where that is another one: then only members of both see the match."""
    first_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    second_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    query_id: Mapped[UUID]
    """Which of the two is the query of transformation and segments; the other is the reference."""
    blob_match: Mapped[str | None] = mapped_column(HexDigest, ForeignKey("blob_matches.key"))
    tier: Mapped[str] = mapped_column(Text)
    found_at: Mapped[datetime] = mapped_column(UtcTime)


class MatchTier(Acted, Base):
    """A later tier of a match: compared anew, by another rule or with working pictures that there were none of, the
    pair is surer or less sure than it was said to be; or it is no longer found, or found again. The highest number is
    in force."""

    __tablename__ = "match_tiers"
    __table_args__ = (one_of("tier", ("same_picture", "likely")), one_of("lost_by", LOST_BY))

    match_id: Mapped[UUID] = mapped_column(ForeignKey("matches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 2; the first one stands in the match."""
    first_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    """The match's two items: each has an entry in its stream."""
    second_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    tier: Mapped[str] = mapped_column(Text)
    """Of what is lost: which it had."""
    blob_match: Mapped[str] = mapped_column(HexDigest, ForeignKey("blob_matches.key"))
    found_at: Mapped[datetime] = mapped_column(UtcTime)
    lost_by: Mapped[str | None] = mapped_column(Text)
    """Why it is no longer found. None: it is."""


class MatchNotice(Base):
    """For the coordinators of a case: an item of another case resembles one of theirs. One for each item and other
    case; which case that is nobody is told."""

    __tablename__ = "match_notices"
    __table_args__ = (
        one_of("tier", FIRM_TIERS),
        UniqueConstraint("evidence_id", "other_case_id", name="uq_match_notices_evidence_id"),
        CheckConstraint("other_case_id <> case_id", name="of_another"),
        CheckConstraint("(acknowledged_by IS NULL) = (acknowledged_at IS NULL)", name="acknowledged"),
        Index("ix_match_notices_case_id_found_at", "case_id", "found_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    other_case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    tier: Mapped[str] = mapped_column(Text)
    """The strongest that was found when the notice was made."""
    found_at: Mapped[datetime] = mapped_column(UtcTime)
    acknowledged_by: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcTime)


class MatchComparison(Base):
    """By which rule an item was compared last: with its case, or across cases. What was compared by another rule than
    the one in force is compared anew."""

    __tablename__ = "match_comparisons"
    __table_args__ = (CheckConstraint("left_out >= 0", name="left_out_counts"),)

    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"), primary_key=True)
    across: Mapped[bool] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(Text)
    decoding: Mapped[int]
    """The number of the decoding by which the item was settled."""
    left_out: Mapped[int]
    """Likely matches that were too many to be kept, of the weakest."""
    compared_at: Mapped[datetime] = mapped_column(UtcTime)
    stops: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The change of :class:`BlobStops` that the item's blob had."""


class Relation(Acted, Erasable, Base):
    """A person's decision about a match: ``evidence`` is the relation of ``other``. The highest number is in force."""

    __tablename__ = "relations"
    __table_args__ = (
        one_of("relation", RELATIONS),
        UniqueConstraint("match_id", "number", name="uq_relations_number"),
        Index("ix_relations_evidence_id", "evidence_id"),
        Index("ix_relations_other_id", "other_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    match_id: Mapped[UUID] = mapped_column(ForeignKey("matches.id"))
    number: Mapped[int]
    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    other_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id"))
    relation: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime] = mapped_column(UtcTime)


class StoppedFrame(Base):
    """A frame that occurs in many unrelated sources, or is said to: while it is ``stopped`` matching leaves it out.

    Every change of its standing has an entry in the system stream; triggers hold which follows which.
    """

    __tablename__ = "stop_list"
    __table_args__ = (
        one_of("standing", STOP_STANDINGS),
        one_of("kind", STOP_KINDS),
        CheckConstraint("sources > 0", name="sources_count"),
        CheckConstraint("kind IS NOT NULL OR standing <> 'stopped'", name="stopped_has_kind"),
        UniqueConstraint("change", name="uq_stop_list_change"),
        UniqueConstraint("version", "value", name="uq_stop_list_value"),
        Index("ix_stop_list_standing_since_id", "standing", "since", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(Text)
    """Of the hash: ``pdq/1``."""
    value: Mapped[bytes] = mapped_column(BYTEA)
    standing: Mapped[str] = mapped_column(Text)
    kind: Mapped[str | None] = mapped_column(Text)
    """What it shows, as the person said who stopped it."""
    sources: Mapped[int | None]
    """In so many unrelated ones it was found, when it was looked for last; None: not yet."""
    since: Mapped[datetime] = mapped_column(UtcTime)
    """When it came to this standing."""
    change: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue(), server_onupdate=FetchedValue())
    """The number of its last change among those of the whole list, given by a trigger in the order of commits."""


class StopListProgress(Base):
    """Up to which :class:`FingerprintBatch` frames were looked at, whether they occur in many sources."""

    __tablename__ = "stop_list_progress"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    passed_on: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Up to which change of the list it stands in :class:`BlobStops` whom it concerns."""


class BlobStops(Base):
    """The last change of the stop list that concerned a blob which was stored before: one of its frames was stopped, or
    freed. What was compared under a lower one is compared anew. A blob that came after the change has no row for it."""

    __tablename__ = "blob_stops"

    blob_sha256: Mapped[str] = mapped_column(HexDigest, ForeignKey("blobs.sha256"), primary_key=True)
    change: Mapped[int] = mapped_column(BigInteger)
