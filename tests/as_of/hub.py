"""A case in which anything may happen to its items and incidents, and everything that can be read of it over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Engine, select

from app.access import tokens
from app.access.actors import Actor, authenticate
from app.access.rules import Role, Scope
from app.cases.models import CaseMember
from app.cases.service import change_policy, current_policy, grant_role, revoke_role
from app.consent.rules import ConsentScope, Obtained, SubjectKind
from app.consent.service import GivenConsent, give_item_consent
from app.fingerprints.service import decide_match, undecided_matches
from app.gradings import service as gradings
from app.gradings.models import Classification, Grading, StandardOfProof
from app.gradings.rules import Grade, Qualifier, StatedClassification, StatedGrading, StatedStandard
from app.incidents import service as incidents
from app.incidents.models import Incident, IncidentEvidence
from app.incidents.rules import IncidentKind, Place, PlacePrecision
from app.kernel.errors import AppError
from app.ledger.positions import Position, newest_position
from app.media.assessment import (
    Assessed,
    CollectionSafety,
    Obligations,
    Relevance,
    Reliability,
    RemovalRisk,
    assess_lead,
)
from app.media.models import Evidence
from app.media.service import correct_field, register_lead, set_labels
from app.testimonies.models import Testimony
from app.testimonies.rules import TestimonyMethod
from app.testimonies.service import StatedTestimony, record_testimony
from app.unit_of_work import UnitOfWork, unit_of_work
from app.verification.rules import ReviewKind
from tests.factories import NO_LABELS, add_role, commit_in, make_item, make_person
from tests.ledger.acts import integrate_all
from tests.support.api import Api
from tests.verification.bench import Bench

OF_NOW = ("as_of", "possible_events", "fingerprint_progress", "still_found", "likely_left_out")
"""What an answer as of a position says otherwise than the answer of that moment did."""

ITEM_LISTS = (
    *("findings", "verdicts", "second-verdicts", "reviews", "relations", "matches", "matches?undecided=true"),
    *("consents", "assessments"),
)
INCIDENT_LISTS = ("evidence", "evidence?with_ended=true", "gradings", "standards", "classifications", "testimonies")
CASE_LISTS = (
    *("evidence", "evidence?state=in_verification", "evidence?state=signed_off", "evidence?kind=image"),
    *("evidence?label=graphic_none", "evidence?label=child", "evidence?fingerprint_status=undecodable"),
    "members",
    *("incidents", "incidents?kind=air_strike", "incidents?grade=contested", "incidents?code=I-0"),
)


CONSENT = GivenConsent(
    subject_id=None,
    subject="W-17",
    subject_kind=SubjectKind.WITNESS,
    scopes=frozenset({ConsentScope.VERIFICATION}),
    obtained=Obtained.SPOKEN,
    given_on=date(2026, 9, 1),
)
TESTIMONY: dict[str, Any] = {
    "pseudonym": "W-17",
    "language": "uk",
    "taken_on": date(2026, 9, 1),
    "taken_by": "Olena",
    "method": TestimonyMethod.INTERVIEW_REMOTE,
    "required_scope": ConsentScope.VERIFICATION,
}
ASSESSED = Assessed(
    Relevance.RELEVANT, Reliability.DOUBTFUL, RemovalRisk.LIKELY, CollectionSafety.SAFE, Obligations.NONE, {}
)


@dataclass
class Hub:
    """``read`` is what one member sees; ``acts`` are what may be done next, each refused or not by the rules."""

    bench: Bench
    api: Api
    integrating: Engine
    lena: Actor = field(init=False)
    reader: httpx.Client = field(init=False)
    items: list[UUID] = field(default_factory=list)
    incidents: list[UUID] = field(default_factory=list)
    lead: UUID | None = None

    def __post_init__(self) -> None:
        self.lena = make_person(self.bench.sessions, "lena")
        add_role(self.bench.sessions, self.bench.coordinator, self.bench.case_id, self.lena, Role.LEGAL_ANALYST)
        self.reader = self.client_of(self.bench.coordinator)

    def client_of(self, actor: Actor) -> httpx.Client:
        with unit_of_work(self.bench.sessions) as uow:
            admin = authenticate(uow.session, self.api.admin.token)
            _, secret = tokens.create_token(
                uow, admin, account_id=actor.account_id, name="test", scopes=[Scope.READ, Scope.WRITE], cases=None,
                roles=None, ttl_s=3600,
            )  # fmt: skip
            uow.commit()
        return self.api.client(secret)

    # --- reading

    def sign(self) -> Position:
        """The position in which all that was done so far stands."""
        integrate_all(self.integrating)
        with self.bench.sessions() as session:
            position = newest_position(session)
        assert position is not None
        return position

    def read(self, as_of: str | None = None) -> dict[str, Any]:
        """Everything by its address: bodies without what is of now; of lists all items, page by page."""
        found: dict[str, Any] = {}
        for item in self.items:
            found[f"/v1/evidence/{item}"] = self._one(f"/v1/evidence/{item}", as_of)
            found.update((path, self._all(path, as_of)) for path in paths(f"/v1/evidence/{item}", ITEM_LISTS))
            for match in found[f"/v1/evidence/{item}/matches"]:
                found[f"/v1/matches/{match['id']}"] = self._one(f"/v1/matches/{match['id']}", as_of)
        for incident in self.incidents:
            found[f"/v1/incidents/{incident}"] = self._one(f"/v1/incidents/{incident}", as_of)
            found.update((path, self._all(path, as_of)) for path in paths(f"/v1/incidents/{incident}", INCIDENT_LISTS))
            for each in found[f"/v1/incidents/{incident}/testimonies"]:
                path = f"/v1/testimonies/{each['testimony_id']}"
                found[path] = self._one(path, as_of)
                found[f"{path}/consents"] = self._all(f"{path}/consents", as_of)
        case = f"/v1/cases/{self.bench.case_id}"
        found.update((path, self._all(path, as_of)) for path in paths(case, CASE_LISTS))
        found[f"{case}/policy"] = self._one(f"{case}/policy", as_of)
        found[f"{case}/incidents/geojson"] = self._one(f"{case}/incidents/geojson", as_of)
        return found

    def _one(self, path: str, as_of: str | None) -> dict[str, Any]:
        answer = self.reader.get(path, params={} if as_of is None else {"as_of": as_of})
        assert answer.status_code == 200, answer.text
        tag = answer.headers.get("ETag")
        assert tag is None or tag.startswith('"' if as_of is None else "W/")
        return without(answer.json())

    def _all(self, path: str, as_of: str | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 3} if as_of is None else {"limit": 3, "as_of": as_of}
        answer = self.reader.get(path, params=params)
        while True:
            assert answer.status_code == 200, answer.text
            found += [without(each) for each in answer.json()["items"]]
            if "next" not in answer.links:
                return found
            answer = self.reader.get(answer.links["next"]["url"])

    # --- acting

    def acts(self) -> dict[str, Callable[[], object]]:
        bench = self.bench
        return {
            "item": self.add_item,
            "labels": lambda: self._on_item(set_labels, bench.coordinator, labels={**NO_LABELS, "child": True}),
            "correct": lambda: self._on_item(
                correct_field, bench.olena, field="claimed_place", value="Kharkiv", reason="Said so since."
            ),
            "open": lambda: bench.open(bench.olena),
            "take": lambda: bench.take(bench.petro),
            "end": lambda: bench.end(bench.petro),
            "find": lambda: bench.find_all(bench.olena),
            "decide": self.decide,
            "submit": lambda: bench.submit(bench.olena),
            "withdraw": lambda: bench.withdraw(bench.olena),
            "changes": lambda: bench.review(bench.petro, ReviewKind.REQUEST_CHANGES),
            "concur": lambda: bench.concur(bench.petro),
            "dissent": lambda: bench.review(bench.petro, ReviewKind.DISSENT),
            "adjudicate": lambda: bench.adjudicate(bench.sofia),
            "sign_off": lambda: bench.sign_off(bench.rita),
            "reopen": lambda: bench.reopen(bench.rita),
            "incident": self.add_incident,
            "restate": self.restate,
            "link": self.link,
            "unlink": self.unlink,
            "grade": self.grade,
            "standard": self.state_standard,
            "classify": self.classify,
            "member": self.change_member,
            "policy": self.change_policy,
            "consent": self.give_consent,
            "testify": self.testify,
            "assess": self.assess,
        }

    def try_to(self, name: str, which: int) -> bool:
        """Do it to one of the items and incidents; False: the rules refuse it."""
        if self.items:
            self.bench.item = self.items[which % len(self.items)]
        try:
            self.acts()[name]()
        except AppError:
            return False
        return True

    def add_item(self) -> None:
        received = [item for item in self.items if item != self.lead]
        if len(received) < 3:  # The first two are copies.
            content = b"the same" if len(received) < 2 else None
            bench = self.bench
            made = make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS), content=content)
            self.items.append(made)

    def add_incident(self) -> None:
        if len(self.incidents) < 2:
            code = f"I-{len(self.incidents)}"
            stated: dict[str, Any] = {"code": code, "title": "Strike", "kind": IncidentKind.AIR_STRIKE}
            made = self._commit(
                lambda uow: incidents.create_incident(uow, self.bench.rita, self.bench.case_id, **stated)
            )
            self.incidents.append(made.id)

    def restate(self, title: str = "Strike on a hospital") -> None:
        place = Place(name="North", precision=PlacePrecision.AREA, administrative_units=("Ukraine",))
        changes = incidents.Changes(title=title, kind=IncidentKind.MISSILE_STRIKE, place=place)
        if self.incidents:
            incident = self.incidents[0]
            version = self._get(Incident, incident).version
            self._commit(
                lambda uow: incidents.update_incident(uow, self.bench.rita, incident, version=version, changes=changes)
            )

    def link(self) -> None:
        if self.incidents:
            incident = self.incidents[0]
            self._commit(
                lambda uow: incidents.link_evidence(
                    uow, self.bench.rita, incident, evidence_id=self.bench.item, depicts=True, counted=True, note="N."
                )
            )

    def unlink(self) -> None:
        with self.bench.sessions() as session:
            live = session.scalar(select(IncidentEvidence).where(IncidentEvidence.unlinked_at.is_(None)).limit(1))
        if live is not None:
            ended, incident = live.id, live.incident_id
            self._commit(
                lambda uow: incidents.unlink_evidence(uow, self.bench.rita, incident, ended, reason="Elsewhere.")
            )

    def decide(self) -> None:
        with self.bench.sessions() as session:
            undecided = undecided_matches(session, self.bench.item)
        for match in undecided:
            stated: dict[str, Any] = {"actor": self.bench.olena, "match_id": match, "relation": "exact_copy"}
            self._commit(partial(decide_match, reason="Equal.", **stated))

    def grade(self) -> None:
        if self.incidents:
            incident = self.incidents[0]
            before = self._newest(Grading, incident)
            grade = Grade.CONTESTED if before is None or before.grade != Grade.CONTESTED else Grade.DISCOUNTED
            stated = StatedGrading(grade, "Accounts differ.", before and before.id, None, ())
            self._commit(lambda uow: gradings.grade_incident(uow, self.bench.rita, incident, stated))

    def state_standard(self) -> None:
        if self.incidents:
            incident = self.incidents[0]
            before = self._newest(StandardOfProof, incident)
            withdraws = before is not None and before.standard is not None
            code = None if withdraws else "reasonable_grounds_to_suspect"
            stated = StatedStandard(code, "So far.", before and before.id)
            self._commit(lambda uow: gradings.state_standard(uow, self.bench.rita, incident, stated))

    def classify(self) -> None:
        if self.incidents:
            incident = self.incidents[0]
            before = self._newest(Classification, incident)
            provisions = ("rome_statute:8(2)(b)(ix)",)
            stated = StatedClassification(Qualifier.ASSESSED, provisions, "A school.", before and before.id)
            self._commit(lambda uow: gradings.classify_incident(uow, self.lena, incident, stated))

    def change_member(self) -> None:
        """Lena comes to be a collector too, or is one no more."""
        bench, account = self.bench, self.lena.account_id
        with bench.sessions() as session:
            is_one = session.get(CaseMember, (bench.case_id, account, Role.COLLECTOR)) is not None
        change = revoke_role if is_one else grant_role
        self._commit(lambda uow: change(uow, bench.coordinator, bench.case_id, account_id=account, role=Role.COLLECTOR))

    def change_policy(self) -> None:
        bench = self.bench
        with bench.sessions() as session:
            version, policy = current_policy(session, bench.case_id)
        stated = replace(policy, leases_per_person=100 + version)
        self._commit(lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=version, policy=stated))

    def give_consent(self) -> None:
        self._commit(lambda uow: give_item_consent(uow, self.bench.olena, self.bench.item, CONSENT))

    def testify(self) -> None:
        """A testimony, or its next version."""
        if self.incidents:
            incident = self.incidents[0]
            newest = select(Testimony).where(Testimony.incident_id == incident).order_by(Testimony.number.desc())
            with self.bench.sessions() as session:
                before = session.scalar(newest.limit(1))
            supersedes = None if before is None or before.number % 3 == 0 else before.id
            stated = StatedTestimony(
                **TESTIMONY,
                text=f"Version after {before and before.number}.",
                supersedes=supersedes,
                consent=CONSENT if supersedes is None else None,
            )
            self._commit(lambda uow: record_testimony(uow, self.bench.rita, incident, stated))

    def assess(self) -> None:
        """A lead, or what is thought of it now."""
        if self.lead is None:
            made = self._commit(
                lambda uow: register_lead(uow, self.bench.olena, self.bench.case_id, claim="A strike.", address=None)
            )
            self.lead = made.id
            self.items.append(made.id)
        lead = self.lead
        version = self._get(Evidence, lead).version
        self._commit(lambda uow: assess_lead(uow, self.bench.olena, lead, ASSESSED, version=version))

    def _on_item(self, command: Any, actor: Actor, **options: Any) -> None:
        version = self.bench.version()
        self._commit(lambda uow: command(uow, actor, self.bench.item, version=version, **options))

    def _commit(self, work: Callable[[UnitOfWork], Any]) -> Any:
        return commit_in(self.bench.sessions, work)

    def _get(self, kind: Any, identity: UUID) -> Any:
        with self.bench.sessions() as session:
            return session.get_one(kind, identity)

    def _newest(self, kind: Any, incident: UUID) -> Any:
        with self.bench.sessions() as session:
            return gradings.newest(session, kind, incident)


def without(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in OF_NOW}


def paths(base: str, lists: tuple[str, ...]) -> Iterator[str]:
    return (f"{base}/{each}" for each in lists)
