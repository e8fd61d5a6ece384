"""One figure: what is counted in a total, or in one point of a series. Pure."""

from dataclasses import dataclass, replace

from app.facts.ranges import Victims
from app.facts.words import CasualtyOutcome, PersonGroup


@dataclass(frozen=True)
class MediaCount:
    """``collapsed``: copies of one capture count once."""

    count: int | None
    collapsed: int | None


@dataclass(frozen=True)
class CasualtyRange:
    """Of all incidents of the figure together: their ranges' minima and maxima are added each by themselves, and the
    maximum is open as soon as one of them is. ``sources``: how many counts they were folded from.

    ``sensitive``: how many of the incidents are of sexual violence; no part of an answer.
    """

    outcome: CasualtyOutcome
    person_group: PersonGroup
    minimum: int | None
    maximum: int | None
    incidents: int | None
    sources: int | None
    sensitive: int = 0
    suppressed: bool = False

    @property
    def victims(self) -> Victims:
        return Victims(self.outcome, self.person_group)

    def hidden(self) -> "CasualtyRange":
        return CasualtyRange(self.outcome, self.person_group, None, None, None, None, suppressed=True)


@dataclass(frozen=True)
class Figure:
    """``count``: of incidents, or of items as they are; of casualties the incidents of which any are stated.

    ``sensitive``: in how many of them sexual violence is; no part of an answer. Suppressed: every number is None.
    """

    count: int | None
    collapsed: int | None = None
    images: MediaCount | None = None
    videos: MediaCount | None = None
    ranges: tuple[CasualtyRange, ...] | None = None
    sensitive: int = 0
    suppressed: bool = False

    def hidden(self) -> "Figure":
        """Without its numbers, and without which outcomes and groups there are."""
        nothing = MediaCount(None, None)
        return replace(
            self,
            count=None,
            collapsed=None,
            images=self.images and nothing,
            videos=self.videos and nothing,
            ranges=None if self.ranges is None else (),
            suppressed=True,
        )


@dataclass(frozen=True)
class Point:
    """``key`` None: what says nothing of it, or nothing sure. ``label``: the key as people read it."""

    key: str | None
    label: str | None
    figure: Figure


@dataclass(frozen=True)
class Counted:
    """What an answer counts: how many records, and the SHA-256 of their canonical form (``app.figures.proof``).

    ``count`` None: the total is suppressed."""

    count: int | None
    sha256: str
