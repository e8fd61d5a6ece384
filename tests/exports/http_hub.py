"""A case with one real photograph in it over HTTP, and the jobs that make packages of it."""

from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.exports import export_jobs, removal
from app.worker import Runner, WorkerLimits
from tests.exports.packages import Stores
from tests.media_samples import ASSETS
from tests.support.api import Api, Person
from tests.support.journey import received

_WAITING = text(
    "DELETE FROM procrastinate_jobs WHERE task_name = ANY(:names) AND status = 'todo' RETURNING task_name, args"
)
JOBS = {job.name: job for job in (*export_jobs.JOBS, *removal.JOBS)}


class HttpHub:
    """A case with one real photograph in it, and the jobs of packages."""

    def __init__(self, api: Api, sessions: sessionmaker[Session], vkey: str) -> None:
        self.api, self.sessions, self.vkey = api, sessions, vkey
        self.anna, self.olena, self.petro, self.stranger = (
            api.person(name) for name in ("Anna", "Olena", "Petro", "Stranger")
        )
        self.case_id = api.case(self.anna, verifier=(self.olena,), auditor=(self.petro,), custodian=(self.anna,))
        self.photograph = (ASSETS / "rocket.jpg").read_bytes()
        self.item = received(self.anna, self.case_id, self.photograph, "rocket.jpg", notes="Seen from the roof")
        services = api.app.state.services
        self.stores = Stores(services.settings, services.blobs, services.packages)

    def ask(self, person: Person, **facts: Any) -> httpx.Response:
        body = {"scope": "evidence", "ids": [self.item], "purpose": "court", **facts}
        return person.post("/v1/exports", json=body)

    def work(self) -> None:
        """The jobs of packages that wait, as a worker runs them."""
        while True:
            with self.sessions.begin() as session:
                waiting = session.execute(_WAITING, {"names": list(JOBS)}).all()
            if not waiting:
                return
            for name, arguments in waiting:
                Runner(self.sessions, self.stores, WorkerLimits()).run(JOBS[name], None, 0, arguments)

    def made(self, person: Person, **facts: Any) -> str:
        asked = self.ask(person, **facts)
        assert asked.status_code == 202, asked.text
        self.work()
        return str(asked.json()["id"])

    def entries(self, entry_type: str) -> int:
        with self.sessions() as session:
            return int(
                session.execute(
                    text("SELECT count(*) FROM ledger_entries WHERE type = :type"), {"type": entry_type}
                ).scalar_one()
            )
