"""What fingerprinting, matching and decisions about matches leave in the items' streams."""

from dataclasses import dataclass
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
    """

    TYPE: ClassVar[str] = "evidence.matched"
    match: UUID
    evidence: UUID
    query: UUID
    tier: str
    algorithm: str
    distance_bits: int | None = None
    threshold_bits: int | None = None
    inliers: int | None = None
    threshold_inliers: int | None = None
    transformation: str
    spans: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class MatchDecided(Event):
    """``subject`` is the item of which the relation is said; ``evidence`` is the other item of this stream's."""

    TYPE: ClassVar[str] = "evidence.match_decided"
    match: UUID
    evidence: UUID
    subject: UUID
    relation: str
    number: int
