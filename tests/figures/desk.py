"""A case whose incidents, facts and verified items are made in one line each, and figures asked of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Engine, text

from app.access.rules import Role
from app.consent.rules import ConsentScope, Obtained, SubjectKind
from app.consent.service import GivenConsent, Withdrawal, give_item_consent, withdraw_item_consent
from app.erasure.service import Ground, erase_field
from app.facts import kinds, stated
from app.facts.service import state_of_case, state_of_incident
from app.facts.stated import Source, Statement
from app.facts.words import CasualtyOutcome, Comparator, IncidentRelation, OrganisationKind, PersonGroup
from app.figures.query import FigureQuery, Filters
from app.figures.service import Answer, ask, members
from app.figures.standing import hold_snapshot
from app.figures.words import By, Measure
from app.fingerprints.service import decide_match, undecided_matches
from app.incidents import service as incidents
from app.incidents.rules import IncidentKind, Occurrence, Place
from app.kernel.errors import AppError
from app.ledger.positions import Position, newest_position
from app.verification.rules import Outcome
from tests.factories import NO_LABELS, add_role, commit_in, make_item, make_person
from tests.ledger.acts import integrate_all
from tests.verification.bench import Bench


@dataclass
class Desk:
    """``ngo`` and ``service`` are organisations of the case, by their ``fact_id``."""

    bench: Bench
    integrating: Engine
    ngo: UUID = field(init=False)
    service: UUID = field(init=False)
    made: int = 0

    def __post_init__(self) -> None:
        self.ngo, self.service = self.organisation("Watch for All"), self.organisation("Security Service")

    @classmethod
    def known(cls, bench: Bench, integrating: Engine, facts: dict[str, Any]) -> Self:
        """The desk that a copy of its database holds."""
        desk = cls.__new__(cls)
        vars(desk).update(facts, bench=bench, integrating=integrating)
        return desk

    # --- acting

    def commit(self, work: Any) -> Any:
        return commit_in(self.bench.sessions, work)

    def organisation(self, name: str) -> UUID:
        what = stated.Organisation(
            name=name, short_name=None, organisation_kind=OrganisationKind.NGO, address=None, aliases=()
        )
        statement = Statement(stated=what, source=None)
        made = self.commit(
            lambda uow: state_of_case(uow, self.bench.rita, kinds.ORGANISATIONS, self.bench.case_id, statement)
        )
        return UUID(str(made.fact_id))

    def incident(
        self,
        kind: IncidentKind = IncidentKind.MISSILE_STRIKE,
        occurred: str | tuple[str, str] | None = "2024-07-08T07:30:00+00:00",
        units: Sequence[str] = (),
        **place: Any,
    ) -> UUID:
        self.made += 1
        begins, ends = (occurred, occurred) if isinstance(occurred, str) else occurred or (None, None)
        occurrence = None
        if begins is not None and ends is not None:
            times = datetime.fromisoformat(begins), datetime.fromisoformat(ends)
            occurrence = Occurrence(*times, "Europe/Kyiv", "Upload times")
        where = Place(administrative_units=tuple(units), **place)
        known: dict[str, Any] = {"title": "Strike", "kind": kind, "occurrence": occurrence, "place": where}
        code = f"I-{self.made}"
        made = self.commit(
            lambda uow: incidents.create_incident(uow, self.bench.rita, self.bench.case_id, code=code, **known)
        )
        return UUID(str(made.id))

    def state(
        self,
        kind: kinds.Kind[Any],
        what: Any,
        incident: UUID | None = None,
        source: UUID | Source | None = None,
        supersedes: UUID | None = None,
    ) -> Any:
        said_by = source if isinstance(source, Source) else Source(organisation_id=source or self.ngo)
        by = None if what is None else said_by
        reason = None if supersedes is None else "Counted anew."
        statement = Statement(stated=what, source=by, supersedes=supersedes, reason=reason)
        if incident is None:
            return self.commit(lambda uow: state_of_case(uow, self.bench.rita, kind, self.bench.case_id, statement))
        return self.commit(lambda uow: state_of_incident(uow, self.bench.rita, kind, incident, statement))

    def casualties(
        self,
        incident: UUID,
        minimum: int,
        maximum: int | None = None,
        *,
        is_open: bool = False,
        group: PersonGroup = PersonGroup.CIVILIAN,
        outcome: CasualtyOutcome = CasualtyOutcome.KILLED,
        **more: Any,
    ) -> Any:
        """``minimum`` alone: exactly so many."""
        upper = None if is_open else minimum if maximum is None else maximum
        comparator = Comparator.AT_LEAST if is_open else Comparator.EXACT if upper == minimum else Comparator.ABOUT
        count = stated.CasualtyCount(
            outcome=outcome,
            person_group=group,
            comparator=comparator,
            minimum=minimum,
            maximum=upper,
            as_reported="So.",
        )
        return self.state(kinds.CASUALTIES, count, incident, **more)

    def relate(self, incident: UUID, relation: IncidentRelation, other: UUID) -> Any:
        what = stated.RelatedIncident(relation=relation, other_incident_id=other, basis="Seen on the map.")
        return self.state(kinds.RELATED, what, incident)

    def item(self, content: bytes | None = None, **labels: Any) -> UUID:
        """Ready to be verified."""
        labelled = {**NO_LABELS, **labels}
        bench = self.bench
        return make_item(bench.sessions, bench.olena, bench.case_id, labels=labelled, content=content)

    def verified(
        self, *linked: UUID, content: bytes | None = None, outcome: Outcome = Outcome.VERIFIED, **labels: Any
    ) -> UUID:
        """A signed-off item, linked to these incidents."""
        item = self.item(content, **labels)
        self.sign_off(item, outcome)
        for incident in linked:
            self.link(item, incident)
        return item

    def sign_off(self, item: UUID, outcome: Outcome = Outcome.VERIFIED, **more: Any) -> None:
        bench = self.bench
        bench.item = item
        bench.open(bench.olena)
        bench.find_all(bench.olena)
        with bench.sessions() as session:
            undecided = undecided_matches(session, item)
        for match in undecided:
            self.decide(match)
        bench.submit(bench.olena, outcome=outcome, **more)
        bench.concur(bench.petro)
        bench.sign_off(bench.rita)

    def decide(self, match: UUID, relation: str = "exact_copy") -> None:
        stated: dict[str, Any] = {"actor": self.bench.olena, "match_id": match, "relation": relation}
        self.commit(partial(decide_match, reason="Equal.", **stated))

    def consent(self, item: UUID) -> UUID:
        """Of one person, to everything; who it is."""
        given = GivenConsent(
            subject_id=None,
            subject="Neighbour",
            subject_kind=SubjectKind.SOURCE,
            scopes=frozenset(ConsentScope),
            obtained=Obtained.SPOKEN,
            given_on=date(2024, 7, 8),
        )
        made = self.commit(lambda uow: give_item_consent(uow, self.bench.olena, item, given))[1]
        return UUID(str(made.subject_id))

    def withdraw(self, item: UUID, person: UUID, *scopes: ConsentScope) -> None:
        withdrawn = Withdrawal(
            subject_id=person, scopes=frozenset(scopes) or None, withdrawn_on=date(2024, 7, 9), reason="Fear."
        )
        self.commit(lambda uow: withdraw_item_consent(uow, self.bench.olena, item, withdrawn))

    def erase(self, stream: UUID, field: str) -> None:
        """Of the first entry of an incident or item."""
        query = text("SELECT encode(commitment, 'hex') FROM ledger_entries WHERE stream_id = :stream AND seq = 1")
        with self.bench.sessions() as session:
            commitment = session.scalars(query, {"stream": stream}).one()
        custodian = make_person(self.bench.sessions, "custodian")
        add_role(self.bench.sessions, self.bench.coordinator, self.bench.case_id, custodian, Role.CUSTODIAN)
        ground = Ground(reason_code="data_subject_request", authority="Article 17")
        self.commit(lambda uow: erase_field(uow, custodian, commitment, field=field, ground=ground))

    def reopen(self, item: UUID) -> None:
        self.bench.item = item
        self.bench.reopen(self.bench.rita)

    def link(self, item: UUID, incident: UUID, *, counted: bool = True) -> UUID:
        made = self.commit(
            lambda uow: incidents.link_evidence(
                uow, self.bench.rita, incident, evidence_id=item, depicts=True, counted=counted
            )
        )
        return UUID(str(made.id))

    def unlink(self, incident: UUID, link: UUID) -> None:
        self.commit(lambda uow: incidents.unlink_evidence(uow, self.bench.rita, incident, link, reason="Elsewhere."))

    def try_to(self, act: Callable[[], Any]) -> bool:
        """False: the rules refuse it."""
        try:
            act()
        except AppError:
            return False
        return True

    # --- asking

    def sign(self) -> Position:
        integrate_all(self.integrating)
        with self.bench.sessions() as session:
            position = newest_position(session)
        assert position is not None
        return position

    def query(
        self, measure: Measure, by: By | None = None, *, level: int = 1, cases: Sequence[UUID] = (), **filters: Any
    ) -> FigureQuery:
        asked = Filters(**{name: _asked(value) for name, value in filters.items()})
        return FigureQuery(measure, tuple(cases) or (self.bench.case_id,), by, level, asked)

    def ask(
        self, measure: Measure, by: By | None = None, *, at: Position | None = None, actor: Any = None, **asked: Any
    ) -> Answer:
        """Of all that was done so far, unless ``at`` says otherwise."""
        self.sign()
        with self.bench.sessions() as session:
            hold_snapshot(session)
            return ask(session, actor or self.bench.rita, self.query(measure, by, **asked), at)

    def members(self, query: FigureQuery, at: Position | None = None) -> list[tuple[UUID, int | UUID]]:
        with self.bench.sessions() as session:
            hold_snapshot(session)
            _, found = members(session, self.bench.rita, query, at, after=None, limit=100_000)
        return [(one.id, one.version) for one in found]


def _asked(value: Any) -> Any:
    return frozenset(value) if isinstance(value, set) else value


def counts(answer: Answer) -> dict[str | None, int | None]:
    """Of each point."""
    return {point.key: point.figure.count for point in answer.series}


def ranges(answer: Answer) -> dict[tuple[str, str], tuple[int | None, int | None]]:
    return {(one.outcome, one.person_group): (one.minimum, one.maximum) for one in answer.total.ranges or ()}
