"""What fingerprinting, matching and decisions about matches leave in the items' streams."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event


@dataclass(frozen=True, kw_only=True)
class EvidenceFingerprinted(Event):
    """``fingerprints_sha256`` is of the lines ``version view time_ms hex``, sorted, of the fingerprints in force; of a
    set of local features ``hex`` is the SHA-256 of its packed points.

    Of a shot the line is ``version number from_ms to_ms shown_ms``; ``fingerprints`` is the number of all lines.

    ``outcome`` is the latest decoding's; ``kept_outcome``, where it got less far than an earlier one: the outcome of
    that one, whose fingerprints stay in force.
    """

    TYPE: ClassVar[str] = "evidence.fingerprinted"
    status: str
    outcome: str
    kept_outcome: str | None = None
    decoder: str
    algorithms: tuple[str, ...]
    fingerprints: int
    fingerprints_sha256: str


@dataclass(frozen=True, kw_only=True)
class DecodingRequested(Event):
    """The item's bytes are offered for decoding again, by a person or an operator; ``outcome`` and ``decoder`` are
    those of the decoding before. What comes of it is the next ``evidence.fingerprinted``."""

    TYPE: ClassVar[str] = "evidence.decoding_requested"
    outcome: str | None = None
    decoder: str | None = None


@dataclass(frozen=True, kw_only=True)
class EvidenceMatched(Event):
    """``evidence`` is the other item; ``spans`` are [query from, to, reference from, to] in milliseconds.

    ``algorithm`` is of the strongest ground: of a hash it says the distance, of local features the points that agree.

    ``number`` and ``supersedes``: the match was found before, and is of another tier now; the first one has number 1.

    Of a match across cases no entry tells (:class:`EvidenceCompared`); before decision 0082 each item had one, with
    ``tier`` and ``notices`` alone.
    """

    TYPE: ClassVar[str] = "evidence.matched"
    match: UUID
    evidence: UUID
    query: UUID
    tier: str
    algorithm: str | None = None
    distance_bits: int | None = None
    threshold_bits: int | None = None
    inliers: int | None = None
    threshold_inliers: int | None = None
    transformation: str | None = None
    spans: tuple[tuple[int, int, int, int], ...] | None = None
    number: int | None = None
    supersedes: int | None = None


@dataclass(frozen=True, kw_only=True)
class EvidenceMatchLost(Event):
    """A match is no longer found, from either side: it counts no more where nobody decided about it. ``tier`` is what
    it had, ``because`` one of ``models.LOST_BY``; found again it is ``evidence.matched``, with the next number.
    """

    TYPE: ClassVar[str] = "evidence.match_lost"
    match: UUID
    evidence: UUID
    tier: str
    because: str | None
    number: int
    supersedes: int


@dataclass(frozen=True, kw_only=True)
class EvidenceCompared(Event):
    """The item was compared with those of other cases; what was found is not said. So an item that was compared has one
    entry more, and what it was compared with none: neither the log nor the number of a later entry tells anything."""

    TYPE: ClassVar[str] = "evidence.compared"
    rule: str


@dataclass(frozen=True, kw_only=True)
class NoticeAcknowledged(Event):
    """A coordinator has seen what a notice says. In the system stream: whoever reads the case's custody log would learn
    from it that another case has something like the item."""

    TYPE: ClassVar[str] = "system.notice_acknowledged"
    tier: str
    found_at: datetime


@dataclass(frozen=True, kw_only=True)
class MatchDecided(Event):
    """``subject`` is the item of which the relation is said; ``evidence`` is the other item of this stream's."""

    TYPE: ClassVar[str] = "evidence.match_decided"
    match: UUID
    evidence: UUID
    subject: UUID
    relation: str
    number: int


@dataclass(frozen=True, kw_only=True)
class FrameProposed(Event):
    """The system found a frame in many unrelated sources. ``value_sha256`` is of the hash's bytes: the hash itself
    stands in the stop list alone."""

    TYPE: ClassVar[str] = "system.frame_proposed"
    hash_version: str
    value_sha256: str
    sources: int


@dataclass(frozen=True, kw_only=True)
class FrameStopped(Event):
    """Matching leaves the frame out from now on."""

    TYPE: ClassVar[str] = "system.frame_stopped"
    hash_version: str
    value_sha256: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class FrameDismissed(Event):
    """A person decided that a proposed frame is matched as any other, and not proposed again."""

    TYPE: ClassVar[str] = "system.frame_dismissed"
    hash_version: str
    value_sha256: str


@dataclass(frozen=True, kw_only=True)
class FrameReleased(Event):
    """A stopped frame is matched again as any other."""

    TYPE: ClassVar[str] = "system.frame_released"
    hash_version: str
    value_sha256: str
