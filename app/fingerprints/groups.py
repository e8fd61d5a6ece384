"""Groups of a case's items: what is a copy of what, what comes from what, and how many independent origins there are.

Computed when asked, from the case's items, matches and the decisions in force alone (decision 0032): so a decision and
its reversal count at once, and every member of the case reads the same. So nobody reads here what was decided about an
item since its blind round began, until both have submitted (decision 0052): it counts as undecided until then. Only
guards, which show no word of it, ask with everything that was decided (``is_all``), and the questions about recycled
footage with what their reader decided. Questions go from an item to
whatever is connected with it; of items with the same bytes the matches are not read, which are as many as there are
pairs. Nor are those with items of other cases: what is known there is told by no figure here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.fingerprints.appearances import Appearance, Earliest, earliest_of
from app.fingerprints.errors import GroupTooLarge
from app.fingerprints.kinship import Place, Standing, appearances_of, families, places
from app.fingerprints.models import Match
from app.fingerprints.origins import Bounds, Contradiction, Item, Lineage, Link
from app.fingerprints.reading import ExplainedMatch, explained
from app.media.items import find_evidence
from app.media.service import corrections_of, current_values

MAXIMUM_ITEMS = 100_000
MAXIMUM_LINKS = 1_000_000

_DECISION = """
    LEFT JOIN LATERAL (SELECT relation, evidence_id FROM relations r
        WHERE r.match_id = m.id AND (:is_all OR r.decided_by = CAST(:reader AS uuid) OR NOT EXISTS (
            SELECT FROM evidence p WHERE p.id IN (r.evidence_id, r.other_id)
                AND p.blind = 'pending' AND r.decided_at >= p.blind_since))
        ORDER BY number DESC LIMIT 1) d ON true
"""
_CLOSED = "ARRAY(SELECT c.id FROM evidence c WHERE c.case_id = :case_id AND c.closed_at <= now())"
"""What a withdrawn consent closes: it is in no group, and connects nothing. Few, and read once for a question."""
_BETWEEN_OPEN = f"m.first_id <> ALL ({_CLOSED}) AND m.second_id <> ALL ({_CLOSED})"
_NEWEST = "FROM match_tiers WHERE match_id = m.id ORDER BY number DESC LIMIT 1"
_JOINS = (
    "m.case_id = :case_id AND m.other_case_id IS NULL AND m.tier <> 'exact' "
    # What is no longer found, and nobody decided, connects nothing: decision 0064.
    f"AND (d.relation IS NOT NULL OR (SELECT lost_by {_NEWEST}) IS NULL) "
    f"AND coalesce(d.relation, '') NOT IN ('unrelated', 'same_event_other_camera') AND {_BETWEEN_OPEN}"
)

# Bytes are nodes beside the items: so many copies are as many steps, and not as many as there are pairs of them.
_CONNECTED = text(
    f"""
    WITH RECURSIVE reached (item, bytes) AS (
        SELECT id, NULL::bytea FROM unnest(:seeds) AS seed (id)
        UNION
        SELECT step.item, step.bytes FROM reached r CROSS JOIN LATERAL (
            SELECT m.second_id AS item, NULL::bytea AS bytes FROM matches m {_DECISION}
                WHERE m.first_id = r.item AND {_JOINS}
            UNION ALL SELECT m.first_id, NULL FROM matches m {_DECISION} WHERE m.second_id = r.item AND {_JOINS}
            UNION ALL SELECT NULL, e.blob_sha256 FROM evidence e WHERE e.id = r.item AND e.blob_sha256 IS NOT NULL
            UNION ALL SELECT e.id, NULL FROM evidence e WHERE e.blob_sha256 = r.bytes AND e.case_id = :case_id
                AND (e.closed_at IS NULL OR e.closed_at > now())
        ) AS step
    )
    SELECT item FROM reached WHERE item IS NOT NULL LIMIT :limit
    """  # noqa: S608 - constants
).bindparams(bindparam("seeds", type_=ARRAY(UUID_TYPE)))

_ITEMS = """
    SELECT id, encode(blob_sha256, 'hex') AS sha256, registered_at FROM evidence WHERE {} ORDER BY registered_at, id
