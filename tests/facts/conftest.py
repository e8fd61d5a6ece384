"""A case with two organisations and an incident, over HTTP, and people of every kind that facts need: made once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.kernel.primitives import new_id
from tests.support.api import Api, Person
from tests.support.databases import TEMPLATE, TestDatabase, TestServer, copied_database
from tests.support.journey import ok
from tests.support.worlds import Kept, known_world, prepared_world

OCCURRED = {
    "from": "2024-07-08T07:30:00Z",
    "to": "2024-07-08T08:00:00Z",
    "zone": "Europe/Kyiv",
    "basis": "Upload times",
}


class World:
    """``ngo`` and ``service`` are organisations of the case, by their ``fact_id``."""

    def __init__(self, api: Api, sessions: sessionmaker[Session]) -> None:
        self.api, self.sessions = api, sessions
        self.rita, self.coordinator, self.custodian = api.person("Rita"), api.person("Coordinator"), api.person("Cus")
        self.auditor, self.outsider = api.person("Anna"), api.person("Outsider")
        self.case_id = api.case(
            self.coordinator, researcher=(self.rita,), custodian=(self.custodian,), auditor=(self.auditor,)
        )
        self.case = f"/v1/cases/{self.case_id}"
        self.ngo = self.organisation("Watch for All", "ngo")
        self.service = self.organisation("Security Service", "prosecution_or_police")
        self.incident = self.new_incident("I-1")
        self.path = f"/v1/incidents/{self.incident}"

    @classmethod
    def of(cls, api: Api) -> Self:
        return cls(api, api.app.state.services.sessions)

    def organisation(self, name: str, kind: str = "ngo", **more: Any) -> str:
        body = {"stated": {"name": name, "organisation_kind": kind, **more}}
        made: str = ok(self.rita.post(f"{self.case}/organisations", json=body), 201)["fact_id"]
        return made

    def new_incident(self, code: str, **more: Any) -> str:
        place = {"administrative_units": ["Ukraine", "Kyiv", "Shevchenkivskyi"]}
        body = {"code": code, "title": "Strike", "kind": "missile_strike", "occurred": OCCURRED, "place": place}
        made: str = ok(self.rita.post(f"{self.case}/incidents", json={**body, **more}), 201)["id"]
        return made

    def body(self, stated: dict[str, Any] | None, source: str | None = None, **more: Any) -> dict[str, Any]:
        """By the ``ngo`` unless another organisation is named."""
        by = None if stated is None else {"organisation_id": source or self.ngo, "document": "Report"}
        return {"stated": stated, "source": by, **more}

    def state(
        self, resource: str, stated: dict[str, Any] | None, person: Person | None = None, **more: Any
    ) -> httpx.Response:
        """A fact of the incident, or of the case."""
        base = self.case if resource in ("organisations", "territory-control", "external-statistics") else self.path
        return (person or self.rita).post(f"{base}/{resource}", json=self.body(stated, **more))

    def refused_by(self, statement: str, **values: Any) -> str | None:
        """The name of the constraint that refuses a statement, at once or at the commit."""
        with self.sessions() as session:
            try:
                session.execute(text(statement), {"id": new_id(), "incident": self.incident, **values})
                session.commit()
            except IntegrityError as error:
                name: str | None = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
                return name
        return None


@pytest.fixture(scope="session")
def prepared(postgres: TestServer, run_directory: Path) -> tuple[str, Kept]:
    """The template with a world in it, and who and what is there."""
    return prepared_world(postgres, run_directory, "facts", lambda api: vars(World.of(api)))


@pytest.fixture
def database(
    postgres: TestServer, prepared: tuple[str, Kept], request: pytest.FixtureRequest
) -> Iterator[TestDatabase]:
    """A fresh database, dropped afterwards; with a world in it for the tests that ask for one."""
    is_asked_for = "world" in request.fixturenames
    template, token = (prepared[0], prepared[1].admin_token) if is_asked_for else (TEMPLATE, None)
    with copied_database(postgres, template, admin_token=token) as made:
        yield made


@pytest.fixture
def world(api: Api, prepared: tuple[str, Kept]) -> World:
    return known_world(World, prepared[1], api, sessions=api.app.state.services.sessions)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]
