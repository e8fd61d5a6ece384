"""A state machine of several persons over one item: no sequence of calls breaks a guard or leaves an act unrecorded.

The model below is written from docs/domain.md's table alone and shares nothing with the services. For every call it
says whether it must succeed and which entries it must leave; after every call the item's state, round and lease holder
and the counts of its entries must be those of the model.
"""

from collections import Counter
from collections.abc import Callable
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
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Role
from app.cases.policy import Policy
from app.cases.service import change_policy, revoke_role
from app.kernel.errors import AppError
from app.verification.queue import list_queue
from app.verification.rules import Adjudication, Dimension, ReviewKind
from tests.factories import NO_LABELS, add_role, commit_in, make_item
from tests.verification.bench import Bench

PEOPLE = ("coordinator", "olena", "petro", "rita", "sofia", "taras")
VERIFY = {"verifier", "researcher"}
REQUIRED = (Dimension.DATE, Dimension.LOCATION)
DECISIONS = (
    (ReviewKind.CONCUR, "concurred", "awaiting_sign_off"),
    (ReviewKind.DISSENT, "dissented", "disputed"),
    (ReviewKind.REQUEST_CHANGES, "changes_requested", "in_verification"),
)
OUTCOMES = ((Adjudication.TO_SIGN_OFF, "awaiting_sign_off"), (Adjudication.BACK, "in_verification"))

people = st.sampled_from(PEOPLE)


