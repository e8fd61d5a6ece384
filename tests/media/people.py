"""The people of one case, each with a role."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import text

from tests.support.api import Api, Person

METADATA = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
    "claimed_place": "Kharkiv, north",
    "labels": {"graphic_level": "none"},
}
"""Of a labelled item, as content is closed until somebody has labelled it; ``labels=None`` for another."""


@dataclass(frozen=True)
class HubFacts:
    """Who and what is in a hub's database: by role an account's id, name and token."""

    admin_token: str
    case_id: str
    people: dict[str, tuple[str, str, str]]


class Hub:
    """A case, its members by role, and a stranger to it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.collector = api.person("Olena Collector")
        self.other_collector = api.person("Petro Collector")
        self.verifier = api.person("Vera Verifier")
        self.coordinator = api.person("Coordinator")
        self.auditor = api.person("Case Auditor")
        self.stranger = api.person("Stranger")
        self.case_id = api.case(
            self.coordinator,
            collector=(self.collector, self.other_collector),
            verifier=(self.verifier,),
            auditor=(self.auditor,),
        )

    @classmethod
    def known(cls, api: Api, facts: "HubFacts") -> Self:
        """The hub that a copy of its database holds."""
        hub = cls.__new__(cls)
        hub.api, hub.case_id = api, facts.case_id
        for role, (account_id, name, token) in facts.people.items():
            setattr(hub, role, Person(account_id, name, token, api.client(token)))
        return hub

    def facts(self) -> "HubFacts":
        people = {role: value for role, value in vars(self).items() if isinstance(value, Person)}
        known = {role: (person.id, person.name, person.token) for role, person in people.items()}
        return HubFacts(self.api.admin.token, self.case_id, known)

    def entries(self, stream: str, kind: str) -> int:
        """How many entries of a type a stream has."""
        with self.api.app.state.services.sessions() as session:
            query = text("SELECT count(*) FROM ledger_entries WHERE stream_id = :stream AND type = :kind")
            return int(session.scalar(query, {"stream": stream, "kind": kind}) or 0)
