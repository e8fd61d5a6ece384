"""Which items are one capture, which come from which, and how many independent origins they have. Pure; decision 0032.

An *origin* is footage that comes from no other here; items are *independent* when what they come from has nothing in
common. People decide what matches mean, and leave some open, so the number is a range that holds whatever they decide
about the rest: ``at_least`` takes every open match for the same footage, ``at_most`` for none.

* Same bytes, ``same_capture``: one capture.
* ``excerpt_of``, ``edited_from``: the item comes from the other; what two have in common makes them dependent.
* ``contains``: one comes from the other, but which (a part was cut out, or sources were put together) it does not say.
* ``same_event_other_camera``, ``unrelated``: no link; the former says besides that nothing is common to what they
  come from.
* ``potential``, or no decision: open.

Decisions that contradict each other are told and not resolved: for ``at_most`` those that join are left out, for
``at_least`` those that keep apart.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from app.fingerprints.graph import Graph, Sets, circles, reached, walk

SAME = ("exact_copy", "same_capture")
DERIVED = ("excerpt_of", "edited_from")
CONTAINS = "contains"
OTHER_CAMERA = "same_event_other_camera"
APART = ("unrelated", OTHER_CAMERA)
OPEN = (None, "potential")
EXACT = "exact"


class Item(NamedTuple):
    id: UUID
    sha256: str | None


class Link(NamedTuple):
    """A match of two items, with the decision in force: ``subject`` is ``relation`` the other. None: nobody decided."""

    match_id: UUID
    first: UUID
    second: UUID
    tier: str
    relation: str | None
    subject: UUID | None


class ContradictionKind(StrEnum):
    SAME_AND_APART = "same_and_apart"
    """Decided to be no copies, and copies by way of others."""
    DERIVED_AND_APART = "derived_and_apart"
    """Decided to have nothing in common, and one comes from the other, or both from a third."""
    SAME_AND_DERIVED = "same_and_derived"
    """Decided to be made from what it is a copy of, by way of others. The number of origins is the same either way."""
    CIRCLE = "circle"
    """Each is decided to come from the next, and the last from the first."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    kind: ContradictionKind
    matches: tuple[UUID, ...]
    """The decided matches that cannot all be right: of a circle all, else the one that contradicts the others."""


@dataclass(frozen=True, slots=True)
class Bounds:
    at_least: int
    at_most: int


class Edge(NamedTuple):
    """A link between items by their numbers; of a direction: from what was made to what it was made of."""

    child: int
    parent: int
    match_id: UUID
    relation: str | None


class Reading:
    """Captures, and from which others each comes, by some of the decisions. A capture goes by its first item."""

    def __init__(self, bytes_of: Sequence[int], same: Iterable[Edge], derived: Iterable[Edge]) -> None:
        sets = Sets()
        for number, first in enumerate(bytes_of):
            sets.join(number, first)
        for edge in same:
            sets.join(edge.child, edge.parent)
        self.capture_of = [sets.find(number) for number in range(len(bytes_of))]
        self.parents: dict[int, set[int]] = {}
        self.children: dict[int, set[int]] = {}
        for edge in derived:
            child, parent = self.captures(edge)
            if child != parent:
                self.parents.setdefault(child, set()).add(parent)
                self.children.setdefault(parent, set()).add(child)

    def captures(self, edge: Edge) -> tuple[int, int]:
        return self.capture_of[edge.child], self.capture_of[edge.parent]

    def neighbours(self, edges: Iterable[Edge]) -> dict[int, set[int]]:
        """Which captures these edges join, both ways."""
        found: dict[int, set[int]] = {}
        for edge in edges:
            one, other = self.captures(edge)
            if one != other:
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
        return found


