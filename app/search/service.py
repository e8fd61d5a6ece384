"""Pages of a case's incidents and items that pass a search. docs/search.md, docs/decisions/0054.

A page is looked for twice, if need be. First among the next few thousand of the list: what many pass is found there,
whatever the filters are. If those do not fill the page, few pass: then all that do are taken from the indexes, and the
first of them in the list's order are the page. So neither a common word nor a rare one, nor a combination of common
ones that hardly anything has, costs a walk over everything, and no guess of the planner's decides which way is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, any_, cast, column, func, literal, or_, select, table, tuple_
from sqlalchemy.dialects.postgresql import TSQUERY, TSTZRANGE
from sqlalchemy.orm import Session, aliased

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.service import authorise
from app.facts.folding import fold_designation
from app.incidents.models import Incident, IncidentEvidence
from app.media.closing import is_open
from app.media.models import Evidence
from app.media.rules import NEVER_LINKED
from app.search.errors import FilterNotCombined, NothingToSearch, NotOfThisCase
from app.search.filters import IncidentFilters, Interval, ItemFilters
from app.search.marks import FEWEST_BEFORE_STAR, MOST_WORDS, Group, mark, of_case, term, tsquery
from app.search.models import SearchIncident, SearchItem
from app.search.places import lies_in
from app.search.similar import similar_items

NEXT_ITEMS, NEXT_INCIDENTS = 4_000, 4_000
"""So many of the list are looked at before the indexes are asked: some 10 ms."""
NEXT_LINKED_ITEMS, NEXT_LINKED_INCIDENTS = 1_000, 100
"""The same where each is asked for what it is linked to: an item to an incident, an incident to some thousand items."""

FEW_ITEMS = 10_000
"""So many items that pass are quicker followed to their incidents than incidents are asked for such an item; where more
pass, hardly an incident has none."""

Condition = Callable[[Any], ColumnElement[bool]]
"""Of an entity, :class:`SearchItem` or :class:`SearchIncident`, or an alias of it."""
_VIEW = table("searchable_incidents", column("id"), column("words"))


NO_INCIDENT, NO_ITEM = IncidentFilters(), ItemFilters()


class Found(NamedTuple):
    """Where it stands in the list."""

    at: datetime
    id: UUID


@dataclass
class _Search:
    """Conditions on one of the two tables, apart from the case."""

    entity: Any
    groups: list[Group] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    registered: list[Condition] = field(default_factory=list)
    """Bounds of the list itself."""
    few: bool = False
    """Whether a condition names a few by their ids: then nothing is walked through."""
    has_links: bool = False

    def holds(self, of: Any, *, case_id: UUID | None = None) -> list[ColumnElement[bool]]:
        """``case_id``: as a mark besides, for the index of words."""
        groups = [*self.groups, of_case(case_id)] if case_id is not None else self.groups
        found = [condition(of) for condition in (*self.registered, *self.conditions)]
        if groups:
            found.append(_says(of, tsquery(groups)))
        return found


def search_items(
    session: Session,
    actor: Actor,
    case_id: UUID,
    *,
    text: str | None,
    filters: ItemFilters,
    incident: IncidentFilters,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Found]:
    """The case's items that pass, in the order of their registration; ``incident``: that are linked to one that passes
    these. Raises NotFound, Forbidden, NothingToSearch, NotOfThisCase, SimilarSearchPending, ConsentWithdrawn."""
    authorise(session, actor, case_id, Operation.READ_METADATA)
    search = _of_items(session, actor, case_id, filters)
    search.groups += _text_groups(session, text)
    if incident.is_given:
        inner = _of_incidents(case_id, incident)
        search.conditions.append(lambda of: _is_linked(of, "evidence_id", "incident_id", inner, case_id))
        search.has_links = True
    return _page(session, case_id, search, after, limit, NEXT_LINKED_ITEMS if search.has_links else NEXT_ITEMS)


def search_incidents(
    session: Session,
    actor: Actor,
    case_id: UUID,
    *,
    text: str | None,
    filters: IncidentFilters,
    item: ItemFilters,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Found]:
    """The case's incidents that pass, in the order of their creation here; ``item``: to which one is linked that passes
    these. Raises the same."""
    authorise(session, actor, case_id, Operation.READ_METADATA)
    search = _of_incidents(case_id, filters)
    search.groups += _text_groups(session, text)
    if item.is_given:
        inner = _of_items(session, actor, case_id, item)
        if item.state and NEVER_LINKED.issuperset(item.state):
            return []  # Many are in these states, and nothing needs to be looked for.
        search.conditions.append(lambda of: _is_linked(of, "incident_id", "evidence_id", inner, case_id))
        search.has_links = True
        inner.few = inner.few or _are_few(session, inner, case_id)
        search.few = search.few or inner.few
    next_ = NEXT_LINKED_INCIDENTS if search.has_links else NEXT_INCIDENTS
    return _page(session, case_id, search, after, limit, next_)


OF_INCIDENTS_THEN = frozenset({"kind", "code", "grading", "occurred"})
OF_ITEMS_THEN = frozenset(
    {"state", "kind", "fingerprint_status", "label", "sha256", "registered_after", "registered_before"}
)
"""What is listed as of a position, too."""


def require_dated(*, text: str | None, incident: IncidentFilters, item: ItemFilters) -> None:
    """That incidents are asked for by what is listed as of a position. Raises FilterNotCombined."""
    _require_none(_given(text, incident, NO_INCIDENT, OF_INCIDENTS_THEN) + _given(None, item, NO_ITEM, frozenset()))


def require_listed(*, text: str | None, item: ItemFilters, incident: IncidentFilters) -> None:
    """The same of items, and of those that a withdrawn consent closes. Raises FilterNotCombined."""
    _require_none(_given(text, item, NO_ITEM, OF_ITEMS_THEN) + _given(None, incident, NO_INCIDENT, frozenset()))


def _given(text: str | None, filters: Any, empty: Any, but: frozenset[str]) -> list[str]:
    named = [name for name, value in vars(filters).items() if value != getattr(empty, name) and name not in but]
    return named if text is None else ["q", *named]


def _require_none(named: list[str]) -> None:
    if named:
        raise FilterNotCombined(f"Only by itself: {', '.join(named)}.")


def _page(
    session: Session, case_id: UUID, search: _Search, after: tuple[datetime, UUID] | None, limit: int, next_: int
) -> list[Found]:
    entity = search.entity
    listed = [entity.case_id == case_id, *(bound(entity) for bound in search.registered)]
    if after is not None:
        listed.append(tuple_(entity.at, entity.id) > after)
    if not search.groups and not search.conditions:
        whole = select(entity.at, entity.id).where(*listed).order_by(entity.at, entity.id).limit(limit)
        return [Found(*row) for row in session.execute(whole)]
    if not search.few:
        window = select(entity).where(*listed).order_by(entity.at, entity.id).limit(max(next_, limit)).subquery()
        near = aliased(entity, window)
        query = select(near.at, near.id).where(*search.holds(near)).order_by(near.at, near.id).limit(limit)
        found = [Found(*row) for row in session.execute(query)]
        if len(found) == limit:
            return found
    hits = select(entity.at, entity.id).where(*listed, *search.holds(entity, case_id=case_id))
    passing = hits.cte("passing").prefix_with("MATERIALIZED", dialect="postgresql")
    rows = session.execute(select(passing.c.at, passing.c.id).order_by(passing.c.at, passing.c.id).limit(limit))
    return [Found(*row) for row in rows]


def _of_items(session: Session, actor: Actor, case_id: UUID, filters: ItemFilters) -> _Search:
    search = _Search(SearchItem, filters.marks(), registered=[is_open])
    if filters.claimed.is_given:
        search.conditions.append(_touches(filters.claimed))
    if filters.registered_after is not None:
        search.registered.append(lambda of: of.at > filters.registered_after)
    if filters.registered_before is not None:
        search.registered.append(lambda of: of.at < filters.registered_before)
    if filters.sha256 is not None:
        same = select(Evidence.id).where(Evidence.case_id == case_id, Evidence.blob_sha256 == filters.sha256)
        search.conditions.append(lambda of: of.id.in_(same))
        search.few = True
    if filters.incident is not None:
        _require_incident(session, case_id, filters.incident)
        links = select(IncidentEvidence.evidence_id).where(
            IncidentEvidence.incident_id == filters.incident, IncidentEvidence.unlinked_at.is_(None)
        )
        search.conditions.append(lambda of: of.id.in_(links))
        search.few = True
    for ids in similar_items(session, actor, case_id, filters.similar_to, filters.similar_search):
        search.conditions.append(_among(ids))
        search.few = True
    return search


def _of_incidents(case_id: UUID, filters: IncidentFilters) -> _Search:
    search = _Search(SearchIncident, filters.marks())
    if filters.occurred.is_given:
        search.conditions.append(_touches(filters.occurred))
    if filters.near is not None or filters.box is not None:
        search.conditions.append(lambda of: lies_in(of, filters.near, filters.box))
    if filters.code is not None:
        coded = select(Incident.id).where(Incident.case_id == case_id, Incident.code == filters.code)
        search.conditions.append(lambda of: of.id.in_(coded))
        search.few = True
    return search


def _among(ids: Sequence[UUID]) -> Condition:
    return lambda of: of.id.in_(ids)


def _touches(interval: Interval) -> Condition:
    """What has no interval touches none."""
    asked = func.tstzrange(interval.from_, interval.before, "[]", type_=TSTZRANGE)
    return lambda of: of.during.op("&&", is_comparison=True)(asked)


def _says(of: Any, query: str) -> ColumnElement[bool]:
    """That the words hold the query; of an incident that rests on an item which is closed since, as the view says."""
    asked = cast(literal(query), TSQUERY)
    holds: ColumnElement[bool] = of.words.op("@@", is_comparison=True)(asked)
    if not hasattr(of, "closes_at"):
        return holds
    still = select(_VIEW.c.id).where(_VIEW.c.id == of.id, _VIEW.c.words.op("@@", is_comparison=True)(asked))
    return holds & or_(of.closes_at.is_(None), of.closes_at > func.now(), still.exists())


def _is_linked(of: Any, own: str, other: str, inner: _Search, case_id: UUID) -> ColumnElement[bool]:
    """That something passes ``inner`` which is linked to it now."""
    link = aliased(IncidentEvidence)
    linked = aliased(inner.entity)
    if of is SearchIncident and inner.few:
        # First the items that pass, then what these are linked to, not the other way round: some incidents have
        # thousands of items, which the planner cannot know.
        passing = select(linked.id).where(linked.case_id == case_id, *inner.holds(linked, case_id=case_id))
        among = any_(func.array(passing.scalar_subquery(), type_=ARRAY(Uuid)))
        links = select(link.incident_id).where(link.unlinked_at.is_(None), link.evidence_id == among)
        found: ColumnElement[bool] = of.id.in_(links)
        return found
    query = select(getattr(link, own)).join(linked, linked.id == getattr(link, other))
    query = query.where(link.unlinked_at.is_(None), linked.case_id == case_id, *inner.holds(linked))
    condition: ColumnElement[bool] = query.where(getattr(link, own) == of.id).exists()
    return condition


def _are_few(session: Session, search: _Search, case_id: UUID) -> bool:
    entity = search.entity
    some = select(literal(1)).where(entity.case_id == case_id, *search.holds(entity, case_id=case_id))
    count = select(func.count()).select_from(some.limit(FEW_ITEMS + 1).subquery())
    return (session.scalar(count) or 0) <= FEW_ITEMS


def _text_groups(session: Session, text: str | None) -> list[Group]:
    """A group for each term: its words, or the weapon that it designates. Words are parted by the database, as those of
    what is searched were. Raises NothingToSearch."""
    if text is None:
        return []
    terms = text.split()
    if len(terms) > MOST_WORDS:
        raise NothingToSearch(f"At most {MOST_WORDS} words.")
    parts = select(*(func.exhibit_words(each, type_=ARRAY(Text)) for each in terms)) if terms else None
    words = [] if parts is None else list(session.execute(parts).one())
    if not any(words) or sum(map(len, words)) > MOST_WORDS:
        raise NothingToSearch(f"'q' has {sum(map(len, words))} words; from 1 to {MOST_WORDS} are looked for.")
    groups: list[Group] = []
    for each, found in zip(terms, words, strict=True):
        if not found:
            continue
        is_beginning = each.endswith("*")
        if is_beginning and (len(found) > 1 or len(found[0]) < FEWEST_BEFORE_STAR):
            raise NothingToSearch(f"'*' ends a word of {FEWEST_BEFORE_STAR} letters or digits at the least.")
        weapon = [] if is_beginning else [mark("weapon", fold_designation(each))]
        groups.append([term(found, is_beginning=is_beginning), *weapon])
    return groups


def _require_incident(session: Session, case_id: UUID, incident_id: UUID) -> None:
    query = select(Incident.id).where(Incident.id == incident_id, Incident.case_id == case_id)
    if session.scalar(query) is None:
        raise NotOfThisCase("'incident' is not an incident of this case.")
