"""The map of places: every sealed field has its line, every line a column, every column the database's leave."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import migrations
from app.erasure.places import PLACES
from app.kernel.database import Base, Erasable
from app.ledger.event import Event
from app.media.places import FACTS
from app.tables import MODULES
from tests.architecture.test_events import event_classes

INHERITED = {field.name for field in dataclasses.fields(Event)}


def sealed_fields(kind: type[Event]) -> set[str]:
    """What a class of events seals, besides the reason and the note that every event may have."""
    return {each.name for each in dataclasses.fields(kind) if each.metadata.get("sealed")} - INHERITED


def erasable_columns() -> dict[str, set[str]]:
    """The columns that the migrations let an erasure empty."""
    found: dict[str, set[str]] = {}
    for file in Path(migrations.__file__).parent.glob("versions/*.py"):
        if "ERASABLE = " in file.read_text(encoding="utf-8"):
            spec = importlib.util.spec_from_file_location(f"migration_{file.stem}", file)
            assert spec is not None
            assert spec.loader is not None
            module: Any = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for table, columns in module.ERASABLE.items():
                found.setdefault(table, set()).update(columns)
    return found


def columns_of_places() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for places in (*PLACES.values(), *FACTS.values()):
        for place in places:
            if place.columns:
                found.setdefault(place.table, set()).update(place.columns)
            if place.versions:
                found.setdefault(place.versions, set()).update(place.columns)
    return found


def test_sealed_fields_when_declared_then_each_has_a_line_that_says_where_its_value_lies() -> None:
    declared = {(kind.TYPE, name) for kind in event_classes() for name in sealed_fields(kind)}
    assert len(declared) > 30
    assert declared - PLACES.keys() == set()


def test_lines_when_written_then_each_is_of_a_field_that_its_event_seals() -> None:
    sealed: dict[str, set[str]] = {}
    for kind in event_classes():
        sealed.setdefault(kind.TYPE, set()).update(sealed_fields(kind) | {"reason", "note"})
    assert {(name, field) for name, field in PLACES if field not in sealed.get(name, set())} == set()


def test_rows_when_named_then_the_entry_says_which() -> None:
    facts: dict[str, set[str]] = {}
    for kind in event_classes():
        facts.setdefault(kind.TYPE, {"stream", "object"}).update(each.name for each in dataclasses.fields(kind))
    unknown = {
        (name, source)
        for (name, _), places in (*PLACES.items(), *FACTS.items())
        for place in places
        for source in place.row.values()
        if source not in facts[name]
    }
    assert unknown == set()


def test_columns_when_named_then_they_are_those_that_the_database_lets_be_erased() -> None:
    assert columns_of_places() == erasable_columns()


def test_tables_when_erasable_then_their_models_say_so_and_have_the_columns() -> None:
    assert MODULES
    erasable = {str(mapper.local_table) for mapper in Base.registry.mappers if issubclass(mapper.class_, Erasable)}
    assert erasable == set(columns_of_places())
    for table, columns in columns_of_places().items():
        assert columns <= set(Base.metadata.tables[table].c.keys())
