"""To what a person consented, and what of it stands: the words, and the rule that the database applies too. Pure.

Scopes after the practice of the field: the Berkeley Protocol (OHCHR, 2022) and the Murad Code (2022) ask for consent
that is informed, specific to each use, recorded with how it was given, and open to withdrawal at any time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ConsentScope(StrEnum):
    """What may be done with what a person gave, said, or is shown in. All others need the first."""

    VERIFICATION = "verification"
    """Kept and examined inside the organisation. Without it nothing of it is shown to anybody."""
    PARTNERS = "partners"
    """Shared with named organisations and experts."""
    LEGAL_PROCEEDINGS = "legal_proceedings"
    """Handed to courts, prosecutors and investigative mechanisms."""
    PUBLICATION = "publication"
    """Shown to the public, in reports and figures."""


class ConsentAct(StrEnum):
    GIVEN = "given"
    WITHDRAWN = "withdrawn"


class SubjectKind(StrEnum):
    """Who consents."""

    SOURCE = "source"
    PERSON_SHOWN = "person_shown"
    GUARDIAN = "guardian"
    """For a child, or for somebody who cannot consent."""
    RIGHTS_HOLDER = "rights_holder"
    WITNESS = "witness"


class Obtained(StrEnum):
    """How it was given."""

    WRITTEN = "written"
    RECORDED = "recorded"
    SPOKEN = "spoken"
    """Noted by whoever heard it."""
    ELECTRONIC = "electronic"


@dataclass(frozen=True)
class Stated:
    """One act of one subject: ``given`` states all that stands from then on, ``withdrawn`` what no longer does."""

    act: ConsentAct
    subject: str
    scopes: frozenset[ConsentScope]
    recorded_at: datetime
    valid_until: datetime | None = None


def withdrawn_with(scopes: Iterable[ConsentScope]) -> frozenset[ConsentScope]:
    """What goes when these go: everything rests on ``verification``."""
    asked = frozenset(scopes)
    return frozenset(ConsentScope) if ConsentScope.VERIFICATION in asked else asked


def permits(acts: Iterable[Stated], scope: ConsentScope, at: datetime) -> bool:
    """Whether, after these acts in their order, the scope stands at a moment: no consent was ever recorded, so that
    none is the ground, or every subject's stands."""
    ends: dict[str, datetime | None] = {}
    for one in acts:
        if one.act is ConsentAct.GIVEN:
            ends[one.subject] = one.valid_until if scope in one.scopes else one.recorded_at
        elif scope in one.scopes:
            before = ends.get(one.subject)
            ends[one.subject] = one.recorded_at if before is None else min(before, one.recorded_at)
    return all(end is None or at < end for end in ends.values())
