"""The people of one case, each with a role."""

from sqlalchemy import text

from tests.support.api import Api

METADATA = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
    "claimed_place": "Kharkiv, north",
}


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

    def entries(self, stream: str, kind: str) -> int:
        """How many entries of a type a stream has."""
        with self.api.app.state.services.sessions() as session:
            query = text("SELECT count(*) FROM ledger_entries WHERE stream_id = :stream AND type = :kind")
            return int(session.scalar(query, {"stream": stream, "kind": kind}) or 0)
