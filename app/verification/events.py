"""What verification leaves in an item's stream, and reviewers' keys in the case's.

Persons are the case's pseudonyms; what people wrote is sealed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class VerificationOpened(Event):
    """``blind``: the round is verified twice, as the case's policy asked when it began."""

    TYPE: ClassVar[str] = "evidence.verification_opened"
    round: int
    blind: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Leased(Event):
    """Taken, given, or made longer."""

    TYPE: ClassVar[str] = "evidence.leased"
    person: UUID
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class LeaseEnded(Event):
    """``reason_code``: ``given_back``, ``ended_by_coordinator``, ``expired`` (found by whoever acted next),
    ``submitted``, ``reviewed`` (its holder judged), or ``withdrawn`` (there is nothing left to review)."""

    TYPE: ClassVar[str] = "evidence.lease_ended"
    person: UUID


@dataclass(frozen=True, kw_only=True)
class Assigned(Event):
    """A coordinator gave the item's present work to one person."""

    TYPE: ClassVar[str] = "evidence.assigned"
    person: UUID


@dataclass(frozen=True, kw_only=True)
class Unassigned(Event):
    """``reason_code``: ``given_back``, ``ended_by_coordinator``, ``reassigned``, ``may_not_any_more`` (found by whoever
    took the item next), ``submitted``, ``reviewed`` or ``withdrawn``."""

    TYPE: ClassVar[str] = "evidence.unassigned"
    person: UUID


@dataclass(frozen=True, kw_only=True)
class Prioritised(Event):
    TYPE: ClassVar[str] = "evidence.prioritised"
    priority: str


@dataclass(frozen=True, kw_only=True)
class FindingRecorded(Event):
    """``place``: ``second`` for the second verifier's of a blind round."""

    TYPE: ClassVar[str] = "evidence.finding_recorded"
    finding_id: UUID
    round: int
    dimension: str
    result: str
    confidence: str
    methods: tuple[str, ...]
    precision: str | None = None
    """Of a place, as a word."""
    time_from: datetime | None = None
    time_to: datetime | None = None
    time_zone: str | None = None
    supersedes: UUID | None = None
    reference_kinds: tuple[str, ...] | None = None
    """Of each thing that it refers to, in their order; which and where is sealed."""
    cited: tuple[UUID, ...] | None = None
    """The items of the case among them."""
    recycled: tuple[Mapping[str, Any], ...] | None = None
    """On provenance: match, answer, the basis of the earlier appearance, and its time unless that is a claimed one."""
    recycled_reasons: Mapping[str, str] | None = sealed(default=None)
    """By match."""
    place: str | None = None
    time_basis: str | None = sealed(default=None)
    point: Mapping[str, int] | None = sealed(default=None)
    """In millionths of a degree."""
    rationale: str = sealed()
    references: tuple[Mapping[str, Any], ...] | None = sealed(default=None)
    """Objects; texts in entries from before there were kinds."""


@dataclass(frozen=True, kw_only=True)
class Questioned(Event):
    """After the sign-off it turned out that the item's pictures are known from before its event; or, ``ended``, that
    what its verdict answered as recycled is no longer so."""

    TYPE: ClassVar[str] = "evidence.questioned"
    notice: UUID
    match: UUID
    evidence: UUID
    """The other item of the match."""
    basis: str | None = None
    earliest_at: datetime | None = None
    """Not of a date that is claimed: that is sealed where it was stated."""
    ended: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Submitted(Event):
    TYPE: ClassVar[str] = "evidence.submitted"
    round: int
    verdict_id: UUID
    outcome: str
    verdict_version: int
    supersedes: UUID | None
    incident: UUID | None
    signature_mode: str
    self_reviewed: bool
    dsse_sha256: str | None = None
    """With the four below: of a verdict that its author signed, as docs/custody.md has it."""
    keyid: str | None = None
    alg: str | None = None
    public_key: str | None = None
    key_bound: str | None = None
    """The commitment of the entry by which the key was bound to the author in this case."""
    rationale: str = sealed()