class Lineage:
    """Items, in the order of their registration, and what is known of how they belong together."""

    def __init__(self, items: Sequence[Item], links: Iterable[Link]) -> None:
        self.items = items
        self.number_of = {item.id: number for number, item in enumerate(items)}
        self.bytes_of = _by_bytes(items)
        """Per item the first one with the same bytes: a fact, whatever was decided about it."""
        used = [link for link in links if self._is_of_use(link)]
        edges = [self._edge(link) for link in used]
        self.tier_of = {link.match_id: link.tier for link in used}
        self.same = [edge for edge in edges if edge.relation in SAME]
        self.derived = [edge for edge in edges if edge.relation in DERIVED]
        self.contains = [edge for edge in edges if edge.relation == CONTAINS]
        self.apart = [edge for edge in edges if edge.relation in APART]
        self.open = [edge for edge in edges if edge.relation in OPEN]
        self.stated = Reading(self.bytes_of, self.same, self.derived)
        """By all decisions."""
        self.contradictions: list[Contradiction] = []
        self.doubted: set[UUID] = set()
        """Matches whose decisions contradict others'."""
        self._find_contradictions()
        self.undisputed = Reading(self.bytes_of, self._undoubted(self.same), self._undoubted(self.derived))
        """By the decisions that contradict no other."""
        self._roots = reached(range(len(items)), self.undisputed.parents)
        self._parts = self.undisputed.neighbours(self._undoubted(self.contains))
        self._merge()

    def _is_of_use(self, link: Link) -> bool:
        return link.tier != EXACT and link.first in self.number_of and link.second in self.number_of

    def _edge(self, link: Link) -> Edge:
        child = link.first if link.subject is None else link.subject
        parent = link.second if child == link.first else link.first
        return Edge(self.number_of[child], self.number_of[parent], link.match_id, link.relation)

    def _undoubted(self, edges: Iterable[Edge]) -> list[Edge]:
        return [edge for edge in edges if edge.match_id not in self.doubted]

    # --- contradictions -----------------------------------------------------------------------------------------------

    def _find_contradictions(self) -> None:
        captures = self.stated.captures
        split: set[int] = set()
        parts = self.stated.neighbours(self.contains)
        for edge in self.apart:
            one, other = captures(edge)
            if one == other:
                split.add(one)
                self._tell(ContradictionKind.SAME_AND_APART, edge)
            elif self._is_dependent(one, other, parts, edge.relation):
                self._tell(ContradictionKind.DERIVED_AND_APART, edge)
        for edge in (*self.derived, *self.contains):
            one, other = captures(edge)
            if one == other:
                self._tell(ContradictionKind.SAME_AND_DERIVED, edge, is_doubted=one in split)
        self.doubted |= {edge.match_id for edge in self.same if captures(edge)[0] in split}
        self._find_circles()

    def _tell(self, kind: ContradictionKind, edge: Edge, *, is_doubted: bool = True) -> None:
        self.contradictions.append(Contradiction(kind, (edge.match_id,)))
        if is_doubted:
            self.doubted.add(edge.match_id)

    def _is_dependent(self, one: int, other: int, parts: Graph, relation: str | None) -> bool:
        """Whether captures that were decided to be apart are said to be of one another; then that is in doubt, too.

        Two excerpts of one recording may well have nothing in common to see; but not be of two cameras.
        """
        above_one, above_other = (walk([capture], self.stated.parents) for capture in (one, other))
        is_related = one in above_other or other in above_one
        if is_related or (relation == OTHER_CAMERA and not above_one.isdisjoint(above_other)):
            above = above_one | above_other
            self.doubted |= {edge.match_id for edge in self.derived if self.stated.captures(edge)[0] in above}
            return True
        is_part = other in parts.get(one, ())
        if is_part:
            pair = {one, other}
            self.doubted |= {edge.match_id for edge in self.contains if set(self.stated.captures(edge)) == pair}
        return is_part

    def _find_circles(self) -> None:
        circle_of = {capture: circle[0] for circle in circles(self.stated.parents) for capture in circle}
        found: dict[int, list[UUID]] = {}
        for edge in self.derived:
            child, parent = self.stated.captures(edge)
            if child != parent and child in circle_of and circle_of[child] == circle_of.get(parent):
                found.setdefault(circle_of[child], []).append(edge.match_id)
        for _, matches in sorted(found.items()):
            self.contradictions.append(Contradiction(ContradictionKind.CIRCLE, tuple(matches)))
            self.doubted |= set(matches)

    @cached_property
    def open_tiers(self) -> dict[int, list[str]]:
        """Under one of the two items of each open match its tier."""
        found: dict[int, list[str]] = {}
        for edge in self.open:
            found.setdefault(edge.child, []).append(self.tier_of[edge.match_id])
        return found

    @cached_property
    def told(self) -> dict[int, list[Contradiction]]:
        """Contradictions, each under one of the items that it is about."""
        child_of = {edge.match_id: edge.child for edge in (*self.apart, *self.derived, *self.contains)}
        found: dict[int, list[Contradiction]] = {}
        for one in self.contradictions:
            found.setdefault(child_of[one.matches[0]], []).append(one)
        return found

    # --- numbers of origins -------------------------------------------------------------------------------------------

    def bounds(self, items: Collection[int]) -> Bounds:
        """How many of these items (by their numbers) are independent of each other."""
        return Bounds(self._at_least(items), self._at_most(items))

    def sources_of(self, item: int) -> frozenset[int]:
        """The captures that the item comes from by the decisions that contradict no other, and that come from none."""
        return self._roots[self.undisputed.capture_of[item]]

    def _merge(self) -> None:
        """What everything comes from, where all that is open is taken for the same."""
        merged = Sets()
        for number, capture in enumerate(self.stated.capture_of):
            merged.join(number, capture)
        for edge in (*self.open, *self.contains):
            merged.join(edge.child, edge.parent)
        self._merged = [merged.find(number) for number in range(len(self.items))]
        parents: dict[int, set[int]] = {}
        for child, above in self.stated.parents.items():
            others = {self._merged[parent] for parent in above} - {self._merged[child]}
            if others:
                parents.setdefault(self._merged[child], set()).update(others)
        self._sources = reached(set(self._merged), parents)
        self._circle_of = {one: circle[0] for circle in circles(parents) for one in circle}
        cameras = [edge for edge in self._undoubted(self.apart) if edge.relation == OTHER_CAMERA]
        self._other_cameras: dict[int, dict[int, set[int]]] = {}
        """Per source the captures in it, and of which of them each was decided to be another camera's."""
        for capture, others in self.stated.neighbours(cameras).items():
            source = self._source_named(capture)
            within = {other for other in others if self._source_named(other) == source}
            if self._sources[self._merged[capture]] == {source} and within:
                self._other_cameras.setdefault(source, {})[capture] = within

    def _source_named(self, capture: int) -> int:
        return self._circle_of.get(self._merged[capture], self._merged[capture])

    def _at_least(self, items: Collection[int]) -> int:
        """Sets of sources that have nothing in common belong to independent items; the small ones are taken first."""
        captures = {self.stated.capture_of[item] for item in items}
        every = {self._sources[self._merged[capture]] for capture in captures}
        taken: set[int] = set()
        alone = 0
        for sources in sorted(every, key=lambda one: (len(one), sorted(one))):
            if taken.isdisjoint(sources):
                taken |= sources
                alone += self._cameras(captures, sources)
        return alone

    def _cameras(self, captures: Collection[int], sources: frozenset[int]) -> int:
        """So many of the captures in one source are decided to be of different cameras, each of every other; or 1."""
        if len(sources) > 1:
            return 1
        others = self._other_cameras.get(next(iter(sources)), {})
        chosen: set[int] = set()
        for capture in sorted(others):
            if capture in captures and chosen <= others[capture]:
                chosen.add(capture)
        return max(1, len(chosen))

    def _at_most(self, items: Collection[int]) -> int:
        """Of items that have something in common at the most one is independent of the others: as few such sets as are
        found, the large ones first."""
        left = {self.undisputed.capture_of[item] for item in items}
        by_root: dict[int, list[int]] = {}
        for capture in left:
            for root in self._roots[capture]:
                by_root.setdefault(root, []).append(capture)
        count = 0
        for _, captures in sorted(by_root.items(), key=lambda one: (-len(one[1]), one[0])):
            together = left.intersection(captures)
            if len(together) > 1:
                left -= together
                count += 1
        for capture in sorted(left):
            others = self._parts.get(capture, set()) & left
            if capture in left and others:
                left -= {capture, min(others)}
                count += 1
        return count + len(left)


def _by_bytes(items: Sequence[Item]) -> list[int]:
    first: dict[str, int] = {}
    return [
        number if item.sha256 is None else first.setdefault(item.sha256, number) for number, item in enumerate(items)
    ]
