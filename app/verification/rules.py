"""Who may judge what, and when a submission is complete: the guards of docs/domain.md's state table. Pure.

The same separation of persons is held by the triggers of the migration ``verification``. Two words there and here:

*Author*: anyone who wrote a finding or verdict of the item, in this round or an earlier one.
*Reviewer of a round*: anyone who concurred, dissented or adjudicated in it. Who only asked for changes gave no
judgement of what was submitted later, and may still be the third person.

*Second* (of a round that is verified twice, blind): whoever wrote findings of their own while the first verdict waited.
These are no part of the submission, so their writer is no author; like a reviewer, the second is no third person.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from app.incidents.rules import PlacePrecision
from app.media.rules import State, Transition
from app.verification.errors import (
    FindingsMissing,
    FingerprintsPending,
    LeaseNotHeld,
    MatchesUndecided,
    MethodsMissing,
    NotTheAuthor,
    NotTheSecond,
    OutcomesDiffer,
    PrecisionDoesNotFit,
    SecondComesFirst,
    SelfReview,
    ThirdPersonRequired,
)


class Dimension(StrEnum):
    """What a finding is about."""

    PROVENANCE = "provenance"
    SOURCE = "source"
    DATE = "date"
    LOCATION = "location"
    CONTENT = "content"
    TECHNICAL = "technical"
    MOTIVATION = "motivation"


class FindingResult(StrEnum):
    ESTABLISHED = "established"
    PARTLY_ESTABLISHED = "partly_established"
    NOT_ESTABLISHED = "not_established"
    CONTRADICTED = "contradicted"
    NOT_APPLICABLE = "not_applicable"


class RecycledAnswer(StrEnum):
    """What an earlier appearance of the same pictures means."""

    RECYCLED = "recycled"
    """The item's footage is older than the event it is said to show."""
    NOT_RECYCLED = "not_recycled"
    """It is not, for a reason."""
    DATE_WRONG = "date_wrong"
    """The earlier appearance's date is wrong, or the event's."""


SAYS_SOMETHING = frozenset({FindingResult.ESTABLISHED, FindingResult.PARTLY_ESTABLISHED, FindingResult.CONTRADICTED})
"""Results that claim something of the item, and so say by which methods."""


class Confidence(StrEnum):
    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"


class Method(StrEnum):
    """How a finding was reached."""

    REVERSE_IMAGE_SEARCH = "reverse_image_search"
    LANDMARK_MATCH = "landmark_match"
    SATELLITE_MATCH = "satellite_match"
    STREET_IMAGERY = "street_imagery"
    SHADOW_ANALYSIS = "shadow_analysis"
    WEATHER_CHECK = "weather_check"
    UPLOAD_TIME = "upload_time"
    METADATA = "metadata"
    LANGUAGE_AUDIO = "language_audio"
    SOURCE_CONTACT = "source_contact"
    MUNITION_REMNANT = "munition_remnant"
    CROSS_FOOTAGE = "cross_footage"
    FIELD_VISIT = "field_visit"
    WITNESS_STATEMENT = "witness_statement"


class Outcome(StrEnum):
    """An item's verdict."""

    VERIFIED = "verified"
    PARTIALLY_VERIFIED = "partially_verified"
    INCONCLUSIVE = "inconclusive"
    MISATTRIBUTED = "misattributed"
    """Genuine, but another event, place or date."""
    MANIPULATED = "manipulated"
    EXCLUDED = "excluded"


class Place(StrEnum):
    """Whose work a finding belongs to, where two persons verify an item blind; elsewhere always the first's."""

    FIRST = "first"
    SECOND = "second"


class SignatureMode(StrEnum):
    """How a verdict is signed by its author; the ledger's signature is beside it in any case.

    There is no ``server_held``: docs/decisions/0014 says why.
    """

    NONE = "none"
    OWN_KEY = "own_key"


class RevocationReason(StrEnum):
    """Why a reviewer's key may sign no more."""

    KEY_LOST = "key_lost"
    KEY_COMPROMISED = "key_compromised"
    REPLACED = "replaced"
    PERSON_LEFT = "person_left"
    BOUND_IN_ERROR = "bound_in_error"
    OTHER = "other"


class ReviewKind(StrEnum):
    """An act on a submitted verdict by somebody who judges or sends it on; each is a kept row."""

    REQUEST_CHANGES = "request_changes"
    CONCUR = "concur"
    DISSENT = "dissent"
    ADJUDICATE = "adjudicate"
    SIGN_OFF = "sign_off"
    RETURN = "return"
    REOPEN = "reopen"
    END_BLIND = "end_blind"
    """A blind round goes on as any other, since there is nobody to verify it second."""

    @property
    def transition(self) -> Transition:
        return Transition(self.value)


REVIEWER_KINDS = frozenset({ReviewKind.CONCUR, ReviewKind.DISSENT, ReviewKind.ADJUDICATE})
"""Whoever did one of these in a round neither adjudicates nor signs off in it."""


class Adjudication(StrEnum):
    """Where an adjudicator sends a disputed item."""

    TO_SIGN_OFF = "to_sign_off"
    BACK = "back"

    @property
    def state(self) -> State:
        return State.AWAITING_SIGN_OFF if self is Adjudication.TO_SIGN_OFF else State.IN_VERIFICATION


@dataclass(frozen=True)
class TimePrecision:
    """The interval in which a time lies, the zone it is stated in, and how it is known."""

    from_: datetime
    to: datetime
    zone: str
    basis: str


