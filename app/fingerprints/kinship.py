"""How the items of one group stand to one of them, and by which match each came into the group. Pure."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from app.fingerprints.graph import Sets, walk
from app.fingerprints.origins import Edge, Lineage


class Standing(StrEnum):
    ITSELF = "itself"
    EXACT_COPY = "exact_copy"
    SAME_CAPTURE = "same_capture"
    SOURCE = "source"
    """The item comes from it, or contains it."""
    DERIVED = "derived"
    """It comes from the item, or contains it."""
    RELATED = "related"
    """It has a source in common with the item, or what is made of both."""
    POSSIBLE = "possible"
    """Only by way of matches that nobody decided."""


class Place(NamedTuple):
    """Where an item stands, and the step by which it was reached: from an item nearer to the one asked for, by a match;
    without a match, by the same bytes."""

    standing: Standing
    nearer: int | None = None
    match_id: UUID | None = None


class Step(NamedTuple):
    to: int
    match_id: UUID | None


def families(lineage: Lineage) -> dict[int, list[int]]:
    """Items that belong together, or may, under the first one of each; in order of their first ones."""
    sets = Sets()
    for number, capture in enumerate(lineage.stated.capture_of):
        sets.join(number, capture)
    for edge in (*lineage.derived, *lineage.contains, *lineage.open):
        sets.join(edge.child, edge.parent)
    found: dict[int, list[int]] = {}
    for number in range(len(lineage.items)):
        found.setdefault(sets.find(number), []).append(number)
    return found


def places(lineage: Lineage, item: int) -> dict[int, Place]:
    """The items of the group of one: what was decided leads before what is open, and few steps before many."""
    steps = _steps(lineage, (*lineage.same, *lineage.derived, *lineage.contains))
    found = {item: Place(Standing.ITSELF)}
    for number, step in _search([item], steps, known=set(found)):
        found[step.to] = Place(Standing.RELATED, number, step.match_id)
    for number, place in _named(lineage, item).items():
        if number != item:
            found[number] = Place(place, found[number].nearer, found[number].match_id)
    for edge in lineage.open:
        steps.setdefault(edge.child, []).append(Step(edge.parent, edge.match_id))
        steps.setdefault(edge.parent, []).append(Step(edge.child, edge.match_id))
    for number, step in _search(sorted(found), steps, known=set(found)):
        found[step.to] = Place(Standing.POSSIBLE, number, step.match_id)
    return found


def appearances_of(lineage: Lineage, items: Collection[int]) -> set[int]:
    """The items whose appearance shows that pictures of these, or some of them, existed by then: those that
    they come from, and whatever comes from any of these."""
    parents, children = _stated_ways(lineage)
    captures = walk(walk({lineage.stated.capture_of[item] for item in items}, parents), children)
    return {number for number, capture in enumerate(lineage.stated.capture_of) if capture in captures}


def _named(lineage: Lineage, item: int) -> dict[int, Standing]:
    parents, children = _stated_ways(lineage)
    own = lineage.stated.capture_of[item]
    above, below = walk([own], parents), walk([own], children)
    found: dict[int, Standing] = {}
    for number, capture in enumerate(lineage.stated.capture_of):
        if lineage.bytes_of[number] == lineage.bytes_of[item]:
            found[number] = Standing.EXACT_COPY
        elif capture == own:
            found[number] = Standing.SAME_CAPTURE
        elif capture in above:
            found[number] = Standing.SOURCE
        elif capture in below:
            found[number] = Standing.DERIVED
    return found


def _stated_ways(lineage: Lineage) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Captures above each and below each, where what contains another counts as made of it."""
    parents = {child: set(above) for child, above in lineage.stated.parents.items()}
    for edge in lineage.contains:
        container, part = lineage.stated.captures(edge)
        if container != part:
            parents.setdefault(container, set()).add(part)
    children: dict[int, set[int]] = {}
    for child, above in parents.items():
        for parent in above:
            children.setdefault(parent, set()).add(child)
    return parents, children


def _steps(lineage: Lineage, edges: Iterable[Edge]) -> dict[int, list[Step]]:
    steps: dict[int, list[Step]] = {}
    for number, first in enumerate(lineage.bytes_of):
        if number != first:
            steps.setdefault(number, []).append(Step(first, None))
            steps.setdefault(first, []).append(Step(number, None))
    for edge in edges:
        steps.setdefault(edge.child, []).append(Step(edge.parent, edge.match_id))
        steps.setdefault(edge.parent, []).append(Step(edge.child, edge.match_id))
    return steps


def _search(starts: Iterable[int], steps: dict[int, list[Step]], *, known: set[int]) -> Iterator[tuple[int, Step]]:
    """Each further item once, from where it was reached first."""
    pending = deque(starts)
    while pending:
        number = pending.popleft()
        for step in steps.get(number, ()):
            if step.to not in known:
                known.add(step.to)
                pending.append(step.to)
                yield number, step
