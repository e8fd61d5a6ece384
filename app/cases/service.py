"""Cases and their members; and the one door through which every act in a case goes: :func:`authorise`."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Row, Select, bindparam, delete, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.access.actors import Actor, require_administrator, require_scope
from app.access.models import Account
from app.access.rules import RULES, Operation, OrganisationRole, Role, permission, roles_permitting
from app.cases.errors import CaseClosedToChanges, LastCoordinator, NotAMember, UnknownAccount
from app.cases.events import CaseClosed, CaseCreated, CasePolicyChanged, CaseUpdated, MemberGranted, MemberRevoked
from app.cases.models import Case, CaseMember, CaseMemberVersion, CasePolicy, CasePseudonym
from app.cases.policy import Policy
from app.kernel.errors import Forbidden, NotFound, VersionMismatch
from app.kernel.primitives import canonical_json, new_id, sha256_hex, utc_now
from app.ledger import log
from app.ledger.event import EntryActor, EntryObject
from app.ledger.positions import Position, standing_at
from app.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Grant:
    """What :func:`authorise` found: who acts in which case, by which role, and the actor that an entry names."""

    case_id: UUID
    account_id: UUID
    role: Role | OrganisationRole
    own_only: bool
    """The role permits this on the person's own objects or acts alone; the caller holds to it."""
    entry_actor: EntryActor
    roles: frozenset[Role]
    """All the roles that the caller may use in the case."""
    case_is_open: bool


MATCH_AGAIN = "match_again"
"""The job that compares a case anew by the rule of its policy."""
NOWHERE = UUID(int=0)
"""No case has this id. What does not exist is asked for there, so that refusing it takes the questions, and the time,
that refusing an outsider takes."""


def authorise(session: Session, actor: Actor, case_id: UUID, operation: Operation, *, is_alone: bool = False) -> Grant:
    """Permit an operation in a case, or refuse.

    A change holds the case until the transaction ends, beside other changes or, with ``is_alone``, before and after
    them: so no act is committed after the case was closed or the role taken away. Lock the case before its items.

    Raises NotFound for an outsider (the same as for a case that does not exist), Forbidden for a member without the
    role or a token without the scope, CaseClosedToChanges.
    """
    if RULES[operation].changes_case:
        _hold_case(session, actor, case_id, is_alone=is_alone)
    standing = session.execute(_STANDING, {"case_id": case_id, "account_id": actor.account_id}).one()
    return permit(session, actor, case_id, operation, standing)


def permit(session: Session, actor: Actor, case_id: UUID, operation: Operation, standing: Row[Any]) -> Grant:
    """What :func:`authorise` decides, by a ``standing`` that was read with something else; raises the same."""
    status, pseudonym = standing.case_status, standing.pseudonym
    roles = _usable_roles(actor, case_id, standing.held_roles)
    permitted = permission(operation, roles, actor.organisation_roles)
    if status is None or (permitted is None and not roles):
        raise NotFound()
    if permitted is None:
        raise _no_role_permits(actor, operation)
    require_scope(actor, operation)
    if RULES[operation].changes_case and not RULES[operation].when_closed and status != "open":
        raise CaseClosedToChanges("This case is closed; nothing in it changes any more.")
    if pseudonym is None:
        pseudonym = pseudonym_of(session, case_id, actor.account_id)
    entry_actor = EntryActor(pseudonym, "token" if actor.kind == "token" else "user", permitted.role)
    is_open = status == "open"
    return Grant(case_id, actor.account_id, permitted.role, permitted.own_only, entry_actor, roles, is_open)


def may(actor: Actor, grant: Grant, operation: Operation, *, of_everybody: bool = False) -> bool:
    """Whether who was permitted something in a case would be permitted this too: by role, scope and the open case.

    ``of_everybody``: also on others' objects; a permission for one's own alone is not enough.
    """
    rule = RULES[operation]
    is_in_time = grant.case_is_open or not rule.changes_case or rule.when_closed
    has_scope = rule.scope is None or rule.scope in actor.scopes
    found = permission(operation, grant.roles, actor.organisation_roles)
    return is_in_time and has_scope and found is not None and not (of_everybody and found.own_only)


