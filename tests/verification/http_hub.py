"""A case over HTTP with its people, and the steps of verifying its one item."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from app.media.service import record_read_back
from app.unit_of_work import unit_of_work
from app.verification.rules import Dimension
from tests.factories import NO_LABELS, make_compared
from tests.support.api import Api, Person

RAILWAY = Path(__file__).parent.parent / "assets" / "railway.jpg"
METADATA = {
    "collector": "Olena Example",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "Public channel",
    "labels": NO_LABELS,
}
REQUIRED = [str(dimension) for dimension in Dimension if dimension is not Dimension.MOTIVATION]
SUBMIT: dict[str, Any] = {"event": "submit", "verdict": {"outcome": "verified", "rationale": "All of it fits."}}


@dataclass
class Hub:
    """A case with its people, and one preserved, labelled item on real bytes."""

    api: Api
    case_id: str
    item: str
    coordinator: Person
    olena: Person
    petro: Person
    rita: Person
    outsider: Person

    @property
    def path(self) -> str:
        return f"/v1/evidence/{self.item}"

    def etag(self) -> str:
        etag: str = self.coordinator.get(self.path).headers["ETag"]
        return etag

    def move(self, person: Person, etag: str | None = None, **body: Any) -> httpx.Response:
        headers = {"If-Match": etag or self.etag()}
        return person.post(f"{self.path}/transitions", json=body, headers=headers)

    def find(self, person: Person, dimension: str = "date", **stated: Any) -> httpx.Response:
        body = {
            "dimension": dimension,
            "result": "established",
            "confidence": "high",
            "methods": ["metadata"],
            "rationale": "The clock in the picture.",
            **stated,
        }
        return person.post(f"{self.path}/findings", json=body)

    def to_review(self) -> None:
        assert self.move(self.olena, event="open_verification").status_code == 200
        for dimension in REQUIRED:
            assert self.find(self.olena, dimension).status_code == 201
        submitted = self.move(self.olena, **SUBMIT)
        assert submitted.status_code == 200, submitted.text

    def to_sign_off(self) -> None:
        self.to_review()
        assert self.move(self.petro, event="concur").status_code == 200

    def entry_types(self) -> list[str]:
        query = text("SELECT type FROM ledger_entries WHERE stream_id = :item ORDER BY seq")
        with self.api.app.state.services.sessions() as session:
            return list(session.scalars(query, {"item": self.item}))

    def blob_file(self) -> Path:
        """The item's file in the store."""
        files = [path for path in (self.api.settings.data / "blobs").rglob("*") if path.is_file()]
        [found] = [path for path in files if path.stat().st_size == RAILWAY.stat().st_size]
        return found


def make_hub(api: Api) -> Hub:
    coordinator, olena, petro = api.person("Coordinator"), api.person("Olena"), api.person("Petro")
    rita, outsider = api.person("Rita"), api.person("Outsider")
    case_id = api.case(coordinator, verifier=(olena, petro), researcher=(rita,))
    parts: list[tuple[str, Any]] = [
        ("metadata", (None, json.dumps(METADATA), "application/json")),
        ("file", ("railway.jpg", RAILWAY.read_bytes(), "image/jpeg")),
    ]
    received = olena.post(f"/v1/cases/{case_id}/evidence", files=parts)
    assert received.status_code == 201, received.text
    item = received.json()["id"]
    services = api.app.state.services
    with unit_of_work(services.sessions) as uow:
        record_read_back(uow, UUID(item), services.blobs.reread(received.json()["sha256"]))
        uow.commit()
    make_compared(services.sessions, UUID(item), received.json()["sha256"])
    return Hub(api, case_id, item, coordinator, olena, petro, rita, outsider)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]
