"""A hub with five people and one item, and the steps of a verification in one line each: for the service tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Role
from app.blobs.store import ReadBack, ReadBackOutcome
from app.consent.rules import ConsentScope, Obtained, SubjectKind
from app.consent.service import GivenConsent, Withdrawal, give_item_consent, withdraw_item_consent
from app.kernel.primitives import Sha256Hex
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork, unit_of_work
from app.verification import leases, service
from app.verification.findings import record_finding
from app.verification.models import Finding, Review, SecondVerdict, Verdict
from app.verification.rules import Adjudication, Confidence, Dimension, FindingResult, Method, Outcome, ReviewKind
from app.verification.second import submit_second_verdict
from app.verification.stated import Stated
from tests.factories import NO_LABELS, commit_in, make_case, make_item, make_log, make_person

Result = TypeVar("Result")
REQUIRED = tuple(dimension for dimension in Dimension if dimension is not Dimension.MOTIVATION)
LEASE_S = 3600
LONGEST_S = 24 * 3600


@dataclass
class Bench:
    """Coordinator, two verifiers, three researchers (the last also a verifier), one labelled item."""

    sessions: sessionmaker[Session]
    coordinator: Actor = field(init=False)
    olena: Actor = field(init=False)
    petro: Actor = field(init=False)
    rita: Actor = field(init=False)
    sofia: Actor = field(init=False)
    taras: Actor = field(init=False)
    case_id: UUID = field(init=False)
    item: UUID = field(init=False)
    meanwhile: Callable[[], None] | None = None
    ahead: int = 0
    """By how much whoever acts guesses the item's version to have grown when their turn comes."""

    def __post_init__(self) -> None:
        make_log(self.sessions)
        names = ("coordinator", "olena", "petro", "rita", "sofia", "taras")
        for name in names:
            setattr(self, name, make_person(self.sessions, name))
        members = [(self.olena, Role.VERIFIER), (self.petro, Role.VERIFIER)]
        members += [(person, Role.RESEARCHER) for person in (self.rita, self.sofia, self.taras)]
        members += [(self.taras, Role.VERIFIER)]
        self.case_id = make_case(self.sessions, self.coordinator, members)
        self.item = make_item(self.sessions, self.olena, self.case_id, labels=dict(NO_LABELS))

    @classmethod
    def known(cls, sessions: sessionmaker[Session], facts: dict[str, Any]) -> Self:
        """The bench that a copy of its database holds; ``facts`` of the one that was made."""
        bench = cls.__new__(cls)
        vars(bench).update(facts, sessions=sessions, meanwhile=None, ahead=0)
        return bench

    def facts(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("sessions", "meanwhile", "ahead")}

    # --- looking

    def evidence(self) -> Evidence:
        with self.sessions() as session:
            return session.get_one(Evidence, self.item)

    def version(self) -> int:
        return self.evidence().version

    def entry_types(self, stream: UUID | None = None) -> list[str]:
        query = text("SELECT type FROM ledger_entries WHERE stream_id = :stream ORDER BY seq")
        with self.sessions() as session:
            return list(session.scalars(query, {"stream": stream or self.item}))

    # --- acting, each in a transaction of its own

    def open(self, actor: Actor, **options: Any) -> Evidence:
        opened: Evidence = self._moved(leases.open_verification, actor, ttl_s=LEASE_S, **options)
        return opened

    def take(self, actor: Actor, ttl_s: int = LEASE_S) -> Evidence:
        return self.commit(lambda uow: leases.take_lease(uow, actor, self.item, ttl_s=ttl_s, longest_s=LONGEST_S))

    def end(self, actor: Actor) -> Evidence:
        ended: Evidence = self._moved(leases.end_lease, actor)
        return ended

    def find(self, actor: Actor, dimension: Dimension = Dimension.DATE, **options: Any) -> Finding:
        stated: dict[str, Any] = {
            "result": FindingResult.ESTABLISHED,
            "confidence": Confidence.HIGH,
            "methods": (Method.METADATA,),
            "rationale": "The clock in the picture.",
            **options,
        }
        return self.commit(lambda uow: record_finding(uow, actor, self.item, Stated(dimension=dimension, **stated)))

    def find_all(self, actor: Actor) -> None:
        for dimension in REQUIRED:
            self.find(actor, dimension)

    def submit(self, actor: Actor, **options: Any) -> Verdict:
        stated: dict[str, Any] = {"outcome": Outcome.VERIFIED, "rationale": "All of it fits.", **options}
        verdict: Verdict = self._moved(service.submit, actor, **stated)[1]
        return verdict

    def withdraw(self, actor: Actor) -> Verdict:
        verdict: Verdict = self._moved(service.withdraw, actor)[1]
        return verdict

    def review(self, actor: Actor, kind: ReviewKind, comment: str | None = "Seen.", **options: Any) -> Review:
        made: Review = self._moved(service.review, actor, kind=kind, comment=comment, **options)[1]
        return made

    def second(self, actor: Actor, outcome: Outcome = Outcome.VERIFIED) -> SecondVerdict:
        stated: dict[str, Any] = {"outcome": outcome, "rationale": "I found it so."}
        return self.commit(lambda uow: submit_second_verdict(uow, actor, self.item, **stated))[1]

    def end_blind(self, actor: Actor) -> Review:
        made: Review = self._moved(service.end_blind, actor, reason="Everybody else has left the case.")[1]
        return made

    def concur(self, actor: Actor) -> Review:
        return self.review(actor, ReviewKind.CONCUR, None)

    def adjudicate(self, actor: Actor, outcome: Adjudication = Adjudication.TO_SIGN_OFF) -> Review:
        made: Review = self._moved(service.adjudicate, actor, outcome=outcome, comment="Both views read.")[1]
        return made

    def sign_off(self, actor: Actor, outcome: ReadBackOutcome = ReadBackOutcome.MATCH) -> Review:
        made: Review = self._moved(service.sign_off, actor, check=self.check(outcome))[1]
        return made

    def return_item(self, actor: Actor) -> Review:
        made: Review = self._moved(service.return_item, actor, reason="The rationale names no source.")[1]
        return made

    def reopen(self, actor: Actor) -> Review:
        made: Review = self._moved(service.reopen, actor, reason="A longer video came in.")[1]
        return made

    def check(self, outcome: ReadBackOutcome = ReadBackOutcome.MATCH) -> service.IntegrityCheck:
        sha256 = Sha256Hex(self.evidence().blob_sha256 or "")
        found = sha256 if outcome is ReadBackOutcome.MATCH else Sha256Hex("0" * 64)
        return service.IntegrityCheck(sha256, ReadBack(outcome, found, 1000, None))

    def _moved(self, command: Any, actor: Actor, **options: Any) -> Any:
        options.setdefault("version", self.version() + self.ahead)
        return self.commit(lambda uow: command(uow, actor, self.item, **options))

    def commit(self, work: Callable[[UnitOfWork], Result]) -> Result:
        """In a unit of work of its own; what is to happen ``meanwhile`` happens when all is done but the commit."""
        with unit_of_work(self.sessions) as uow:
            result = work(uow)
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                uow.session.flush()
                meanwhile()
            uow.commit()
        return result

    # --- the usual ways to a state

    def to_review(self, author: Actor | None = None) -> Verdict:
        author = author or self.olena
        if self.evidence().state == "preserved":
            self.open(self.olena)
        if self.evidence().lease_holder != author.account_id:
            self.take(author)
        self.find_all(author)
        return self.submit(author)

    def to_sign_off(self) -> None:
        self.to_review()
        self.concur(self.petro)

    def to_signed_off(self) -> None:
        self.to_sign_off()
        self.sign_off(self.rita)


def give_up(sessions: sessionmaker[Session], actor: Actor, item: UUID) -> None:
    """Somebody consents to be kept, and takes it back: the item is closed."""
    day = date(2026, 9, 1)
    said = GivenConsent(
        subject_id=None,
        subject="S-3",
        subject_kind=SubjectKind.SOURCE,
        scopes=frozenset({ConsentScope.VERIFICATION}),
        obtained=Obtained.SPOKEN,
        given_on=day,
    )
    _, given = commit_in(sessions, lambda uow: give_item_consent(uow, actor, item, said))
    back = Withdrawal(subject_id=given.subject_id, scopes=None, withdrawn_on=day)
    commit_in(sessions, lambda uow: withdraw_item_consent(uow, actor, item, back))