"""
_LINKS = f"""
    SELECT m.id AS match_id, m.first_id, m.second_id, coalesce(t.tier, m.tier), d.relation, d.evidence_id AS subject
    FROM matches m {_DECISION}
    LEFT JOIN LATERAL (SELECT tier, lost_by {_NEWEST}) t ON true
    WHERE m.case_id = :case_id AND m.other_case_id IS NULL AND m.tier <> 'exact' AND {_BETWEEN_OPEN}
        AND (d.relation IS NOT NULL OR t.lost_by IS NULL)
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Known:
    """Items in the order of their registration, and how they belong together."""

    lineage: Lineage
    registered_at: list[datetime]

    def key(self, number: int) -> tuple[datetime, UUID]:
        return self.registered_at[number], self.lineage.items[number].id


@dataclass(frozen=True)
class Member:
    """An item of a group. ``match`` led to it, from ``nearer``; without one, the same bytes did."""

    evidence_id: UUID
    registered_at: datetime
    standing: Standing
    exact_group: UUID
    """The first item with the same bytes."""
    capture: UUID
    """The first item that is the same capture."""
    nearer: UUID | None
    match: ExplainedMatch | None


@dataclass(frozen=True)
class OpenQuestions:
    """What is undecided, by tier, and what contradicts itself."""

    undecided: dict[str, int]
    contradictions: list[Contradiction]


@dataclass(frozen=True)
class Group:
    """What holds of all the items that one belongs to."""

    claimed_from: datetime | None
    """The beginning of the time at which the item is claimed to have been recorded, as it reads now."""
    size: int
    captures: int
    origins: Bounds
    questions: OpenQuestions
    earliest: Earliest
    possible: Appearance | None
    """Earlier than that, of items whose matches nobody decided."""


@dataclass(frozen=True)
class Family:
    """One line of a case's list."""

    first: UUID
    registered_at: datetime
    items: int
    exact_groups: int
    captures: int
    origins: Bounds
    questions: OpenQuestions


def get_group(session: Session, actor: Actor, evidence_id: UUID) -> Group:
    """Raises NotFound, Forbidden, GroupTooLarge."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    lineage = load_connected(session, evidence.case_id, [evidence_id]).lineage
    own = lineage.number_of[evidence_id]
    everything = range(len(lineage.items))
    surely = appearances_of(lineage, [own])
    earliest = earliest_of(session, [lineage.items[number].id for number in sorted(surely)])
    of_others = earliest_of(session, [lineage.items[number].id for number in everything if number not in surely])
    return Group(
        current_values(evidence, corrections_of(session, evidence_id))["claimed_from"],
        size=len(everything),
        captures=len(set(lineage.stated.capture_of)),
        origins=lineage.bounds(everything),
        questions=questions_about(lineage, everything),
        earliest=earliest,
        possible=of_others.first if of_others.is_before(earliest) else None,
    )


def list_members(
    session: Session, actor: Actor, evidence_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Member]:
    """In the order of their registration. Raises NotFound, Forbidden, GroupTooLarge."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    known = load_connected(session, evidence.case_id, [evidence_id])
    placed = places(known.lineage, known.lineage.number_of[evidence_id])
    return _members(session, known, placed, after, limit)


def list_groups(
    session: Session, actor: Actor, case_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Family]:
    """Groups of two items or more, in the order in which their first ones were registered."""
    authorise(session, actor, case_id, Operation.READ_METADATA)
    known = load_case(session, case_id)
    several = [(first, numbers) for first, numbers in families(known.lineage).items() if len(numbers) > 1]
    listed = [one for one in several if after is None or known.key(one[0]) > after][:limit]
    return [_family(known, first, numbers) for first, numbers in listed]


