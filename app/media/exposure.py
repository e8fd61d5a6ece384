"""Exposure: what each person saw of what hurts, counted with the entry of the viewing, and capped by the case's policy.

One row a person, item and day, written in the transaction of the viewing's entry. Figures are sums of rows, so that
none is lost between two who write at once; a cap is asked for under a lock of the person.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.cases.models import CasePseudonym
from app.cases.policy import Policy
from app.cases.service import Grant, authorise, current_policies, visible_cases
from app.kernel.primitives import format_time, utc_now
from app.media.errors import ExposureCapReached
from app.media.models import Evidence, Exposure
from app.media.reading import best_decoding, has_own_results
from app.media.welfare import SeenInADay, break_ends_at, has_caps, label_names, seconds_counted

PERSON_LOCK = 0x45584C37
"""The first of two numbers of an advisory lock; the second is the person's."""


@dataclass(frozen=True)
class DayOfExposure:
    """A person's day in a case; ``by_label``: label → items and seconds. An item counts under each of its labels."""

    case_id: UUID
    account_id: UUID
    pseudonym: UUID
    day: date
    items: int
    seconds: int
    by_label: dict[str, tuple[int, int]]
    break_ends_at: datetime | None
    caps: Policy | None = None
    """Of today, to the person: the policy whose caps hold."""


def require_headroom(session: Session, case_id: UUID, account_id: UUID) -> None:
    """That a person may look at more of a case now (no permission check). Raises ExposureCapReached.

    Where there is a cap, the person is locked until the transaction ends: what it writes is seen by the next one.
    """
    policy = current_policies(session, [case_id])[case_id]
    if not has_caps(policy):
        return
    session.execute(select(func.pg_advisory_xact_lock(PERSON_LOCK, func.hashtext(str(account_id)))))
    ends = _breaks(session, account_id, {case_id: policy}).get(case_id)
    if ends is not None:
        raise ExposureCapReached(
            f"You have seen as much of this case as its policy allows a day. The break ends at {format_time(ends)}. "
            "Blurred previews, metadata and what you hold stay open to you.",
            extra={"break_ends_at": format_time(ends)},
        )


def require_may_look(session: Session, grant: Grant, evidence: Evidence) -> None:
    """That a person may look at an item's content now: at the cap, only at what they hold. Raises ExposureCapReached.

    Whoever has begun with an item can end it; at the cap no lease is given, so there is no more of it than they hold.
    """
    expires_at = evidence.lease_expires_at
    if evidence.lease_holder != grant.account_id or expires_at is None or expires_at <= utc_now():
        require_headroom(session, evidence.case_id, grant.account_id)


