"""What stood at a ledger position: which acts a signed tree holds, and the one filter of rows by it. docs/as-of.md.

An act is a transaction that changed something; every row says by number which act it stands from. A tree holds all
acts up to a number, but for those that were late: their entries came into the log after those of an act with a greater
number. So a position is a number and a few exceptions, and no row needs a join to know whether it stood then.
Positions are those of signed trees: each answer is about a log that somebody can hold, and is the same for ever.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, and_, func, or_, select, true, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.kernel.errors import Invalid
from app.kernel.primitives import MAX_SAFE_INTEGER, format_time
from app.ledger.models import LedgerEntry, LedgerLateAct, LedgerLog, LedgerPosition, LedgerQueued

_POSITION = re.compile(r"([1-9][0-9]{0,3}):(0|[1-9][0-9]{0,15})")
_MAX_LOG = 2**15 - 1


class AsOfUnreadable(Invalid):
    code = "as_of_unreadable"
    title = "This names no time and no ledger position"
    advice = (
        "Give 'as_of' a time with its zone (2026-11-18T12:00:00Z) or a position: the log's number, a colon, and the "
        "size of a signed tree (1:4711), as 'as_of' in an answer names it. In an address, write + of a zone as %2B."
    )


class AsOfNotSigned(Invalid):
    code = "as_of_not_signed"
    title = "No tree of this size was signed"
    advice = (
        "Ask by a time, or by the size of a signed tree: 'signed_before' and 'signed_after' name the nearest. The "
        "receipt of an act that waited for its checkpoint has its 'tree_size'."
    )


class AsOfTooLate(Invalid):
    code = "as_of_too_late"
    title = "What will have stood then is not known yet"
    advice = (
        "Leave 'as_of' away to read what stands now, or ask as of the newest signed position, which 'newest' names. "
        "Until a later tree is signed it is open what stands at a later time, and an answer as of a time never changes."
    )


class HistoryBeginsLater(Invalid):
    code = "history_begins_later"
    title = "What stood then is not kept"
    advice = (
        "Versions are kept since the installation was updated to keep them. Ask as of 'begins' or later; the custody "
        "logs tell of every act before."
    )


@dataclass(frozen=True)
class Position:
    """A signed tree: a log of this database, its size then, the newest act in it, and from when it stands.

    ``size`` 0 and no time: before the first tree, when nothing stood.
    """

    log_id: int
    size: int
    newest_act: int
    stands_from: datetime | None

    def __str__(self) -> str:
        return f"{self.log_id}:{self.size}"


BEFORE_ALL = Position(1, 0, -1, None)


def standing_at(
    position: Position | None,
    since: InstrumentedAttribute[Any],
    until: InstrumentedAttribute[Any] | None = None,
) -> ColumnElement[bool]:
    """Whether a row stood then that stands from the act ``since``, and up to the act ``until`` if there is one.

    None: now, when every row stands that has not ended.
    """
    if position is None:
        return true() if until is None else until.is_(None)
    stood = _holds(position, since)
    if until is None:
        return stood
    return and_(stood, or_(until.is_(None), ~_holds(position, until)))


def _holds(position: Position, act: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """In the same statement as the rows: an act that is committed between two statements is new to both or to none."""
    return and_(act <= position.newest_act, act.not_in(_exceptions(position)))


def _exceptions(position: Position) -> CompoundSelect[int]:
    late = select(LedgerLateAct.act).where(
        LedgerLateAct.act <= position.newest_act,
        or_(
            tuple_(LedgerLateAct.log_id, LedgerLateAct.idx) >= (position.log_id, position.size),
            and_(LedgerLateAct.idx.is_(None), LedgerLateAct.log_id >= position.log_id),
        ),
    )
    number = func.coalesce(LedgerEntry.act, LedgerEntry.id)
    waiting = (
        select(number)
        .join(LedgerQueued, LedgerQueued.entry_id == LedgerEntry.id)
        .where(number <= position.newest_act, LedgerEntry.log_id >= position.log_id)
    )
    return union_all(late, waiting)


def exceptions_of(session: Session, position: Position) -> set[int]:
    """The acts up to the position's newest that it does not hold: for whoever asks in the same snapshot as for rows."""
    return set(session.scalars(_exceptions(position)))


