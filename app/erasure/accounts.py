"""Erasing what the installation knows a person by: an account's name, e-mail address and tokens' names."""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_administrator, system_stream
from app.access.idempotency import forget_answers
from app.access.models import Account, SignInFailure
from app.cases.models import Case, CasePseudonym
from app.cases.service import pseudonym_of
from app.erasure.clearing import clear
from app.erasure.errors import AccountStillActive, AlreadyErased
from app.erasure.events import AccountErased, CaseErased
from app.erasure.service import Erasure, Ground
from app.kernel.errors import NotFound
from app.kernel.primitives import sha256_hex
from app.ledger.erasing import OpenField, open_fields_of_types
from app.ledger.event import EntryActor, EntryObject
from app.unit_of_work import UnitOfWork
from app.verification.drafts import forget_drafts_by
from app.verification.preferences import forget_preferences

AccountField = Literal["name", "email", "token_names"]


def erase_account_field(
    uow: UnitOfWork, actor: Actor, account_id: UUID, *, field: AccountField, ground: Ground
) -> Erasure:
    """By an administrator; a name also in every case in which the person was given a role.

    Raises NotFound, Forbidden, AccountStillActive, AlreadyErased.
    """
    administrator = require_administrator(actor)
    account = uow.session.scalars(select(Account).where(Account.id == account_id).with_for_update()).one_or_none()
    if account is None:
        raise NotFound()
    if account.is_active:
        raise AccountStillActive("Deactivate the account first: its owner still signs in with what would be erased.")
    fields = list(_fields(uow.session, account, field))
    if not fields:
        raise AlreadyErased("Nothing of this is left.")
    if field == "email":
        digest = sha256_hex(account.email.encode("utf-8"))
        uow.session.execute(delete(SignInFailure).where(SignInFailure.email_sha256 == digest))
    clear(uow.session, fields)
    forget_answers(uow.session, {account_id})
    forget_preferences(uow.session, account_id)
    forget_drafts_by(uow.session, account_id)
    uow.session.refresh(account)
    for each in fields:
        _record(uow, actor, administrator, account, each, ground)
    return Erasure(fields, [])


def _fields(session: Session, account: Account, field: AccountField) -> Iterable[OpenField]:
    system = [system_stream(session)]
    if field == "token_names":
        for each in open_fields_of_types(session, system, ["system.token_created"]):
            if each.field == "name" and each.facts.get("account") == str(account.id):
                yield each
        return
    for each in open_fields_of_types(session, system, ["system.account_created", "system.sign_in_failed"]):
        is_own = each.facts.get("account") == str(account.id)
        # Somebody may have tried the address before there was an account.
        if each.field == field and (is_own or (field == "email" and str(each.value).lower() == account.email)):
            yield each
    if field == "name":
        yield from _names_in_cases(session, account.id)


def _names_in_cases(session: Session, account_id: UUID) -> Iterable[OpenField]:
    query = select(CasePseudonym.case_id, CasePseudonym.pseudonym).where(CasePseudonym.account_id == account_id)
    known = {row.case_id: row.pseudonym for row in session.execute(query)}
    for each in open_fields_of_types(session, list(known), ["case.member_granted", "case.reviewer_key_bound"]):
        pseudonym = str(known[each.entry.stream])
        is_member = each.field == "name" and each.facts.get("account") == pseudonym
        if is_member or (each.field == "checked_by" and each.actor == pseudonym):
            yield each


def _record(
    uow: UnitOfWork, actor: Actor, administrator: EntryActor, account: Account, erased: OpenField, ground: Ground
) -> None:
    entry = erased.entry
    stated: dict[str, Any] = {
        "seq": entry.seq,
        "commitment": entry.commitment,
        "field": erased.field,
        "reason_code": ground.reason_code,
        "authority": ground.authority,
        "reason": ground.reason,
    }
    if entry.stream_kind == "system":
        acted_on = EntryObject("account", account.id, account.version)
        uow.record(
            AccountErased(stream=entry.stream, actor=administrator, object=acted_on, account=account.id, **stated)
        )
        return
    case = uow.session.get(Case, entry.stream)
    assert case is not None
    pseudonym = pseudonym_of(uow.session, case.id, actor.account_id)
    uow.record(
        CaseErased(
            stream=case.id,
            actor=EntryActor(pseudonym, administrator.kind, administrator.role),
            object=EntryObject("case", case.id, case.version),
            **stated,
        )
    )
