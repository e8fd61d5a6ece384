"""Self-review, for a case with one verifier: allowed by a setting that is on record, declared when a verdict is given.

A verdict that says ``self_reviewed`` says so for ever, whoever reviews it. Only while nobody else in the case may
verify is its author let through; the database asks the same (migration ``self_review``). docs/decisions/0052.
"""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import system_stream
from app.access.models import Account
from app.access.rules import Role
from app.cases.models import CaseMember
from app.kernel.primitives import utc_now
from app.ledger.event import EntryActor, EntryObject
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork
from app.verification.errors import SelfReviewNotAllowed
from app.verification.events import SettingsChanged
from app.verification.models import SelfReviewSetting, Verdict

VERIFYING = (Role.VERIFIER, Role.RESEARCHER)


def declare_setting(uow: UnitOfWork, *, is_allowed: bool) -> None:
    """At a start: put the setting on record if it differs from the one in force, with an entry of the system's."""
    before = _in_force(uow.session)
    if (before is not None and before.is_allowed) == is_allowed:
        return
    number = 1 if before is None else before.number + 1
    uow.session.add(SelfReviewSetting(number=number, is_allowed=is_allowed, set_at=utc_now()))
    stream = system_stream(uow.session)
    uow.record(
        SettingsChanged(
            stream=stream,
            actor=EntryActor(stream, "system", None),
            object=EntryObject("system", stream),
            setting="self_review",
            value=is_allowed,
        )
    )


def require_allowed(session: Session, evidence: Evidence, person: UUID) -> None:
    """That a person may submit a verdict that they will review themselves. Raises SelfReviewNotAllowed."""
    if not _is_allowed(session):
        raise SelfReviewNotAllowed("This installation does not allow it. Submit without 'self_review'.")
    if not _is_only_verifier(session, evidence.case_id, person):
        raise SelfReviewNotAllowed("Others in this case may review it. Submit without 'self_review'.")


def may_review_own(session: Session, evidence: Evidence, person: UUID) -> bool:
    """Whether the item's present verdict is the person's own, says that it is self-reviewed, and nobody else may."""
    newest = session.execute(
        select(Verdict.self_reviewed, Verdict.author_id)
        .where(Verdict.evidence_id == evidence.id)
        .order_by(Verdict.version.desc())
        .limit(1)
    ).one_or_none()
    return (
        newest is not None
        and newest.self_reviewed
        and newest.author_id == person
        and _is_allowed(session)
        and _is_only_verifier(session, evidence.case_id, person)
    )


def _in_force(session: Session) -> SelfReviewSetting | None:
    return session.scalar(select(SelfReviewSetting).order_by(SelfReviewSetting.number.desc()).limit(1))


def _is_allowed(session: Session) -> bool:
    setting = _in_force(session)
    return setting is not None and setting.is_allowed


def _is_only_verifier(session: Session, case_id: UUID, person: UUID) -> bool:
    others = (
        select(CaseMember.account_id)
        .join(Account, Account.id == CaseMember.account_id)
        .where(
            CaseMember.case_id == case_id,
            CaseMember.account_id != person,
            CaseMember.role.in_(VERIFYING),
            Account.is_active,
        )
    )
    return not session.scalar(select(others.exists()))