def newest_position(session: Session) -> Position | None:
    """The newest signed tree; None before the first one."""
    newest = select(LedgerPosition).order_by(LedgerPosition.log_id.desc(), LedgerPosition.size.desc()).limit(1)
    return _read(session.scalar(newest))


def find_position(session: Session, as_of: str) -> Position:
    """The position that a time or the name of a position stands for.

    Raises AsOfUnreadable, AsOfTooLate, AsOfNotSigned, HistoryBeginsLater.
    """
    named = _POSITION.fullmatch(as_of)
    found = _of_size(session, int(named[1]), int(named[2])) if named else _at_time(session, _moment(as_of))
    _require_kept(session, found)
    return found


def _moment(text: str) -> datetime:
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:", text):
        raise AsOfUnreadable("Neither a time such as 2026-11-18T12:00:00Z nor a position such as 1:4711.")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise AsOfUnreadable("Not a time as RFC 3339 writes it.") from error
    if moment.tzinfo is None or not 1000 < moment.year < 9999:
        raise AsOfUnreadable("A time needs its zone, such as Z or +02:00, and a year from 1001 to 9998.")
    return moment


def _at_time(session: Session, moment: datetime) -> Position:
    newest = newest_position(session)
    if newest is not None and newest.stands_from is not None and moment > newest.stands_from:
        raise AsOfTooLate(
            f"The newest signed position is {newest}, of {format_time(newest.stands_from)}.",
            extra={"newest": str(newest)},
        )
    if newest is None:
        raise AsOfTooLate("No position is signed yet.", extra={"newest": None})
    query = select(LedgerPosition).where(LedgerPosition.stands_from <= moment)
    return _read(session.scalar(query.order_by(LedgerPosition.stands_from.desc()).limit(1))) or BEFORE_ALL


def _of_size(session: Session, log_id: int, size: int) -> Position:
    if log_id > _MAX_LOG or size > MAX_SAFE_INTEGER or session.get(LedgerLog, log_id) is None:
        raise AsOfNotSigned(f"There is no log {log_id} here.", extra={"signed_before": None, "signed_after": None})
    found = _read(session.get(LedgerPosition, (log_id, size)))
    if found is not None:
        return found
    if (log_id, size) == (1, 0):
        return BEFORE_ALL
    place = tuple_(LedgerPosition.log_id, LedgerPosition.size)
    order = (LedgerPosition.log_id, LedgerPosition.size)
    before = _read(
        session.scalar(
            select(LedgerPosition).where(place < (log_id, size)).order_by(*(each.desc() for each in order)).limit(1)
        )
    )
    after = _read(session.scalar(select(LedgerPosition).where(place > (log_id, size)).order_by(*order).limit(1)))
    raise AsOfNotSigned(
        f"No tree of {size} leaves was signed in log {log_id}.",
        extra={"signed_before": before and str(before), "signed_after": after and str(after)},
    )


def _require_kept(session: Session, position: Position) -> None:
    """Raises HistoryBeginsLater for a tree that was signed before acts were numbered."""
    older = session.scalar(select(func.max(LedgerEntry.id)).where(LedgerEntry.act.is_(None)))
    if older is None or position.newest_act >= older:
        return
    first = _read(
        session.scalar(
            select(LedgerPosition)
            .where(LedgerPosition.newest_act >= older)
            .order_by(LedgerPosition.log_id, LedgerPosition.size)
            .limit(1)
        )
    )
    raise HistoryBeginsLater(
        "Nothing is kept of how things stood before."
        if first is None
        else f"The first position that is kept is {first}.",
        extra={"begins": first and str(first)},
    )


def _read(row: LedgerPosition | None) -> Position | None:
    return None if row is None else Position(row.log_id, row.size, row.newest_act, row.stands_from)