def load_connected(
    session: Session, case_id: UUID, seeds: Collection[UUID], *, is_all: bool = False, reader: UUID | None = None
) -> Known:
    """These items and whatever is connected with them by copies, matches and decisions, in their case (no permission
    check). What is decided of items in pending blind rounds counts where the reader decided it; with ``is_all``, all
    of it. Raises GroupTooLarge."""
    seen = {"case_id": case_id, "is_all": is_all, "reader": reader}
    limits = {"seeds": list(seeds), "limit": MAXIMUM_ITEMS + 1, **seen}
    found = list(session.scalars(_CONNECTED, limits))
    if len(found) > MAXIMUM_ITEMS:
        raise GroupTooLarge(f"More than {MAXIMUM_ITEMS} items are connected. Decide what matches mean, then ask again.")
    among = bindparam("ids", type_=ARRAY(UUID_TYPE))
    items = session.execute(text(_ITEMS.format("id = ANY(:ids)")).bindparams(among), {"ids": found}).all()
    links = text(f"{_LINKS} AND m.first_id = ANY(:ids)").bindparams(among)
    return _known(items, session.execute(links, {"ids": found, **seen}).all())


def load_case(session: Session, case_id: UUID) -> Known:
    """Every item of the case that has bytes, and every match (no permission check). Raises GroupTooLarge."""
    values = {"case_id": case_id, "limit": MAXIMUM_LINKS + 1, "is_all": False, "reader": None}
    links = session.execute(text(f"{_LINKS} LIMIT :limit"), values).all()
    if len(links) > MAXIMUM_LINKS:
        raise GroupTooLarge(f"The case has more than {MAXIMUM_LINKS} matches. Ask for the groups of its items.")
    wanted = text(
        _ITEMS.format("case_id = :case_id AND blob_sha256 IS NOT NULL AND (closed_at IS NULL OR closed_at > now())")
    )
    return _known(session.execute(wanted, {"case_id": case_id}).all(), links)


def _known(items: Sequence[Any], links: Sequence[Any]) -> Known:
    lineage = Lineage([Item(row.id, row.sha256) for row in items], (Link(*row) for row in links))
    return Known(lineage, [row.registered_at for row in items])


def questions_about(lineage: Lineage, numbers: Collection[int]) -> OpenQuestions:
    undecided: dict[str, int] = {}
    for number in numbers:
        for tier in lineage.open_tiers.get(number, ()):
            undecided[tier] = undecided.get(tier, 0) + 1
    return OpenQuestions(undecided, [told for number in numbers for told in lineage.told.get(number, ())])


def _family(known: Known, first: int, numbers: list[int]) -> Family:
    lineage = known.lineage
    return Family(
        lineage.items[first].id,
        known.registered_at[first],
        items=len(numbers),
        exact_groups=len({lineage.bytes_of[number] for number in numbers}),
        captures=len({lineage.stated.capture_of[number] for number in numbers}),
        origins=lineage.bounds(numbers),
        questions=questions_about(lineage, numbers),
    )


def _members(
    session: Session,
    known: Known,
    placed: dict[int, Place],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Member]:
    shown = [number for number in sorted(placed) if after is None or known.key(number) > after][:limit]
    items = known.lineage.items
    steps = {
        number: (items[number].id, items[near].id) for number in shown if (near := placed[number].nearer) is not None
    }
    pairs = [(min(step), max(step)) for step in steps.values()]
    matches = session.scalars(select(Match).where(tuple_(Match.first_id, Match.second_id).in_(pairs))).all()
    by_pair = {frozenset((one.match.first_id, one.match.second_id)): one for one in explained(session, matches)}
    return [_member(known, number, placed[number], by_pair.get(frozenset(steps.get(number, ())))) for number in shown]


def _member(known: Known, number: int, place: Place, match: ExplainedMatch | None) -> Member:
    lineage = known.lineage
    return Member(
        lineage.items[number].id,
        known.registered_at[number],
        place.standing,
        exact_group=lineage.items[lineage.bytes_of[number]].id,
        capture=lineage.items[lineage.stated.capture_of[number]].id,
        nearer=None if place.nearer is None else lineage.items[place.nearer].id,
        match=match,
    )