@dataclass(frozen=True, kw_only=True)
class SecondSubmitted(Event):
    """The second verifier's own verdict, beside the first's (``verdict_id``), of which nothing was shown before."""

    TYPE: ClassVar[str] = "evidence.second_submitted"
    round: int
    second_verdict_id: UUID
    verdict_id: UUID
    outcome: str
    judged: UUID
    rationale: str = sealed()


@dataclass(frozen=True, kw_only=True)
class Withdrawn(Event):
    TYPE: ClassVar[str] = "evidence.withdrawn"
    round: int
    verdict_id: UUID


@dataclass(frozen=True, kw_only=True)
class Reviewed(Event):
    """An act on a verdict; ``judged`` is the pseudonym of its author."""

    round: int
    verdict_id: UUID
    review_id: UUID
    judged: UUID
    comment: str | None = sealed(default=None)


@dataclass(frozen=True, kw_only=True)
class ChangesRequested(Reviewed):
    TYPE: ClassVar[str] = "evidence.changes_requested"


@dataclass(frozen=True, kw_only=True)
class Concurred(Reviewed):
    TYPE: ClassVar[str] = "evidence.concurred"


@dataclass(frozen=True, kw_only=True)
class Dissented(Reviewed):
    TYPE: ClassVar[str] = "evidence.dissented"


@dataclass(frozen=True, kw_only=True)
class Adjudicated(Reviewed):
    """``leads_to`` is the state that the item took; ``dissenter`` is whose dissent was judged besides."""

    TYPE: ClassVar[str] = "evidence.adjudicated"
    leads_to: str
    dissenter: UUID


@dataclass(frozen=True, kw_only=True)
class SignedOff(Reviewed):
    TYPE: ClassVar[str] = "evidence.signed_off"


@dataclass(frozen=True, kw_only=True)
class Returned(Reviewed):
    TYPE: ClassVar[str] = "evidence.returned"


@dataclass(frozen=True, kw_only=True)
class Reopened(Reviewed):
    """``round`` is the one that begins."""

    TYPE: ClassVar[str] = "evidence.reopened"


@dataclass(frozen=True, kw_only=True)
class BlindEnded(Reviewed):
    """A blind round goes on as any other from here: nobody was there to verify it second."""

    TYPE: ClassVar[str] = "evidence.blind_ended"


@dataclass(frozen=True, kw_only=True)
class IntegrityChecked(Event):
    """The stored bytes were read and hashed anew; the digest they must have is in the entry's object."""

    TYPE: ClassVar[str] = "evidence.integrity_checked"
    outcome: str
    found_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class SettingsChanged(Event):
    """A start found a setting on which guards rest other than it is on record: ``self_review``."""

    TYPE: ClassVar[str] = "system.settings_changed"
    setting: str
    value: bool


@dataclass(frozen=True, kw_only=True)
class ReviewerKeyAct(Event):
    """In the case's stream, on a reviewer's key; ``account`` is the pseudonym of its holder."""

    account: UUID
    keyid: str
    alg: str
    public_key: str
    """32 bytes in hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class ReviewerKeyRequested(ReviewerKeyAct):
    """``dsse_sha256``: of the envelope in which the key signs whose it is and in which case."""

    TYPE: ClassVar[str] = "case.reviewer_key_requested"
    dsse_sha256: str


@dataclass(frozen=True, kw_only=True)
class ReviewerKeyBound(ReviewerKeyAct):
    """The actor is who checked that the key is the person's."""

    TYPE: ClassVar[str] = "case.reviewer_key_bound"
    checked_by: str = sealed()
    """The name of who checked."""
    checked_how: str = sealed()


@dataclass(frozen=True, kw_only=True)
class ReviewerKeyRevoked(ReviewerKeyAct):
    TYPE: ClassVar[str] = "case.reviewer_key_revoked"
