"""An incident with four recordings, two of them of one origin, on the test's own database: a copy of one made once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import Actor
from app.access.rules import Role
from app.fingerprints.service import decide_match, undecided_matches
from app.gradings import service
from app.gradings.models import Classification, Grading, StandardOfProof
from app.gradings.rules import Grade, Qualifier, StatedClassification, StatedGrading, StatedStandard
from app.incidents.rules import IncidentKind
from app.incidents.service import create_incident, link_evidence, unlink_evidence
from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import new_id
from app.verification.rules import Outcome
from tests.factories import NO_LABELS, add_role, commit_in, make_item, make_person
from tests.support.databases import (
    TEMPLATE,
    TestDatabase,
    TestServer,
    create_database,
    discard_database,
    filled_template,
)
from tests.verification.bench import Bench


@dataclass
class Court:
    """``first`` and ``copy`` have the same bytes; ``second`` has others; ``wrong`` was found to be misattributed; all
    are signed off and linked. ``bench`` holds a researcher (rita); ``lena`` is the case's legal analyst."""

    bench: Bench
    lena: Actor = field(init=False)
    incident: UUID = field(init=False)
    links: dict[str, UUID] = field(init=False, default_factory=dict)
    items: dict[str, UUID] = field(init=False, default_factory=dict)

    @classmethod
    def make(cls, bench: Bench) -> Self:
        court = cls(bench)
        court.lena = make_person(bench.sessions, "lena")
        add_role(bench.sessions, bench.coordinator, bench.case_id, court.lena, Role.LEGAL_ANALYST)
        court.incident = court.new_incident("I-1")
        for name, outcome in (
            ("first", Outcome.VERIFIED),
            ("copy", Outcome.VERIFIED),
            ("second", Outcome.PARTIALLY_VERIFIED),
            ("wrong", Outcome.MISATTRIBUTED),
        ):
            court.add(name, outcome)
        return court

    def new_incident(self, code: str) -> UUID:
        stated: dict[str, Any] = {"code": code, "title": "Strike", "kind": IncidentKind.AIR_STRIKE}
        bench = self.bench
        made = commit_in(bench.sessions, lambda uow: create_incident(uow, bench.rita, bench.case_id, **stated))
        return made.id

    def add(self, name: str, outcome: Outcome) -> None:
        bench = self.bench
        content = b"the same bytes" if name in ("first", "copy") else None
        bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS), content=content)
        self.items[name] = bench.item
        link = commit_in(
            bench.sessions,
            lambda uow: link_evidence(
                uow, bench.rita, self.incident, evidence_id=bench.item, depicts=True, counted=True
            ),
        )
        self.links[name] = link.id
        bench.open(bench.olena)
        bench.find_all(bench.olena)
        self.decide_matches()
        bench.submit(bench.olena, outcome=outcome)
        bench.concur(bench.petro)
        bench.sign_off(bench.rita)

    def decide_matches(self) -> None:
        """Of the item in hand: bytes that are the same are an exact copy."""
        bench = self.bench
        with bench.sessions() as session:
            undecided = undecided_matches(session, bench.item)
        for match in undecided:
            decide = partial(decide_match, actor=bench.olena, match_id=match, relation="exact_copy", reason="Equal.")
            commit_in(bench.sessions, decide)

    def grade(
        self, grade: Grade | None, supersedes: Grading | None = None, *items: str, other: tuple[str, ...] = ()
    ) -> Grading:
        """``items``: the names of those that it rests on; none: all."""
        before = None if supersedes is None else supersedes.id
        chosen = tuple(self.items[name] for name in items) or None
        stated = StatedGrading(grade, "As the recordings show.", before, chosen, other)
        return self.state(stated)

    def state(self, stated: StatedGrading, actor: Actor | None = None) -> Grading:
        return commit_in(
            self.bench.sessions,
            lambda uow: service.grade_incident(uow, actor or self.bench.rita, self.incident, stated),
        )

    def entries(self) -> list[dict[str, Any]]:
        query = text(
            "SELECT b.body FROM ledger_bodies b JOIN ledger_entries e USING (commitment)"
            " WHERE e.stream_id = :stream ORDER BY e.seq"
        )
        with self.bench.sessions() as session:
            return [json.loads(bytes(body)) for body in session.scalars(query, {"stream": self.incident})]

    def standard(self, code: str | None, supersedes: StandardOfProof | None = None) -> StandardOfProof:
        stated = StatedStandard(code, "Reliable and consistent.", None if supersedes is None else supersedes.id)
        return commit_in(
            self.bench.sessions, lambda uow: service.state_standard(uow, self.bench.rita, self.incident, stated)
        )

    def classify(
        self,
        qualifier: Qualifier | None,
        *provisions: str,
        supersedes: Classification | None = None,
        **options: Any,
    ) -> Classification:
        before = None if supersedes is None else supersedes.id
        stated = StatedClassification(qualifier, provisions, "No military objective.", before, **options)
        return commit_in(
            self.bench.sessions, lambda uow: service.classify_incident(uow, self.lena, self.incident, stated)
        )

    def unlink(self, name: str) -> None:
        commit_in(
            self.bench.sessions,
            lambda uow: unlink_evidence(uow, self.bench.rita, self.incident, self.links[name], reason="Elsewhere."),
        )

    def refused_by(self, statement: str, **values: Any) -> str | None:
        """The name of the constraint that refuses a statement, at once or at the commit."""
        with self.bench.sessions() as session:
            try:
                session.execute(text(statement), {"id": new_id(), "incident": self.incident, **values})
                session.commit()
            except IntegrityError as error:
                name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
                return name
        return None


@pytest.fixture(scope="session")
def prepared_court(postgres: TestServer, run_directory: Path) -> tuple[str, dict[str, Any]]:
    """The template with a court in it, and who and what is there."""

    def fill(database: TestDatabase) -> dict[str, Any]:
        engine = open_engine(database.app_url, pool_size=1)
        court = Court.make(Bench(session_factory(engine)))
        engine.dispose()
        return {**vars(court), "bench": court.bench.facts()}

    return filled_template(postgres, run_directory, "court", fill)


@pytest.fixture
def database(
    postgres: TestServer, prepared_court: tuple[str, dict[str, Any]], request: pytest.FixtureRequest
) -> Iterator[TestDatabase]:
    made = create_database(postgres, template=prepared_court[0] if "court" in request.fixturenames else TEMPLATE)
    yield made
    discard_database(postgres, made.name)


@pytest.fixture
def court(sessions: sessionmaker[Session], prepared_court: tuple[str, dict[str, Any]]) -> Court:
    facts = dict(prepared_court[1])
    known = Court(Bench.known(sessions, facts.pop("bench")))
    vars(known).update(facts)
    return known
