"""A state machine of several persons over one item: no sequence of calls breaks a guard or leaves an act unrecorded.

The model below is written from docs/domain.md's table alone and shares nothing with the services. For every call it
says whether it must succeed and which entries it must leave; after every call the item's state, round and lease holder
and the counts of its entries must be those of the model, and each person is shown as many findings and verdicts as the
model says. First rounds are blind or not, as the case's policy says when they begin; later ones never are.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.policy import Policy
from app.cases.service import change_policy, grant_role, revoke_role
from app.exports.custody_service import list_custody
from app.kernel.errors import AppError, NotFound, VersionMismatch, constraint_errors
from app.media.viewing import log_reading
from app.verification.findings import list_findings
from app.verification.queue import list_queue
from app.verification.rules import Adjudication, Dimension, Outcome, ReviewKind
from app.verification.service import list_verdicts
from tests.factories import NO_LABELS, commit_in, make_item
from tests.support.examples import examples
from tests.verification.bench import Bench
from tests.verification.test_leases import somebody_waits

CHANGING = ("olena", "petro")
"""Whose roles change."""
PEOPLE = ("coordinator", "olena", "petro", "rita", "sofia", "taras")
VERIFY = {"verifier", "researcher"}
REQUIRED = (Dimension.DATE, Dimension.LOCATION)
DECISIONS = (
    (ReviewKind.CONCUR, "concurred", "awaiting_sign_off"),
    (ReviewKind.DISSENT, "dissented", "disputed"),
    (ReviewKind.REQUEST_CHANGES, "changes_requested", "in_verification"),
)
ADJUDICATIONS = ((Adjudication.TO_SIGN_OFF, "awaiting_sign_off"), (Adjudication.BACK, "in_verification"))

VERDICTS = (Outcome.VERIFIED, Outcome.MISATTRIBUTED)

people = st.sampled_from(PEOPLE)
outcomes = st.sampled_from(VERDICTS)


@dataclass(frozen=True)
class Written:
    """A finding (with its dimension) or a verdict (with its outcome): by whom, in which round."""

    person: str
    round: int
    is_second: bool
    dimension: Dimension | None = None
    outcome: Outcome | None = None
    beside: int = 0
    """Of a second verdict: how many first ones there were."""


@dataclass(frozen=True)
class Raced:
    """What came of an act that began while another was done and not yet committed. ``may_be_late``: it may be refused
    for what it saw before, though it would be allowed now."""

    refusal: AppError | None
    may_be_late: bool


def refusal_of(act: Callable[[], Any]) -> AppError | None:
    """As the API answers it: also where the database refuses what a service let pass."""
    try:
        act()
    except AppError as error:
        return error
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        return constraint_errors[name or ""]
    return None


class Verification(RuleBasedStateMachine):
    """One item of its own per example, in a case that the examples share."""

    sessions: ClassVar[sessionmaker[Session]]
    bench: ClassVar[Bench]
    reached: ClassVar[set[tuple[str, int, str | None]]]
    """States, rounds and blindness that some example came to: a walk that never leaves the first room shows nothing."""
    policy: ClassVar[tuple[int, bool]]
    """The case's: its version, and whether rounds begin blind."""
    races: ClassVar[Counter[str]]
    """How the second of two that raced fared."""
    is_rehearsal = False
    """A rule is asked only for its act, which is called elsewhere."""
    rehearsed: Callable[[], Any] | None = None
    raced: Raced | None = None

    @initialize(data=st.data(), steps=st.sampled_from((0, 4, 5, 6, 7, 9, 11, 13)), is_blind=st.booleans())
    def begin(self, data: st.DataObject, steps: int, is_blind: bool) -> None:
        """An item, and so many steps of its way."""
        bench = self.bench
        if self.policy[1] is not is_blind:
            self.change_policy()
        bench.item = make_item(self.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS))
        self.state = "preserved"
        self.round = 0
        self.holder: str | None = None
        self.blind: str | None = None
        self.findings: list[Written] = []
        self.verdicts: list[Written] = []
        self.second: Written | None = None
        self.judges: set[str] = set()
        self.is_adjudicated = False
        self.viewers: set[str] = set()
        self.roles: dict[str, set[str]] = {
            "coordinator": {"coordinator"},
            "olena": {"verifier"},
            "petro": {"verifier"},
            "rita": {"researcher"},
            "sofia": {"researcher"},
            "taras": {"researcher", "verifier"},
        }
        self.entries = Counter(
            {f"evidence.{act}": 1 for act in ("collected", "labelled", "preserved", "fingerprinted")}
        )
        self.advance(data, steps)

    def teardown(self) -> None:
        if hasattr(self, "roles"):
            for person in CHANGING:
                for role in (Role.RESEARCHER, Role.VERIFIER):
                    if (str(role) in self.roles[person]) is not (role is Role.VERIFIER):
                        self.change_role(person, role)

    def _attempt(self, is_allowed: bool, act: Callable[[], Any], *entries: str) -> bool:
        """Call; the model's opinion and the system's must agree. What succeeded left exactly these entries."""
        if self.is_rehearsal:
            self.rehearsed = act
            return False
        raced, self.raced = self.raced, None
        refusal = refusal_of(act) if raced is None else raced.refusal
        if raced is not None and raced.may_be_late and refusal is not None:
            is_allowed = False
        assert (refusal is None) is is_allowed, f"in state {self.state}: {refusal!r}"
        if refusal is not None:
            expected = {403, 404, 409, 422} | ({412} if raced is not None else set())
            assert refusal.status in expected, refusal.code
            return False
        self.entries.update(f"evidence.{entry}" for entry in entries)
        return True

    def _actor(self, person: str) -> Actor:
        actor: Actor = getattr(self.bench, person)
        return actor

    def _may(self, person: str, *roles: str) -> bool:
        return bool(self.roles[person] & set(roles))

    @property
    def authors(self) -> set[str]:
        return {one.person for one in (*self.findings, *self.verdicts) if not one.is_second}

    @property
    def seconds(self) -> set[str]:
        """Of this round."""
        return {one.person for one in self.findings if one.is_second and one.round == self.round}

    def _sees(self, person: str, written: Written) -> bool:
        return self.blind != "pending" or written.round < self.round or written.person == person

    def _found(self, person: str) -> set[Dimension | None]:
        """What a verdict of this person could rest on now."""
        if self._awaits_second():
            own = (one for one in self.findings if one.is_second and one.round == self.round)
            return {one.dimension for one in own if one.person == person}
        return {one.dimension for one in self.findings if not one.is_second and self._sees(person, one)}

    def _awaits_second(self) -> bool:
        return self.state == "awaiting_peer_review" and self.blind == "pending"

    def _is_beside_present(self) -> bool:
        return self.second is not None and self.second.beside == len(self.verdicts)

    def _is_free_for(self, person: str) -> bool:
        return self.holder in (None, person)

    def _begin_round(self) -> None:
        self.round += 1
        self.blind = "pending" if self.policy[1] and self.round == 1 else None
        self.judges, self.second, self.is_adjudicated = set(), None, False

    def _lease_ends(self) -> tuple[str, ...]:
        """The entry of the end of the lease with the work, if there is one."""
        return () if self.holder is None else ("lease_ended",)

    @rule()
    def change_policy(self) -> None:
        """It opens no round that began blind."""
        version, is_blind = self.policy
        policy = Policy(required_dimensions=tuple(REQUIRED), blind_double_verification=not is_blind)
        bench = self.bench
        commit_in(
            self.sessions,
            lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=version, policy=policy),
        )
        type(self).policy = (version + 1, not is_blind)

    @rule(person=people)
    def view(self, person: str) -> None:
        """One entry for all that somebody looks at the original for a purpose, and none without a look."""
        reading: dict[str, Any] = {"rendering": "original", "size_bytes": 1, "purpose": "verification"}
        entries = () if person in self.viewers else ("viewed",)
        if self._attempt(
            bool(self.roles[person]),
            lambda: self.bench.commit(
                lambda uow: log_reading(
                    uow, self._actor(person), self.bench.item, act="viewed", window_s=900, **reading
                )
            ),
            *entries,
        ):
            self.viewers.add(person)

    @rule(person=people)
    def open(self, person: str) -> None:
        is_allowed = self.state == "preserved" and self._may(person, "verifier")
        if self._attempt(is_allowed, lambda: self.bench.open(self._actor(person)), "verification_opened", "leased"):
            self.state, self.holder = "in_verification", person
            self._begin_round()

    @rule(person=people, holder=people)
    def open_for(self, person: str, holder: str) -> None:
        is_allowed = self.state == "preserved" and self._may(holder, *VERIFY)
        is_allowed = is_allowed and (
            self._may(person, "coordinator") or (person == holder and self._may(person, "verifier"))
        )
        account = self._actor(holder).account_id
        if self._attempt(
            is_allowed,
            lambda: self.bench.open(self._actor(person), holder_id=account),
            "verification_opened",
            "leased",
        ):
            self.state, self.holder = "in_verification", holder
            self._begin_round()

    @rule(person=people)
    def take_lease(self, person: str) -> None:
        is_allowed = self._may(person, *VERIFY) and self._is_free_for(person) and self._may_work(person)
        if self._attempt(is_allowed, lambda: self.bench.take(self._actor(person)), "leased"):
            self.holder = person

    def _may_work(self, person: str) -> bool:
        """Whether what the state awaits is this person's to do."""
        if self.state == "awaiting_peer_review":
            is_seconds_alone = self.second is not None and self._is_beside_present()
            is_theirs = not is_seconds_alone or (self.second is not None and self.second.person == person)
            return person not in self.authors and is_theirs
        if self.state in ("disputed", "awaiting_sign_off"):
            return self._is_third(person)
        return self.state == "in_verification"

    @rule(person=people)
    def look_at_the_queue(self, person: str) -> None:
        """It offers the item to who may take it now, and to nobody else; who holds it has it already."""
        if not self.roles[person]:
            return
        with self.sessions() as session:
            offered = list_queue(
                session, self._actor(person), case_id=self.bench.case_id, act=None, after=None, limit=500
            )
        if self.state == "preserved":
            is_expected = self._may(person, "verifier")
        else:
            is_expected = self._may(person, *VERIFY) and self._may_work(person) and self.holder is None
        assert (self.bench.item in [row.evidence.id for row in offered]) is is_expected, (self.state, person)

    @rule(person=people)
    def end_lease(self, person: str) -> None:
        is_allowed = self.holder is not None and (
            self._may(person, *VERIFY) if person == self.holder else self._may(person, "coordinator")
        )
        if self._attempt(is_allowed, lambda: self.bench.end(self._actor(person)), "lease_ended"):
            self.holder = None

    @rule(person=people, dimension=st.sampled_from(REQUIRED))
    def find(self, person: str, dimension: Dimension) -> None:
        is_allowed = self.state == "in_verification" or (self._awaits_second() and person not in self.authors)
        is_allowed = is_allowed and self.holder == person and self._may(person, *VERIFY)
        if self._attempt(is_allowed, lambda: self.bench.find(self._actor(person), dimension), "finding_recorded"):
            self.findings.append(Written(person, self.round, self._awaits_second(), dimension))

    @rule(data=st.data(), count=st.integers(1, 8))
    def advance(self, data: st.DataObject, count: int) -> None:
        """Some steps that the model allows: chance alone would seldom leave the first states."""
        for _ in range(count):
            for tempted in self._temptations():
                tempted()
            steps = self._steps_onwards()
            if steps:
                data.draw(st.sampled_from(steps))()

    def _temptations(self) -> list[partial[None]]:
        """What whoever has done the work so far may not do next: chance alone would seldom try it where it matters."""
        authors, judges = sorted(self.authors), sorted(self.authors | self.judges | self.seconds)
        match self.state:
            case "awaiting_peer_review":
                acts: list[partial[None]] = [partial(self.take_lease, person) for person in authors]
                acts += [partial(self.submit_second, person, VERDICTS[0]) for person in authors]
                return acts + [partial(self.review, person, DECISIONS[0]) for person in authors]
            case "disputed":
                return [partial(self.adjudicate, person, ADJUDICATIONS[0]) for person in judges]
            case "awaiting_sign_off":
                return [partial(self.sign_off, person) for person in judges]
            case _:
                return []

    def _steps_onwards(self) -> list[partial[None]]:
        verifiers = [person for person in PEOPLE if self._may(person, *VERIFY)]
        thirds = [person for person in PEOPLE if self._is_third(person)]
        missing = [dimension for dimension in REQUIRED if dimension not in self._found(self.holder or "")]
        match self.state:
            case "preserved":
                return [partial(self.open, person) for person in ("olena", "petro", "taras")]
            case "in_verification" if self.holder is None:
                return [partial(self.take_lease, person) for person in verifiers]
            case "in_verification" if self.holder not in verifiers:
                return [partial(self.end_lease, "coordinator")]
            case "in_verification" if missing:
                return [partial(self.find, self.holder, missing[0])]
            case "in_verification":
                return [partial(self.submit, self.holder, outcome) for outcome in VERDICTS]
            case "awaiting_peer_review":
                return self._review_steps(verifiers, missing)
            case "disputed" | "awaiting_sign_off" if self.holder not in (None, *thirds):
                return [partial(self.end_lease, "coordinator")]
            case "disputed":
                third = [self.holder] if self.holder else thirds
                return [partial(self.adjudicate, person, way) for person in third for way in ADJUDICATIONS]
            case "awaiting_sign_off":
                third = [self.holder] if self.holder else thirds
                return [partial(self.sign_off, person) for person in third] or [partial(self.return_item, "rita")]
            case _:
                return [partial(self.reopen, "coordinator")]

    def _review_steps(self, verifiers: list[str], missing: list[Dimension]) -> list[partial[None]]:
        others = [person for person in verifiers if person not in self.authors]
        if not self._awaits_second():
            return [
                partial(self.review, person, decision)
                for person in others
                for decision in DECISIONS
                if self._may_review(person, decision[0])
            ]
        if self.holder is None:
            return [partial(self.take_lease, person) for person in others]
        if self.holder not in others:
            return [partial(self.end_lease, "coordinator")]
        if missing:
            return [partial(self.find, self.holder, missing[0])]
        return [partial(self.submit_second, self.holder, outcome) for outcome in VERDICTS]

    @rule(person=people, outcome=outcomes)
    def submit(self, person: str, outcome: Outcome) -> None:
        is_allowed = self.state == "in_verification" and self.holder == person and self._may(person, *VERIFY)
        is_allowed = is_allowed and self._found(person) >= set(REQUIRED)
        if self._attempt(
            is_allowed, lambda: self.bench.submit(self._actor(person), outcome=outcome), "submitted", "lease_ended"
        ):
            self.state, self.holder = "awaiting_peer_review", None
            self.verdicts.append(Written(person, self.round, False, outcome=outcome))

    @rule(person=people, outcome=outcomes)
    def submit_second(self, person: str, outcome: Outcome) -> None:
        is_allowed = self._awaits_second() and self.holder == person and self._may(person, *VERIFY)
        is_allowed = is_allowed and person not in self.authors and self._found(person) >= set(REQUIRED)
        if self._attempt(is_allowed, lambda: self.bench.second(self._actor(person), outcome), "second_submitted"):
            self.second = Written(person, self.round, True, outcome=outcome, beside=len(self.verdicts))
            self.blind = "complete"

    @rule(person=people)
    def withdraw(self, person: str) -> None:
        is_allowed = self.state == "awaiting_peer_review" and person == self.verdicts[-1].person
        is_allowed = is_allowed and self._may(person, *VERIFY) and not self._is_beside_present()
        entries = ("withdrawn", *self._lease_ends())
        if self._attempt(is_allowed, lambda: self.bench.withdraw(self._actor(person)), *entries):
            self.state, self.holder = "in_verification", None

    def _may_review(self, person: str, kind: ReviewKind) -> bool:
        is_allowed = self.state == "awaiting_peer_review" and self._may(person, *VERIFY)
        is_allowed = is_allowed and person not in self.authors and self._is_free_for(person)
        if not is_allowed or self.blind is None:
            return is_allowed
        if self.second is None or kind is ReviewKind.REQUEST_CHANGES:
            return self.second is not None
        if self._is_beside_present() and self.second.person != person:
            return False
        is_agreed = self.second.outcome == self.verdicts[-1].outcome or self.is_adjudicated
        return kind is not ReviewKind.CONCUR or is_agreed

    @rule(
        person=people,
        decision=st.sampled_from(DECISIONS),
    )
    def review(self, person: str, decision: tuple[ReviewKind, str, str]) -> None:
        kind, entry, state = decision
        entries = (entry, *self._lease_ends())
        is_allowed = self._may_review(person, kind)
        if self._attempt(is_allowed, lambda: self.bench.review(self._actor(person), kind), *entries):
            self.state, self.holder = state, None
            if kind is not ReviewKind.REQUEST_CHANGES:
                self.judges.add(person)

    @rule(
        person=people,
        outcome=st.sampled_from(ADJUDICATIONS),
    )
    def adjudicate(self, person: str, outcome: tuple[Adjudication, str]) -> None:
        is_allowed = self.state == "disputed" and self._is_third(person) and self._is_free_for(person)
        entries = ("adjudicated", *self._lease_ends())
        if self._attempt(is_allowed, lambda: self.bench.adjudicate(self._actor(person), outcome[0]), *entries):
            self.state, self.holder, self.is_adjudicated = outcome[1], None, True
            self.judges.add(person)

    @rule(person=people)
    def sign_off(self, person: str) -> None:
        is_allowed = self.state == "awaiting_sign_off" and self._is_third(person) and self._is_free_for(person)
        entries = ("integrity_checked", "signed_off", *self._lease_ends())
        if self._attempt(is_allowed, lambda: self.bench.sign_off(self._actor(person)), *entries):
            self.state, self.holder = "signed_off", None

    def _is_third(self, person: str) -> bool:
        return self._may(person, "researcher") and person not in self.authors | self.judges | self.seconds

    @rule(person=people)
    def return_item(self, person: str) -> None:
        is_allowed = self.state == "awaiting_sign_off" and self._may(person, "researcher") and self._is_free_for(person)
        entries = ("returned", *self._lease_ends())
        if self._attempt(is_allowed, lambda: self.bench.return_item(self._actor(person)), *entries):
            self.state, self.holder = "in_verification", None

    @rule(person=people)
    def reopen(self, person: str) -> None:
        is_allowed = self.state == "signed_off" and self._may(person, "researcher", "coordinator")
        if self._attempt(is_allowed, lambda: self.bench.reopen(self._actor(person)), "reopened"):
            self.state = "in_verification"
            self._begin_round()

    @rule(person=st.sampled_from(CHANGING), role=st.sampled_from((Role.VERIFIER, Role.RESEARCHER)))
    def change_role(self, person: str, role: Role) -> None:
        """Given or taken away, also both: the guards are about persons, not roles, and who has none is outside."""
        bench, account = self.bench, self._actor(person).account_id
        change = revoke_role if str(role) in self.roles[person] else grant_role
        if self._attempt(
            True,
            lambda: bench.commit(
                lambda uow: change(uow, bench.coordinator, bench.case_id, account_id=account, role=role)
            ),
        ):
            self.roles[person] ^= {str(role)}

    @rule(data=st.data(), person=people, guess=st.sampled_from((0, 1, 1, 2)))
    def race(self, data: st.DataObject, person: str, guess: int) -> None:
        """One acts, and before that is committed another does: the same, something else, or their roles change. The
        second guesses the item's version, so that no stale one shields what it may not do."""
        steps: list[Any] = list(self._steps_onwards())
        first: Any = data.draw(st.sampled_from(steps or [partial(self.view, person)]))
        second = data.draw(st.sampled_from(self._rivals(first, person)))
        if data.draw(st.booleans()):
            first, second = second, first
        self._run_race(first, second, guess)

    def _rivals(self, first: Any, person: str) -> list[Any]:
        """What may happen beside an act: the same by another, a role that changes, a look, any other step."""
        actor = first.args[0]
        changed = actor if actor in CHANGING else "petro"
        return [
            *[partial(first.func, other, *first.args[1:]) for other in (person, person, actor)],
            *[partial(self.change_role, changed, role) for role in (Role.VERIFIER, Role.RESEARCHER)],
            *[partial(self.view, other) for other in (person, actor)],
            *[partial(self.take_lease, person), partial(self.end_lease, "coordinator"), partial(self.withdraw, actor)],
            *[partial(self.review, person, decision) for decision in DECISIONS],
            *[partial(self.sign_off, person), partial(self.return_item, person), partial(self.reopen, person)],
        ]

    def _run_race(self, first: Callable[[], None], second: Callable[[], None], guess: int) -> None:
        self.is_rehearsal = True
        second()
        self.is_rehearsal, act, bench = False, self.rehearsed, self.bench
        assert act is not None
        started: list[Future[AppError | None]] = []

        def meanwhile() -> None:
            bench.ahead = guess
            started.append(pool.submit(refusal_of, act))
            while not (started[0].done() or somebody_waits(bench)):
                time.sleep(0.002)
            bench.ahead = 0

        bench.meanwhile = meanwhile
        with ThreadPoolExecutor(1) as pool:
            try:
                first()
            finally:
                bench.meanwhile = None
            if started:
                was_early = started[0].done()
                refusal = started[0].result(timeout=20)
                self.raced = Raced(refusal, was_early or isinstance(refusal, VersionMismatch))
        second()
        self.races["after" if not started else "done" if refusal is None else refusal.code] += 1

    @invariant()
    def item_is_where_the_model_is(self) -> None:
        if not hasattr(self, "entries"):
            return
        evidence = self.bench.evidence()
        holder = None if self.holder is None else self._actor(self.holder).account_id
        assert (evidence.state, evidence.round, evidence.lease_holder) == (self.state, self.round, holder)
        assert Counter(self.bench.entry_types()) == self.entries
        assert evidence.blind == self.blind
        self.reached.add((self.state, self.round, self.blind))

    @invariant()
    def nobody_is_shown_what_is_hidden_from_them(self) -> None:
        if not hasattr(self, "entries"):
            return
        page: dict[str, Any] = {"after": None, "limit": 200}
        with self.sessions() as session:
            person = PEOPLE[self.entries.total() % len(PEOPLE)]  # One at a time: they all come by.
            actor = self._actor(person)
            if not self.roles[person]:
                with pytest.raises(NotFound):
                    list_findings(session, actor, self.bench.item, **page)
                return
            found = len(list_findings(session, actor, self.bench.item, **page))
            given = len(list_verdicts(session, actor, self.bench.item, **page))
            assert found == sum(self._sees(person, one) for one in self.findings), person
            assert given == sum(self._sees(person, one) for one in self.verdicts), person
            if self._may(person, "coordinator", "researcher"):
                custody = list_custody(session, actor, "evidence", self.bench.item, after=0, limit=500).entries
                hidden = sum(not self._sees(person, one) for one in (*self.findings, *self.verdicts))
                assert sum(entry.is_kept_back for entry in custody) == hidden, person