def _no_role_permits(actor: Actor, operation: Operation) -> Forbidden:
    limited = " The token may use fewer of your roles than you hold." if actor.roles is not None else ""
    return Forbidden(
        f"None of your roles in this case permits '{operation}'. These do: {roles_permitting(operation)}.{limited}",
        extra={"operation": operation},
    )


def _hold_case(session: Session, actor: Actor, case_id: UUID, *, is_alone: bool) -> None:
    """Lock the case's row, for a member: an outsider neither waits nor makes others wait.

    A statement of its own, because one that waited would still see the members of before.
    """
    session.execute(_HOLD[is_alone], {"case_id": case_id, "account_id": actor.account_id})


def standing_in(account_id: Any, case_id: Any) -> tuple[ColumnElement[Any], ...]:
    """Columns for one round trip: the case's status (null: there is no such case), the account's roles, its pseudonym.

    Either may be a parameter, and ``case_id`` a column of the query that they are put into.
    """
    status = select(Case.status).where(Case.id == case_id)
    roles = select(func.array_agg(CaseMember.role)).where(
        CaseMember.case_id == case_id, CaseMember.account_id == account_id
    )
    pseudonym = select(CasePseudonym.pseudonym).where(
        CasePseudonym.case_id == case_id, CasePseudonym.account_id == account_id
    )
    return (
        status.scalar_subquery().label("case_status"),
        roles.scalar_subquery().label("held_roles"),
        pseudonym.scalar_subquery().label("pseudonym"),
    )


