"""A search answers just what asking every row answers, for any combination of filters, over any number of pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Role, Scope
from app.facts.filters import Box, Near
from app.facts.words import AttackPattern, ObjectKind, PersonGroup
from app.gradings.rules import Grade
from app.incidents.rules import IncidentKind
from app.kernel.database import open_engine, session_factory
from app.kernel.database_roles import libpq_url
from app.media.rules import State
from app.search import service
from app.search.filters import IncidentFilters, Interval, ItemFilters
from app.verification.rules import Outcome
from benchmarks.many_incidents import BEGIN, END, NEEDLE, REPORTED, Size, fill
from tests.factories import make_case, make_log, make_person
from tests.search import brute_force
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database
from tests.support.examples import examples

SIZE = Size(incidents=90, items=600)


@dataclass
class Filled:
    sessions: sessionmaker[Session]
    actor: Actor
    case_id: UUID
    incidents: list[brute_force.Row]
    items: list[brute_force.Row]


def fill_here(database: TestDatabase, engine: Engine) -> Filled:
    sessions = session_factory(engine)
    make_log(sessions)
    olena = make_person(sessions, "Olena")
    case_id = make_case(sessions, olena, [(olena, Role.RESEARCHER)])
    with psycopg.connect(libpq_url(database.owner_url)) as owner:
        fill(owner, SIZE, case_id=str(case_id), account_id=str(olena.account_id))
        # Closed since yesterday, and by tomorrow: as consents would have it.
        owner.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
        for ending, moved in (("7", "- interval '1 day'"), ("6", "+ interval '1 day'")):
            named = f"file_name LIKE 'IMG_%{ending}.jpg'"
            owner.execute(f"UPDATE evidence SET closed_at = now() {moved} WHERE {named}".encode())
            owner.execute(f"SELECT exhibit_index_item(id) FROM evidence WHERE {named}".encode())
        owner.execute("ALTER TABLE evidence ENABLE TRIGGER USER")
        owner.commit()
        incidents, items = brute_force.read(owner)
    actor = Actor(olena.account_id, uuid4(), "session", frozenset(), frozenset(Scope), None, None)
    return Filled(sessions, actor, case_id, incidents, items)


@pytest.fixture(scope="module")
def filled(postgres: TestServer) -> Iterator[Filled]:
    database = create_database(postgres)
    engine = open_engine(database.app_url, pool_size=2)
    yield fill_here(database, engine)
    engine.dispose()
    with postgres.administration() as owner:
        drop_database(owner, database.name)


def some_of(words: Any) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from([str(word) for word in words]), max_size=2, unique=True).map(tuple)


def mostly_not(strategy: st.SearchStrategy[Any], without: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(without), st.just(without), strategy)


MOMENTS = st.integers(-30, (END - BEGIN).days).map(lambda days: BEGIN + timedelta(days=days))
INTERVALS = st.builds(
    lambda begin, days, which: Interval(
        from_=None if which == 1 else begin, before=None if which == 2 else begin + timedelta(days=days)
    ),
    MOMENTS,
    st.integers(0, 400),
    st.integers(0, 2),
)
DEGREES = st.integers(-90, 90), st.integers(-180, 180)
BOXES = st.one_of(
    st.builds(
        lambda one, other, west, east: Box(
            min(one, other) * 1_000_000, west * 1_000_000, max(one, other) * 1_000_000, east * 1_000_000
        ),
        DEGREES[0],
        DEGREES[0],
        DEGREES[1],
        DEGREES[1],
    ),
    st.just(Box(-18_000_000, 179_900_000, -16_000_000, -179_900_000)),
)
NEARS = st.builds(
    Near,
    st.sampled_from([49_993_500, 50_450_100, 36_202_100, -16_833_300, 89_999_000]),
    st.sampled_from([36_230_400, 30_523_400, 37_134_300, -179_950_000, 179_980_000]),
    st.sampled_from([5_000, 12_000, 400_000, 9_000_000, 20_000_000]),
)
TEXTS = st.sampled_from(
    (
        *REPORTED,
        *(NEEDLE, "Kharkiv", "харків", "ХАРКІВ", "حلب", "hospital", "STRIKE", "Удар", "stri*", "лік*", "crater smoke"),
        *("Kharkiv strike", "Х-101 Kyiv", "INC-000017", "img_12", "no such word", "ve* video", "channel 12", "مدرسة"),
    )
)

INCIDENT_FILTERS = st.fixed_dictionaries(
    {
        "kind": mostly_not(some_of(IncidentKind), ()),
        "weapon": mostly_not(some_of(REPORTED), ()),
        "object_kind": mostly_not(some_of(ObjectKind), ()),
        "protected_object": mostly_not(some_of(ObjectKind), ()),
        "protected_person": mostly_not(some_of(PersonGroup), ()),
        "attack_pattern": mostly_not(some_of(AttackPattern), ()),
        "grading": mostly_not(some_of(Grade), ()),
        "provision": mostly_not(some_of(["rome_statute:7(1)(a)", "rome_statute:6(a)", "rome_statute:8(2)(a)(i)"]), ()),
        "occurred": mostly_not(INTERVALS, Interval()),
        "near": mostly_not(NEARS, None),
        "box": mostly_not(BOXES, None),
    }
)
LABELS = (
    "unlabelled",
    "graphic_none",
    "graphic_mild",
    "graphic_severe",
    "child",
    "sexual_violence",
    "distressing_audio",
)
ITEM_FILTERS = st.fixed_dictionaries(
    {
        "state": mostly_not(some_of(State), ()),
        "label": mostly_not(some_of(LABELS), ()),
        "verdict": mostly_not(some_of(Outcome), ()),
        "kind": mostly_not(some_of(("image", "video")), ()),
        "claimed": mostly_not(INTERVALS, Interval()),
    }
)
NOTHING: dict[str, Any] = {}
MARKS = ("kind", "object_kind", "protected_object", "protected_person", "attack_pattern", "grading", "provision")
ITEM_MARKS = ("state", "label", "verdict", "kind")


def passes_incident(row: brute_force.Row, filters: dict[str, Any]) -> bool:
    for name in MARKS:
        if filters.get(name) and not row.marks.get(name, set()) & set(filters[name]):
            return False
    if filters.get("weapon") and not row.marks.get("weapon", set()) & brute_force.weapon_keys(list(filters["weapon"])):
        return False
    occurred, near, box = filters.get("occurred"), filters.get("near"), filters.get("box")
    if occurred and occurred.is_given and not row.touches(occurred.from_, occurred.before):
        return False
    if near and not row.lies_near(near.latitude_microdegrees / 1e6, near.longitude_microdegrees / 1e6, near.radius_m):
        return False
    return not box or row.lies_in_box(*(side / 1e6 for side in (box.south, box.west, box.north, box.east)))


def passes_item(row: brute_force.Row, filters: dict[str, Any]) -> bool:
    claimed = filters.get("claimed")
    if claimed and claimed.is_given and not row.touches(claimed.from_, claimed.before):
        return False
    marks = all(not filters.get(name) or row.marks.get(name, set()) & set(filters[name]) for name in ITEM_MARKS)
    return marks and not row.is_closed


def is_asked(filters: dict[str, Any]) -> bool:
    return any(value not in ((), None, Interval()) for value in filters.values())


def pages(search: Any, limit: int, **asked: Any) -> list[UUID]:
    found: list[UUID] = []
    after = None
    while True:
        rows = search(after=after, limit=limit, **asked)
        found += [row.id for row in rows]
        if len(rows) < limit:
            return found
        after = (rows[-1].at, rows[-1].id)


@pytest.mark.thorough
@given(
    text=mostly_not(TEXTS, None),
    filters=INCIDENT_FILTERS,
    item=mostly_not(ITEM_FILTERS, NOTHING),
    limit=st.integers(1, 60),
    next_=st.sampled_from([1, 20, 4000]),
)
@settings(max_examples=examples(150))
def test_incidents_when_searched_then_those_that_pass_every_filter_in_order(
    filled: Filled, text: str | None, filters: dict[str, Any], item: dict[str, Any], limit: int, next_: int
) -> None:
    expected = [
        row.id
        for row in filled.incidents
        if (text is None or row.says(text))
        and passes_incident(row, filters)
        and (not is_asked(item) or any(passes_item(linked, item) for linked in row.linked))
    ]
    with pytest.MonkeyPatch.context() as patch, filled.sessions() as session:
        patch.setattr(service, "NEXT_INCIDENTS", next_)
        patch.setattr(service, "NEXT_LINKED_INCIDENTS", next_)
        patch.setattr(service, "FEW_ITEMS", next_ * 10)
        asked = {"text": text, "filters": IncidentFilters(**filters), "item": ItemFilters(**item)}

        def search(**page: Any) -> list[service.Found]:
            return service.search_incidents(session, filled.actor, filled.case_id, **page)

        assert pages(search, limit, **asked) == expected


@given(
    text=mostly_not(TEXTS, None),
    filters=ITEM_FILTERS,
    incident=mostly_not(INCIDENT_FILTERS, NOTHING),
    limit=st.integers(20, 200),
    next_=st.sampled_from([1, 50, 4000]),
)
@settings(max_examples=examples(150))
def test_items_when_searched_then_those_that_pass_every_filter_in_order(
    filled: Filled, text: str | None, filters: dict[str, Any], incident: dict[str, Any], limit: int, next_: int
) -> None:
    expected = [
        row.id
        for row in filled.items
        if (text is None or row.says(text))
        and passes_item(row, filters)
        and (not is_asked(incident) or any(passes_incident(linked, incident) for linked in row.linked))
    ]
    with pytest.MonkeyPatch.context() as patch, filled.sessions() as session:
        patch.setattr(service, "NEXT_ITEMS", next_)
        patch.setattr(service, "NEXT_LINKED_ITEMS", next_)
        asked = {"text": text, "filters": ItemFilters(**filters), "incident": IncidentFilters(**incident)}

        def search(**page: Any) -> list[service.Found]:
            return service.search_items(session, filled.actor, filled.case_id, **page)

        assert pages(search, limit, **asked) == expected


def test_data_of_this_test_has_what_its_filters_ask_for(filled: Filled) -> None:
    """Or the two tests above would compare nothing with nothing."""
    near = Near(49_993_500, 36_230_400, 12_000)
    assert 0 < sum(row.says("Kharkiv strike") for row in filled.incidents) < len(filled.incidents)
    assert any(passes_incident(row, {"near": near}) for row in filled.incidents)
    assert any(passes_incident(row, {"box": Box(-18_000_000, 179_900_000, -16_000_000, -179_900_000)})
               for row in filled.incidents)  # fmt: skip
    assert {row.is_closed for row in filled.items} == {True, False}
    asked = {"state": ("signed_off",), "label": ("child",), "verdict": ("verified",)}
    assert any(passes_item(row, asked) for row in filled.items)
    assert any(row.touches(datetime(2024, 1, 1, tzinfo=UTC), None) for row in filled.items)
