"""Emptying every place where a value lies: domain columns, answers kept for repeated requests, drafts of findings."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Table, Text, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from app.access.idempotency import forget_answers
from app.erasure.places import facts_of, places_of, types_with
from app.kernel.database import ERASED, Base
from app.kernel.places import Place
from app.ledger import erasing
from app.ledger.erasing import ErasableEntry, OpenField, Stated
from app.verification.drafts import forget_drafts


def clear(session: Session, fields: Sequence[OpenField]) -> None:
    """Delete the disclosures of these fields, and their values wherever else they lie."""
    cleared: set[tuple[Any, ...]] = set()
    for each in fields:
        for place in places_of(each.entry.type, each.field):
            row = {column: _value(each.entry, source) for column, source in place.row.items()}
            if place.is_restated:
                stated = erasing.when_stated(session, each.entry, types_with(place), each.field)
                if place.versions is not None:
                    _empty_versions(session, place.versions, place, row, stated)
                if stated.until_act is not None:
                    continue  # The row holds what was stated since.
            key = (place.table, place.columns, *sorted(map(str, row.values())))
            if key not in cleared:
                _empty(session, place, row)
                cleared.add(key)
    erasing.delete_disclosures(session, fields)
    streams = {each.entry.stream for each in fields}
    forget_answers(session, streams)
    forget_drafts(session, streams, [each.value for each in fields])


def clear_facts(session: Session, entry: ErasableEntry) -> None:
    """What a person typed into the open facts of an entry whose body goes."""
    for place in facts_of(entry.type):
        _empty(session, place, {column: _value(entry, source) for column, source in place.row.items()})


def _value(entry: ErasableEntry, source: str) -> Any:
    if source == "stream":
        return entry.stream
    assert entry.body is not None
    if source == "object":
        return UUID(entry.body["object"]["id"])
    stated = entry.body["data"][source]
    return UUID(stated) if isinstance(stated, str) else stated


def _empty(session: Session, place: Place, row: dict[str, Any]) -> None:
    table = Base.metadata.tables[place.table]
    if not place.columns:
        session.execute(delete(table).where(*(table.c[column] == value for column, value in row.items())))
        return
    values: dict[str, Any] = {column: _blank(table, column, is_unique=place.is_unique) for column in place.columns}
    values["erased"] = func.array_cat(table.c.erased, cast(list(place.columns), ARRAY(Text)))
    # The version of what supersedes, such as a verdict's or a fact's, is no edition of its row.
    if "version" in table.c and not {"evidence_id", "supersedes"} & set(table.c.keys()):
        values["version"] = table.c.version + 1
    session.execute(
        update(table)
        .where(*(table.c[column] == value for column, value in row.items()))
        .where(~table.c.erased.contains(list(place.columns)))
        .values(values)
    )


def _empty_versions(session: Session, name: str, place: Place, row: dict[str, Any], stated: Stated) -> None:
    """The versions from the one that the statement's act made to the one before that of the next statement."""
    versions = Base.metadata.tables[name]
    same = [versions.c[column] == value for column, value in row.items()]

    def number_of(act: int) -> Any:
        return select(versions.c.number).where(*same, versions.c.act == act).scalar_subquery()

    conditions = [*same, versions.c.number >= func.coalesce(number_of(stated.act), 1)]
    if stated.until_act is not None:
        # What was stated anew before versions were kept is in none of them.
        conditions.append(versions.c.number < func.coalesce(number_of(stated.until_act), 1))
    values: dict[str, Any] = {column: _blank(versions, column, is_unique=False) for column in place.columns}
    values["erased"] = func.array_cat(versions.c.erased, cast(list(place.columns), ARRAY(Text)))
    conditions.append(~versions.c.erased.contains(list(place.columns)))
    session.execute(update(versions).where(*conditions).values(values))


def _blank(table: Table, column: str, *, is_unique: bool) -> Any:
    kind = table.c[column].type
    if isinstance(kind, JSONB):
        return JSON.NULL
    if isinstance(kind, ARRAY):
        return []
    if not isinstance(kind, Text):
        return None
    return func.concat(f"{ERASED} ", table.c.id) if is_unique else ERASED