def within_reach(actor: Actor, case_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Of a row that is asked for by its id: that the actor is of its case, or has a role in the organisation.

    So what is another's is not loaded, as what does not exist is not: its refusal does the same, for as long.
    """
    if actor.organisation_roles:
        return true()
    return is_of(actor.account_id, case_id)


def is_of(account_id: Any, case_id: Any) -> ColumnElement[bool]:
    """That the account has some role in the case; both as in :func:`standing_in`."""
    member = select(CaseMember.case_id).where(CaseMember.case_id == case_id, CaseMember.account_id == account_id)
    return member.exists()


# Nearly every request asks these: made anew they would take longer than their answers.
_ASKED: tuple[BindParameter[Any], BindParameter[Any]] = (bindparam("account_id"), bindparam("case_id"))
_STANDING = select(*standing_in(*_ASKED))
_OF_MEMBER = select(Case.id).where(Case.id == bindparam("case_id"), is_of(*_ASKED))
_HOLD = {is_alone: _OF_MEMBER.with_for_update(read=not is_alone, of=Case) for is_alone in (False, True)}


def _usable_roles(actor: Actor, case_id: UUID, held: Sequence[str] | None) -> frozenset[Role]:
    """Those held that the token may use here."""
    if actor.case_ids is not None and case_id not in actor.case_ids:
        return frozenset()
    roles = frozenset(Role(role) for role in held or ())
    return roles if actor.roles is None else roles & actor.roles


def pseudonym_of(session: Session, case_id: UUID, account_id: UUID) -> UUID:
    """The account's name in this case's entries, made at its first act or membership."""
    key = (CasePseudonym.case_id == case_id, CasePseudonym.account_id == account_id)
    found = session.scalar(select(CasePseudonym.pseudonym).where(*key))
    if found is not None:
        return found
    session.execute(
        insert(CasePseudonym)
        .values(case_id=case_id, account_id=account_id, pseudonym=new_id())
        .on_conflict_do_nothing()
    )
    return session.scalars(select(CasePseudonym.pseudonym).where(*key)).one()


def visible_cases(actor: Actor) -> Select[UUID]:
    """Ids of the cases in which the actor holds a role, as a subquery for lists and matches."""
    query = select(CaseMember.case_id).where(CaseMember.account_id == actor.account_id).distinct()
    if actor.case_ids is not None:
        query = query.where(CaseMember.case_id.in_(actor.case_ids))
    if actor.roles is not None:
        query = query.where(CaseMember.role.in_([str(role) for role in actor.roles]))
    return query


def create_case(uow: UnitOfWork, actor: Actor, *, title: str, description: str | None, coordinator_id: UUID) -> Case:
    """A case with its first coordinator; only an administrator makes one, and then does not see into it.

    Raises UnknownAccount.
    """
    administrator = require_administrator(actor)
    coordinator = _active_account(uow.session, coordinator_id)
    now = utc_now()
    case = Case(
        id=new_id(),
        title=title,
        description=description,
        status="open",
        policy_version=1,
        created_at=now,
        version=1,
    )
    uow.session.add(case)
    uow.session.flush()
    uow.session.add(CasePolicy(case_id=case.id, version=1, document=Policy().document(), created_at=now))
    log.create_stream(uow.session, case.id, "case", case.id)
    entry_actor = EntryActor(
        pseudonym_of(uow.session, case.id, actor.account_id), administrator.kind, OrganisationRole.ADMINISTRATOR
    )
    uow.record(
        CaseCreated(
            stream=case.id,
            actor=entry_actor,
            object=_case_object(case),
            title=title,
            description=description,
        )
    )
    _grant(uow, case, coordinator, Role.COORDINATOR, entry_actor)
    return case


def holds_role_for(session: Session, case_id: UUID, account_id: UUID, operation: Operation) -> bool:
    """Whether somebody else, by an account that is active, holds a role now that permits this to everybody who has it:
    for what rests on an act of theirs (no permission check)."""
    roles = [str(role) for role in RULES[operation].roles]
    query = select(CaseMember.account_id).join(Account, Account.id == CaseMember.account_id)
    query = query.where(CaseMember.case_id == case_id, CaseMember.account_id == account_id, Account.is_active)
    return session.scalar(query.where(CaseMember.role.in_(roles)).limit(1)) is not None


def get_case(session: Session, actor: Actor, case_id: UUID) -> Case:
    authorise(session, actor, case_id, Operation.READ_METADATA)
    return session.scalars(select(Case).where(Case.id == case_id)).one()


def list_cases(session: Session, actor: Actor, *, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Case]:
    """The cases in which the actor holds a role, oldest first."""
    query = select(Case).where(Case.id.in_(visible_cases(actor))).order_by(Case.created_at, Case.id).limit(limit)
    if after is not None:
        query = query.where(tuple_(Case.created_at, Case.id) > after)
    return session.scalars(query).all()


def update_case(
    uow: UnitOfWork,
    actor: Actor,
    case_id: UUID,
    *,
    version: int,
    title: str | None = None,
    description: str | None = None,
) -> Case:
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE, is_alone=True)
    case = _lock_open_case(uow.session, case_id, version)
    case.title = title if title is not None else case.title
    case.description = description if description is not None else case.description
    restated = {"title": title, "description": description}
    case.erased = [name for name in case.erased if restated.get(name) is None]
    case.version += 1
    uow.record(
        CaseUpdated(
            stream=case.id, actor=grant.entry_actor, object=_case_object(case), title=title, description=description
        )
    )
    return case


def close_case(uow: UnitOfWork, actor: Actor, case_id: UUID, *, version: int, reason: str) -> Case:
    """Nothing in a closed case changes any more; it stays readable."""
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE, is_alone=True)
    case = _lock_open_case(uow.session, case_id, version)
    case.status = "closed"
    case.version += 1
    uow.record(CaseClosed(stream=case.id, actor=grant.entry_actor, object=_case_object(case), reason=reason))
    return case


def get_policy(session: Session, actor: Actor, case_id: UUID, at: Position | None = None) -> tuple[int, Policy]:
    """The version and rules in force, now or then. Raises NotFound, also before there was the case."""
    authorise(session, actor, case_id, Operation.READ_METADATA)
    if at is None:
        return current_policy(session, case_id)
    query = select(CasePolicy).where(CasePolicy.case_id == case_id, standing_at(at, CasePolicy.act))
    stood = session.scalar(query.order_by(CasePolicy.version.desc()).limit(1))
    if stood is None:
        raise NotFound(f"It did not exist as of {at}.")
    return stood.version, Policy.of(stood.document)


def current_policy(session: Session, case_id: UUID) -> tuple[int, Policy]:
    """The version and rules now in force in a case (no permission check: for services that made theirs)."""
    version, document = session.execute(_CURRENT_POLICY, {"case_id": case_id}).one()
    return version, Policy.of(document)


_CURRENT_POLICY = (
    select(CasePolicy.version, CasePolicy.document)
    .where(CasePolicy.case_id == bindparam("case_id"))
    .order_by(CasePolicy.version.desc())
    .limit(1)
)


def current_policies(session: Session, case_ids: Collection[UUID]) -> dict[UUID, Policy]:
    """The same of several cases at once."""
    newest = (
        select(CasePolicy.case_id, CasePolicy.document)
        .where(CasePolicy.case_id.in_(case_ids))
        .ext(distinct_on(CasePolicy.case_id))
        .order_by(CasePolicy.case_id, CasePolicy.version.desc())
    )
    return {case_id: Policy.of(document) for case_id, document in session.execute(newest)}


def change_policy(
    uow: UnitOfWork, actor: Actor, case_id: UUID, *, version: int, policy: Policy | Callable[[Policy], Policy]
) -> tuple[int, Policy]:
    """The next version of the case's rules, or what makes it of the one in force; ``version`` is the one it follows."""
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE, is_alone=True)
    case = _lock_open_case(uow.session, case_id, None)
    if case.policy_version != version:
        raise VersionMismatch(f"The policy is at version {case.policy_version}. Read it again, then repeat the change.")
    rules = policy if isinstance(policy, Policy) else policy(current_policy(uow.session, case_id)[1])
    case.policy_version += 1
    document = rules.document()
    uow.session.add(CasePolicy(case_id=case_id, version=case.policy_version, document=document, created_at=utc_now()))
    uow.record(
        CasePolicyChanged(
            stream=case.id,
            actor=grant.entry_actor,
            object=_case_object(case),
            policy_version=case.policy_version,
            policy_sha256=sha256_hex(canonical_json(document)),
        )
    )
    uow.enqueue(MATCH_AGAIN, case_id=str(case_id), policy_version=case.policy_version)
    return case.policy_version, rules