def breaks_of(session: Session, account_id: UUID, case_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """When the person's breaks end, of those cases in which one is on (no permission check)."""
    capped = {case: policy for case, policy in current_policies(session, case_ids).items() if has_caps(policy)}
    return _breaks(session, account_id, capped) if capped else {}


def _breaks(session: Session, account_id: UUID, policies: dict[UUID, Policy]) -> dict[UUID, datetime]:
    now = utc_now()
    rows = session.execute(
        select(Exposure.case_id, Exposure.day, func.count(), func.sum(Exposure.seconds), func.max(Exposure.last_at))
        .where(
            Exposure.account_id == account_id,
            Exposure.case_id.in_(policies),
            Exposure.day >= now.date() - timedelta(days=1),
        )
        .group_by(Exposure.case_id, Exposure.day)
    )
    seen: dict[UUID, list[SeenInADay]] = {}
    for case_id, day, items, seconds, last_at in rows:
        seen.setdefault(case_id, []).append(SeenInADay(day, items, seconds, last_at))
    ends = {case_id: break_ends_at(policies[case_id], days, now) for case_id, days in seen.items()}
    return {case_id: end for case_id, end in ends.items() if end is not None}


def count_viewing(session: Session, grant: Grant, evidence: Evidence, *, is_original: bool) -> None:
    """Count a viewing that is about to be recorded. Raises ExposureCapReached, and nothing is seen then."""
    require_may_look(session, grant, evidence)
    now = utc_now()
    row = insert(Exposure).values(
        account_id=grant.account_id,
        day=now.date(),
        evidence_id=evidence.id,
        case_id=evidence.case_id,
        labels=label_names(evidence.labels),
        seconds=seconds_counted(is_original=is_original, duration_ms=_duration_ms(session, evidence)),
        first_at=now,
        last_at=now,
    )
    session.execute(
        row.on_conflict_do_update(
            constraint="pk_exposures",
            set_={
                "seconds": func.greatest(Exposure.seconds, row.excluded.seconds),
                "labels": row.excluded.labels,
                # Of two at once, the one that began later may be the first to be written; the row keeps its first time.
                "last_at": func.greatest(Exposure.last_at, row.excluded.last_at),
            },
        )
    )


def _duration_ms(session: Session, evidence: Evidence) -> Any:
    """What the item's file claims of its length; None until the item was decoded."""
    if evidence.blob_sha256 is None or not has_own_results(evidence):
        return None
    decoding = best_decoding(session, evidence.blob_sha256)
    return None if decoding is None else decoding.claims.get("duration_ms")


def list_own_exposure(
    session: Session, actor: Actor, *, after: tuple[date, UUID] | None, limit: int
) -> Sequence[DayOfExposure]:
    """The actor's days, the latest first, in each the cases in order of id."""
    # Of cases that one left, too: what one has seen one has seen. A token made for some cases shows those alone.
    conditions: list[ColumnElement[bool]] = [Exposure.account_id == actor.account_id]
    if actor.case_ids is not None or actor.roles is not None:
        conditions.append(Exposure.case_id.in_(visible_cases(actor)))
    if after is not None:
        day, case_id = after
        conditions.append(or_(Exposure.day < day, and_(Exposure.day == day, Exposure.case_id > case_id)))
    query = _days(conditions).order_by(Exposure.day.desc(), Exposure.case_id).limit(limit)
    return _with_labels(session, query, breaks_for=actor.account_id)


def list_case_exposure(
    session: Session,
    actor: Actor,
    case_id: UUID,
    *,
    from_day: date | None,
    to_day: date | None,
    after: tuple[UUID, date] | None,
    limit: int,
) -> Sequence[DayOfExposure]:
    """The days of everybody in a case, for its coordinators: by pseudonym, the latest first. Never by figures."""
    authorise(session, actor, case_id, Operation.READ_EXPOSURE)
    conditions: list[ColumnElement[bool]] = [Exposure.case_id == case_id]
    if from_day is not None:
        conditions.append(Exposure.day >= from_day)
    if to_day is not None:
        conditions.append(Exposure.day <= to_day)
    if after is not None:
        pseudonym, day = after
        same = and_(CasePseudonym.pseudonym == pseudonym, Exposure.day < day)
        conditions.append(or_(CasePseudonym.pseudonym > pseudonym, same))
    query = _days(conditions).order_by(CasePseudonym.pseudonym, Exposure.day.desc()).limit(limit)
    return _with_labels(session, query, breaks_for=None)


def _days(conditions: Sequence[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    key = (Exposure.case_id, Exposure.account_id, CasePseudonym.pseudonym, Exposure.day)
    named = and_(CasePseudonym.case_id == Exposure.case_id, CasePseudonym.account_id == Exposure.account_id)
    figures = (func.count().label("items"), func.sum(Exposure.seconds).label("seconds"))
    query: Select[*tuple[Any, ...]] = select(*key, *figures).join(CasePseudonym, named)
    return query.where(*conditions).group_by(*key)


def _with_labels(session: Session, query: Select[*tuple[Any, ...]], *, breaks_for: UUID | None) -> list[DayOfExposure]:
    """The days of a page with what they hold of each label: three questions, however many days."""
    rows = session.execute(query).all()
    key = (Exposure.account_id, Exposure.case_id, Exposure.day)
    each = func.unnest(Exposure.labels).table_valued("label").render_derived()
    of_labels = (
        select(*key, each.c.label, func.count(), func.sum(Exposure.seconds))
        .join(each, true())
        .where(tuple_(*key).in_([(row.account_id, row.case_id, row.day) for row in rows]))
        .group_by(*key, each.c.label)
    )
    found: dict[tuple[UUID, UUID, date], dict[str, tuple[int, int]]] = {}
    for account_id, case_id, day, name, items, seconds in session.execute(of_labels) if rows else ():
        found.setdefault((account_id, case_id, day), {})[name] = (items, seconds)
    breaks = {} if breaks_for is None else breaks_of(session, breaks_for, {row.case_id for row in rows})
    today = utc_now().date()
    since = today - timedelta(days=1)
    own_today = {row.case_id for row in rows if breaks_for is not None and row.day == today}
    caps = current_policies(session, own_today) if own_today else {}
    return [
        DayOfExposure(
            **row._mapping,
            by_label=found[row.account_id, row.case_id, row.day],
            break_ends_at=breaks.get(row.case_id) if row.day >= since else None,
            caps=caps.get(row.case_id) if row.day == today else None,
        )
        for row in rows
    ]