@pytest.fixture
def machine(sessions: sessionmaker[Session], bench: Bench) -> type[Verification]:
    policy = Policy(required_dimensions=tuple(REQUIRED))
    commit_in(sessions, lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=policy))
    Verification.sessions, Verification.bench, Verification.policy = sessions, bench, (2, False)
    Verification.reached, Verification.races = set(), Counter()
    return Verification


def walk(machine: type[Verification], *, is_blind: bool, decision: tuple[ReviewKind, str, str], turn: int) -> None:
    """One item through every state to its second round, by the model's own steps: chance may leave rooms out.

    Beside each step somebody does something else, begun before the step is committed.
    """
    model = machine()
    model.begin(data=None, steps=0, is_blind=is_blind)
    for number in range(40):
        steps = model._steps_onwards()
        if not steps:
            break  # Everybody who could go on is an author or a judge by now.
        first = next((step for step in steps if decision in step.args), steps[0])
        if not is_blind and first.args[0] in CHANGING:  # Their role is being taken away: they wait, and are refused.
            role = Role.VERIFIER if "verifier" in model.roles[first.args[0]] else Role.RESEARCHER
            model._run_race(partial(model.change_role, first.args[0], role), first, 0)
            model.change_role(first.args[0], role)
            steps = model._steps_onwards()
            first = next((step for step in steps if decision in step.args), steps[0])
        others = [person for person in PEOPLE if model._may(person, *VERIFY) and person != first.args[0]]
        others.sort(key=lambda person: person not in model.authors)
        rivals = model._rivals(first, PEOPLE[number % len(PEOPLE)])
        match first.func.__name__:
            case "submit":  # Its author would concur at once.
                rival = partial(model.review, first.args[0], DECISIONS[0])
            case "take_lease":
                rival = partial(model.take_lease, others[-1])
            case _ if number % 3 == 0:  # The same at once by another who may do such work: an author, if there is one.
                rival = partial(first.func, others[0], *first.args[1:])
            case _:
                rival = rivals[(5 * number + turn) % len(rivals)]
        model._run_race(first, rival, 1 + turn)
        model.item_is_where_the_model_is()
        model.nobody_is_shown_what_is_hidden_from_them()
        if model.round == 2:
            break
    model.teardown()


@pytest.mark.thorough
def test_item_when_two_act_at_once_at_every_step_then_it_is_as_if_one_had_waited_for_the_other(
    machine: type[Verification],
) -> None:
    for is_blind in (False, True):
        for turn, decision in enumerate(DECISIONS[:2]):
            walk(machine, is_blind=is_blind, decision=decision, turn=turn)
    states = {(state, blind) for state, _, blind in machine.reached}
    judged = ("awaiting_sign_off", "disputed", "signed_off")
    assert states >= {(state, blind) for state in judged for blind in (None, "complete")}
    assert ("awaiting_peer_review", "pending") in states
    assert 2 in {number for _, number, _ in machine.reached}, "no walk reopened its item"
    assert machine.races.keys() >= {"done", "lease_taken", "self_review", "forbidden"}, machine.races
    assert machine.races.total() - machine.races["after"] > 30


@pytest.mark.scaled
def test_item_when_anybody_calls_anything_then_no_guard_breaks_and_every_act_is_an_entry(
    machine: type[Verification],
) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(25), stateful_step_count=16, deadline=None, suppress_health_check=checks
        ),
    )
    assert len({state for state, _, _ in machine.reached}) > 4
