"""What several sources say of the same victims, as one range. Pure.

**The same victims** are those of one incident, one outcome and one group: counts of them by different sources stand
beside each other and are folded into a range, never added. **Groups overlap**: a child is a civilian too, and a killed
journalist a man or a woman. So each group has a range of its own, and ranges of two groups are never added either.

A range is the hull of what the sources say: the lowest minimum and the highest maximum, open as soon as one of them is
open. So another source never makes a range narrower, and the order in which sources came does not matter. The numbers
are those that were printed: "more than 100" begins at 100, which it also is with "at least 100"; that nothing is added
to what a source said is worth more than the one person.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.facts.words import CasualtyOutcome, Comparator, PersonGroup


@dataclass(frozen=True)
class Bounds:
    """``maximum`` None: open. ``sources``: how many counts it was folded from."""

    minimum: int
    maximum: int | None
    sources: int = 1

    def hull(self, other: "Bounds") -> "Bounds":
        """The smallest range that holds both."""
        is_open = self.maximum is None or other.maximum is None
        return Bounds(
            min(self.minimum, other.minimum),
            None if is_open else max(self.maximum or 0, other.maximum or 0),
            self.sources + other.sources,
        )


class Victims(NamedTuple):
    """Within one incident."""

    outcome: CasualtyOutcome
    person_group: PersonGroup


@dataclass(frozen=True)
class Count:
    """One source's count."""

    victims: Victims
    comparator: Comparator
    minimum: int
    maximum: int | None


def fold_counts(counts: Iterable[Count]) -> dict[Victims, Bounds]:
    """The range of each outcome and group of one incident, in the order of the words. None stated: not there, which
    is not zero."""
    found: dict[Victims, Bounds] = {}
    for count in counts:
        bounds = Bounds(count.minimum, count.maximum)
        known = found.get(count.victims)
        found[count.victims] = bounds if known is None else known.hull(bounds)
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(victims: Victims) -> tuple[int, int]:
    return list(CasualtyOutcome).index(victims.outcome), list(PersonGroup).index(victims.person_group)