class Verification(RuleBasedStateMachine):
    """One item of its own per example, in a case that the examples share."""

    sessions: ClassVar[sessionmaker[Session]]
    bench: ClassVar[Bench]
    reached: ClassVar[set[tuple[str, int]]]
    """States and rounds that some example came to: a walk that never leaves the first room shows nothing."""

    @initialize(data=st.data(), steps=st.sampled_from((0, 4, 5, 6, 7, 9, 11)))
    def begin(self, data: st.DataObject, steps: int) -> None:
        """An item, and so many steps of its way."""
        bench = self.bench
        bench.item = make_item(self.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS))
        self.state = "preserved"
        self.round = 0
        self.holder: str | None = None
        self.authors: set[str] = set()
        self.found: set[Dimension] = set()
        self.verdict_author: str | None = None
        self.judges: set[str] = set()
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
            for person, role in (("olena", Role.RESEARCHER), ("petro", Role.RESEARCHER)):
                if str(role) in self.roles[person]:
                    self._revoke(person, role)

    def _attempt(self, is_allowed: bool, act: Callable[[], Any], *entries: str) -> bool:
        """Call; the model's opinion and the system's must agree. What succeeded left exactly these entries."""
        refusal: AppError | None = None
        try:
            act()
        except AppError as error:
            refusal = error
        assert (refusal is None) is is_allowed, f"in state {self.state}: {refusal!r}"
        if refusal is not None:
            assert refusal.status in (403, 409, 422), refusal.code
            return False
        self.entries.update(f"evidence.{entry}" for entry in entries)
        return True

    def _actor(self, person: str) -> Actor:
        actor: Actor = getattr(self.bench, person)
        return actor

    def _may(self, person: str, *roles: str) -> bool:
        return bool(self.roles[person] & set(roles))

    @rule(person=people)
    def open(self, person: str) -> None:
        is_allowed = self.state == "preserved" and self._may(person, "verifier")
        if self._attempt(is_allowed, lambda: self.bench.open(self._actor(person)), "verification_opened", "leased"):
            self.state, self.round, self.holder = "in_verification", 1, person

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
            self.state, self.round, self.holder = "in_verification", 1, holder

    @rule(person=people)
    def take_lease(self, person: str) -> None:
        if self._attempt(self._may_work(person), lambda: self.bench.take(self._actor(person)), "leased"):
            self.holder = person

    def _may_work(self, person: str) -> bool:
        """Whether the state awaits something that this person may do, and nobody else does it."""
        match self.state:
            case "in_verification":
                is_allowed = self._may(person, *VERIFY)
            case "awaiting_peer_review":
                is_allowed = self._may(person, *VERIFY) and person not in self.authors
            case "disputed" | "awaiting_sign_off":
                is_allowed = self._is_third(person)
            case _:
                return False
        return is_allowed and self.holder in (None, person)

    @rule(person=people)
    def look_at_the_queue(self, person: str) -> None:
        """It offers the item to who may take it now, and to nobody else; who holds it has it already."""
        with self.sessions() as session:
            offered = list_queue(
                session, self._actor(person), case_id=self.bench.case_id, act=None, after=None, limit=500
            )
        if self.state == "preserved":
            is_expected = self._may(person, "verifier")
        else:
            is_expected = self._may_work(person) and self.holder is None
        assert (self.bench.item in [row.evidence.id for row in offered]) is is_expected, (self.state, person)

    def _work_ends(self) -> tuple[str, ...]:
        """What an act that ends the present work leaves besides its own entry."""
        return () if self.holder is None else ("lease_ended",)

    @rule(person=people)
    def end_lease(self, person: str) -> None:
        is_allowed = self.holder is not None and (
            self._may(person, *VERIFY) if person == self.holder else self._may(person, "coordinator")
        )
        if self._attempt(is_allowed, lambda: self.bench.end(self._actor(person)), "lease_ended"):
            self.holder = None

    @rule(person=people, dimension=st.sampled_from(REQUIRED))
    def find(self, person: str, dimension: Dimension) -> None:
        is_allowed = self.state == "in_verification" and self.holder == person and self._may(person, *VERIFY)
        if self._attempt(is_allowed, lambda: self.bench.find(self._actor(person), dimension), "finding_recorded"):
            self.authors.add(person)
            self.found.add(dimension)

    @rule(data=st.data(), count=st.integers(1, 8))
    def advance(self, data: st.DataObject, count: int) -> None:
        """Some steps that the model allows: chance alone would seldom leave the first states."""
        for _ in range(count):
            steps = self._steps_onwards()
            if steps:
                data.draw(st.sampled_from(steps))()

    def _steps_onwards(self) -> list[Callable[[], None]]:
        verifiers = [person for person in PEOPLE if self._may(person, *VERIFY)]
        thirds = [person for person in PEOPLE if self._is_third(person) and self.holder in (None, person)]
        missing = [dimension for dimension in REQUIRED if dimension not in self.found]
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
                return [partial(self.submit, self.holder)]
            case "awaiting_peer_review" | "disputed" | "awaiting_sign_off" if self._is_stuck():
                return [partial(self.end_lease, "coordinator")]
            case "awaiting_peer_review":
                others = [person for person in verifiers if self._may_work(person)]
                return [partial(self.review, person, decision) for person in others for decision in DECISIONS]
            case "disputed":
                return [partial(self.adjudicate, person, outcome) for person in thirds for outcome in OUTCOMES]
            case "awaiting_sign_off":
                return [partial(self.sign_off, person) for person in thirds] or [partial(self.return_item, "rita")]
            case _:
                return [partial(self.reopen, "coordinator")]

    def _is_stuck(self) -> bool:
        """Whether whoever holds the lease may not do the work any more."""
        return self.holder is not None and not self._may_work(self.holder)

    @rule(person=people)
    def submit(self, person: str) -> None:
        is_allowed = self.state == "in_verification" and self.holder == person and self._may(person, *VERIFY)
        is_allowed = is_allowed and self.found >= set(REQUIRED)
        if self._attempt(is_allowed, lambda: self.bench.submit(self._actor(person)), "submitted", "lease_ended"):
            self.state, self.holder, self.verdict_author = "awaiting_peer_review", None, person
            self.authors.add(person)

    @rule(person=people)
    def withdraw(self, person: str) -> None:
        is_allowed = self.state == "awaiting_peer_review" and person == self.verdict_author
        is_allowed = is_allowed and self._may(person, *VERIFY)
        entries = ("withdrawn", *self._work_ends())
        if self._attempt(is_allowed, lambda: self.bench.withdraw(self._actor(person)), *entries):
            self.state, self.holder = "in_verification", None

    @rule(
        person=people,
        decision=st.sampled_from(DECISIONS),
    )
    def review(self, person: str, decision: tuple[ReviewKind, str, str]) -> None:
        kind, entry, state = decision
        is_allowed = self.state == "awaiting_peer_review" and self._may_work(person)
        entries = (entry, *self._work_ends())
        if self._attempt(is_allowed, lambda: self.bench.review(self._actor(person), kind), *entries):
            self.state, self.holder = state, None
            if kind is not ReviewKind.REQUEST_CHANGES:
                self.judges.add(person)

    @rule(
        person=people,
        outcome=st.sampled_from(OUTCOMES),
    )
    def adjudicate(self, person: str, outcome: tuple[Adjudication, str]) -> None:
        is_allowed = self.state == "disputed" and self._may_work(person)
        entries = ("adjudicated", *self._work_ends())
        if self._attempt(is_allowed, lambda: self.bench.adjudicate(self._actor(person), outcome[0]), *entries):
            self.state, self.holder = outcome[1], None
            self.judges.add(person)

    @rule(person=people)
    def sign_off(self, person: str) -> None:
        is_allowed = self.state == "awaiting_sign_off" and self._may_work(person)
        entries = ("integrity_checked", "signed_off", *self._work_ends())
        if self._attempt(is_allowed, lambda: self.bench.sign_off(self._actor(person)), *entries):
            self.state, self.holder = "signed_off", None

    def _is_third(self, person: str) -> bool:
        return self._may(person, "researcher") and person not in self.authors | self.judges

    @rule(person=people)
    def return_item(self, person: str) -> None:
        is_allowed = self.state == "awaiting_sign_off" and self._may(person, "researcher")
        is_allowed = is_allowed and self.holder in (None, person)
        entries = ("returned", *self._work_ends())
        if self._attempt(is_allowed, lambda: self.bench.return_item(self._actor(person)), *entries):
            self.state, self.holder = "in_verification", None

    @rule(person=people)
    def reopen(self, person: str) -> None:
        is_allowed = self.state == "signed_off" and self._may(person, "researcher", "coordinator")
        if self._attempt(is_allowed, lambda: self.bench.reopen(self._actor(person)), "reopened"):
            self.state, self.round, self.judges = "in_verification", self.round + 1, set()

    @rule(person=st.sampled_from(["olena", "petro"]))
    def change_role(self, person: str) -> None:
        """A verifier becomes a researcher, or is one no more: the guards are about persons, not roles."""
        if "researcher" in self.roles[person]:
            self._revoke(person, Role.RESEARCHER)
            self.roles[person].discard("researcher")
        else:
            bench = self.bench
            add_role(self.sessions, bench.coordinator, bench.case_id, self._actor(person), Role.RESEARCHER)
            self.roles[person].add("researcher")

    def _revoke(self, person: str, role: Role) -> None:
        bench, account = self.bench, self._actor(person).account_id
        commit_in(
            self.sessions,
            lambda uow: revoke_role(uow, bench.coordinator, bench.case_id, account_id=account, role=role),
        )

    @invariant()
    def item_is_where_the_model_is(self) -> None:
        if not hasattr(self, "entries"):
            return
        evidence = self.bench.evidence()
        holder = None if self.holder is None else self._actor(self.holder).account_id
        assert (evidence.state, evidence.round, evidence.lease_holder) == (self.state, self.round, holder)
        assert Counter(self.bench.entry_types()) == self.entries
        self.reached.add((self.state, self.round))


@pytest.fixture
def machine(sessions: sessionmaker[Session], bench: Bench) -> type[Verification]:
    policy = Policy(required_dimensions=tuple(REQUIRED))
    commit_in(sessions, lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=policy))
    Verification.sessions, Verification.bench = sessions, bench
    Verification.reached = set()
    return Verification


def test_item_when_anybody_calls_anything_then_no_guard_breaks_and_every_act_is_an_entry(
    machine: type[Verification],
) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    wanted = {"awaiting_sign_off", "disputed", "signed_off"}
    for _ in range(5):  # Chance may leave a state out; then as many examples again.
        run_state_machine_as_test(
            machine,
            settings=settings(max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=checks),
        )
        states, last_round = {state for state, _ in machine.reached}, max(number for _, number in machine.reached)
        if states >= wanted and last_round >= 2:
            break
    assert states >= wanted
    assert last_round >= 2, "no example reopened its item"