def list_members(
    session: Session,
    actor: Actor,
    case_id: UUID,
    *,
    after: tuple[UUID, str] | None,
    limit: int,
    at: Position | None = None,
) -> Sequence[Row[CaseMember | CaseMemberVersion, Account, UUID]]:
    """Members, now or then, with account and pseudonym, in order of account id and role."""
    authorise(session, actor, case_id, Operation.READ_METADATA)
    held: type[Any] = CaseMember if at is None else CaseMemberVersion
    query = (
        select(held, Account, CasePseudonym.pseudonym)
        .join(Account, Account.id == held.account_id)
        .join(
            CasePseudonym,
            (CasePseudonym.case_id == held.case_id) & (CasePseudonym.account_id == held.account_id),
        )
        .where(held.case_id == case_id)
        .order_by(held.account_id, held.role)
        .limit(limit)
    )
    if at is not None:
        query = query.where(standing_at(at, CaseMemberVersion.act, CaseMemberVersion.until_act))
    if after is not None:
        query = query.where(tuple_(held.account_id, held.role) > after)
    return session.execute(query).all()


def roles_by_case(session: Session, actor: Actor) -> list[tuple[UUID, list[Role]]]:
    """The actor's cases with its roles in each, as far as its token may use them; in order of case id."""
    query = (
        select(CaseMember.case_id, func.array_agg(CaseMember.role))
        .where(CaseMember.account_id == actor.account_id)
        .group_by(CaseMember.case_id)
        .order_by(CaseMember.case_id)
    )
    if actor.case_ids is not None:
        query = query.where(CaseMember.case_id.in_(actor.case_ids))
    if actor.roles is not None:
        query = query.where(CaseMember.role.in_([str(role) for role in actor.roles]))
    return [(case_id, sorted(map(Role, held))) for case_id, held in session.execute(query).all()]