class Point(NamedTuple):
    """WGS 84, in millionths of a degree (at most 11 cm), so that it stays what was stated."""

    latitude_microdegrees: int
    longitude_microdegrees: int


POINTED = frozenset(PlacePrecision) - {PlacePrecision.COUNTRY, PlacePrecision.NONE}
"""How near a point may be said to be: a country or nothing is no point."""


def require_fitting_precision(
    dimension: Dimension, place: PlacePrecision | None, time: TimePrecision | None, point: Point | None = None
) -> None:
    """Places have a precision in metres and may have a point, times an interval; no other finding has either.

    Raises PrecisionDoesNotFit.
    """
    if (place is not None or point is not None) and dimension is not Dimension.LOCATION:
        raise PrecisionDoesNotFit("Only a finding on 'location' has the precision of a place, and a point.")
    if point is not None and place not in POINTED:
        raise PrecisionDoesNotFit("A point needs a 'place_precision' that says how near it is: 'exact' to 'area'.")
    if time is not None and dimension not in (Dimension.DATE, Dimension.PROVENANCE):
        raise PrecisionDoesNotFit("Only a finding on 'date' or 'provenance' has the precision of a time.")


def require_methods(result: FindingResult, methods: Collection[Method]) -> None:
    """What was found out was found out somehow. Raises MethodsMissing."""
    if result in SAYS_SOMETHING and not methods:
        raise MethodsMissing(f"A result of '{result}' needs at least one method by which it was reached.")


def require_lease(holder: UUID | None, expires_at: datetime | None, person: UUID, now: datetime) -> None:
    """Raises LeaseNotHeld: somebody else's, nobody's, or run out."""
    if holder == person and not is_free(holder, expires_at, now):
        return
    if not is_free(holder, expires_at, now):
        raise LeaseNotHeld(
            f"Another person holds the item's lease, until {expires_at:%Y-%m-%dT%H:%M:%SZ}. Wait for its end, or ask a "
            "coordinator to end it.",
        )
    now_free = "Your lease has run out." if holder == person else "Nobody holds the item's lease."
    raise LeaseNotHeld(f"{now_free} Take it first: POST /v1/evidence/{{id}}/lease.")


def is_free(holder: UUID | None, expires_at: datetime | None, now: datetime) -> bool:
    """Whether anybody may take the lease: there is none, or it has run out."""
    return holder is None or expires_at is None or expires_at <= now


def require_complete(required: Iterable[str], found: Collection[str]) -> None:
    """Every required dimension has a finding; one of an earlier round stands until it is superseded.

    Raises FindingsMissing.
    """
    missing = [dimension for dimension in required if dimension not in found]
    if missing:
        raise FindingsMissing(
            f"The case's policy requires findings on: {', '.join(missing)}.", extra={"missing_dimensions": missing}
        )


def require_compared(fingerprint_status: str | None) -> None:
    """The search for earlier appearances has ended, whatever it found. Raises FingerprintsPending."""
    if fingerprint_status == "pending":
        raise FingerprintsPending("The search for the same footage is still running. Submit when it is done.")


def require_decided(undecided: Collection[UUID]) -> None:
    """Every match is decided, or deferred with a reason. Raises MatchesUndecided."""
    if undecided:
        raise MatchesUndecided(
            f"Matches to decide or defer first: {len(undecided)}.",
            extra={"undecided_matches": [str(match) for match in undecided]},
        )


@dataclass(frozen=True)
class SecondView:
    """The second's verdict of a blind round, as far as the guards ask: whose, beside which verdict, which outcome."""

    author: UUID
    verdict: UUID
    outcome: str


def require_blind_review(
    kind: ReviewKind, person: UUID, *, verdict: UUID, outcome: str, second: SecondView | None, is_adjudicated: bool
) -> None:
    """What a blind round asks of a peer review besides: the second's own verdict is there; it is they who conclude on
    the verdict beside it; and two outcomes are a dispute, also for a later version, until a third person has decided.

    Raises SecondComesFirst, NotTheSecond, OutcomesDiffer.
    """
    if second is None:
        raise SecondComesFirst("A second person verifies it first: take the lease, record findings, submit a verdict.")
    if kind is ReviewKind.REQUEST_CHANGES:
        return
    if second.verdict == verdict and second.author != person:
        raise NotTheSecond("This version was verified twice: who verified it second concurs or dissents.")
    if kind is ReviewKind.CONCUR and second.outcome != outcome and not is_adjudicated:
        raise OutcomesDiffer(
            f"The second verdict is '{second.outcome}', this one '{outcome}'. Dissent: a third person adjudicates.",
            extra={"outcome": outcome, "second_outcome": second.outcome},
        )


def require_author(person: UUID, author: UUID) -> None:
    """Raises NotTheAuthor."""
    if person != author:
        raise NotTheAuthor("Only the person who submitted this verdict withdraws it.")


def require_not_author(person: UUID, authors: Collection[UUID]) -> None:
    """Raises SelfReview."""
    if person in authors:
        raise SelfReview("You wrote a finding or verdict of this item, in this round or an earlier one.")


def require_third_person(person: UUID, authors: Collection[UUID], reviewers: Collection[UUID]) -> None:
    """Neither an author of the item nor a reviewer of this round. Raises SelfReview, ThirdPersonRequired."""
    require_not_author(person, authors)
    if person in reviewers:
        raise ThirdPersonRequired("You reviewed this item in this round. A third person decides.")
