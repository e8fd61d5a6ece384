"""A person's languages and opt-outs: seen by that person alone, in no entry, and asked for by nothing but their queue.

A change of them is the one act without an entry: an entry stays for ever, and what somebody cannot bear to look at says
what happened to them. docs/decisions/0039.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, not_, or_, true
from sqlalchemy.dialects.postgresql import array, insert
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_scope
from app.access.rules import Operation
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork
from app.verification.queue_models import Preferences

GRAPHIC_LEVELS = ("none", "mild", "severe")


@dataclass(frozen=True)
class Wanted:
    """What a person wants to be offered; as it is without a row, everything."""

    languages: tuple[str, ...] = ()
    graphic_level_at_most: str | None = None
    opt_outs: tuple[str, ...] = ()

    @property
    def is_wary(self) -> bool:
        """Whether anything is not wanted: then neither is what nobody labelled, which may show anything."""
        return self.graphic_level_at_most is not None or bool(self.opt_outs)


def get_preferences(session: Session, actor: Actor) -> Wanted:
    """The actor's own."""
    row = session.get(Preferences, actor.account_id)
    return Wanted() if row is None else Wanted(tuple(row.languages), row.graphic_level_at_most, tuple(row.opt_outs))


def set_preferences(uow: UnitOfWork, actor: Actor, wanted: Wanted) -> None:
    """In place of those before; the last one holds."""
    require_scope(actor, Operation.SET_PREFERENCES)
    values = {
        "languages": list(wanted.languages),
        "graphic_level_at_most": wanted.graphic_level_at_most,
        "opt_outs": list(wanted.opt_outs),
    }
    row = insert(Preferences).values(account_id=actor.account_id, **values)
    uow.session.execute(row.on_conflict_do_update(constraint="pk_preferences", set_=values))


def forget_preferences(session: Session, account_id: UUID) -> None:
    """Of an account that is erased (no permission check: for services that made theirs)."""
    session.execute(delete(Preferences).where(Preferences.account_id == account_id))


def is_wanted(wanted: Wanted) -> ColumnElement[bool]:
    """A condition on labelled items: in a language of the person's, or in none, and with nothing opted out of."""
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.languages:
        stated = Evidence.labels["languages"]
        is_silent = func.coalesce(func.jsonb_array_length(stated), 0) == 0
        conditions.append(or_(is_silent, stated.has_any(array(wanted.languages))))
    if wanted.graphic_level_at_most is not None:
        bearable = GRAPHIC_LEVELS[: GRAPHIC_LEVELS.index(wanted.graphic_level_at_most) + 1]
        conditions.append(Evidence.labels["graphic_level"].astext.in_(bearable))
    conditions += [not_(Evidence.labels.contains({flag: True})) for flag in wanted.opt_outs]
    return and_(*conditions)