def look_up_account(session: Session, actor: Actor, case_id: UUID, *, email: str) -> Account:
    """The active account with exactly this address, for a coordinator who is about to add a member.

    Raises UnknownAccount. Nobody lists accounts by it: whoever asks knows the whole address already.
    """
    authorise(session, actor, case_id, Operation.LOOK_UP_ACCOUNT)
    account = session.scalar(select(Account).where(Account.email == email.lower(), Account.is_active))
    if account is None:
        raise UnknownAccount("No active account has this e-mail address. An administrator creates accounts.")
    return account


def grant_role(uow: UnitOfWork, actor: Actor, case_id: UUID, *, account_id: UUID, role: Role) -> None:
    """Give an account a role in the case; giving it again changes nothing. Raises UnknownAccount."""
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE, is_alone=True)
    case = _lock_open_case(uow.session, case_id, None)
    account = _active_account(uow.session, account_id)
    if uow.session.get(CaseMember, (case_id, account_id, role)) is None:
        _grant(uow, case, account, role, grant.entry_actor)


def revoke_role(uow: UnitOfWork, actor: Actor, case_id: UUID, *, account_id: UUID, role: Role) -> None:
    """Take a role away. Raises NotAMember, LastCoordinator."""
    grant = authorise(uow.session, actor, case_id, Operation.MANAGE_CASE, is_alone=True)
    case = _lock_open_case(uow.session, case_id, None)
    member = uow.session.get(CaseMember, (case_id, account_id, role))
    if member is None:
        raise NotAMember("The account does not hold this role in this case.")
    if role is Role.COORDINATOR:
        coordinators = uow.session.scalars(
            select(CaseMember.account_id)
            .join(Account, Account.id == CaseMember.account_id)
            .where(CaseMember.case_id == case_id, CaseMember.role == Role.COORDINATOR, Account.is_active)
        ).all()
        if list(coordinators) == [account_id]:
            raise LastCoordinator("Name another coordinator first.")
    uow.session.execute(
        delete(CaseMember).where(
            CaseMember.case_id == case_id, CaseMember.account_id == account_id, CaseMember.role == role
        )
    )
    uow.record(
        MemberRevoked(
            stream=case.id,
            actor=grant.entry_actor,
            object=_case_object(case),
            account=pseudonym_of(uow.session, case_id, account_id),
            role=role,
        )
    )


def _grant(uow: UnitOfWork, case: Case, account: Account, role: Role, entry_actor: EntryActor) -> None:
    uow.session.add(CaseMember(case_id=case.id, account_id=account.id, role=role, granted_at=utc_now()))
    uow.record(
        MemberGranted(
            stream=case.id,
            actor=entry_actor,
            object=_case_object(case),
            account=pseudonym_of(uow.session, case.id, account.id),
            role=role,
            name=account.name,
        )
    )


def _case_object(case: Case) -> EntryObject:
    return EntryObject("case", case.id, case.version)


def _active_account(session: Session, account_id: UUID) -> Account:
    # Held until the commit: the name that the entry seals is not erased in between.
    account = session.get(Account, account_id, with_for_update={"read": True})
    if account is None or not account.is_active:
        raise UnknownAccount("There is no active account with this id.")
    return account


def _lock_open_case(session: Session, case_id: UUID, version: int | None) -> Case:
    """The case, locked by :func:`authorise`: changes of members and policy of one case happen one after the other."""
    case = session.scalars(
        select(Case).where(Case.id == case_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    if version is not None and case.version != version:
        raise VersionMismatch(f"The case is at version {case.version}. Read it again, then repeat the change.")
    if case.status != "open":
        raise CaseClosedToChanges("This case is closed; nothing in it changes any more.")
    return case
