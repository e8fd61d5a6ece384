"""The statement's case, loaded through the API: its import, its uploads, and the way of each item to its sign-off."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import httpx

from app.kernel.primitives import Sha256Hex
from tests.factories import make_compared
from tests.statement.footage import recordings, stills
from tests.statement.records import HOSPITAL, STRIKES, Record, records
from tests.support.api import Api, Person
from tests.support.journey import ok, received
from tests.support.work import work_of

PEOPLE = ("Coordinator", "Olena", "Petro", "Rita", "Anna", "Outsider")
DIMENSIONS = ("provenance", "source", "date", "location", "content", "technical")
HOSPITAL_IMAGES, HOSPITAL_VIDEOS = 14, 6
WHOLE = 121
"""How many verified items the statement counts ("more than 120")."""


@dataclass(frozen=True)
class Kept:
    """What a copy of the database is known by: people as (id, name, token), ids by code of the strike."""

    admin_token: str
    people: tuple[tuple[str, str, str], ...]
    case_id: str
    incidents: dict[str, str]
    items: dict[str, tuple[str, ...]]


@dataclass
class Statement:
    """``items``: the verified ones of each strike, in the order of their upload; the hospital's images come first."""

    api: Api
    people: dict[str, Person]
    case_id: str
    incidents: dict[str, str] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)

    # --- made, and known again

    @classmethod
    def make(cls, api: Api, items_of_others: int, *, decodes: bool) -> Self:
        """With so many verified items of the strikes besides the hospital's, in turn.

        ``decodes``: whether the worker's jobs decode, fingerprint and compare the files (a third of a second each), or
        settle them as they do what cannot be decoded.
        """
        made = cls.empty(api)
        made.take_in(records())
        made._read_incidents()
        made._bring(items_of_others, decodes=decodes)
        return made

    @classmethod
    def empty(cls, api: Api) -> Self:
        """People and a case, and nothing in it."""
        people = {name: api.person(name) for name in PEOPLE}
        case_id = api.case(
            people["Coordinator"],
            verifier=(people["Olena"], people["Petro"]),
            researcher=(people["Rita"],),
            auditor=(people["Anna"],),
        )
        return cls(api, people, case_id)

    @classmethod
    def known(cls, api: Api, kept: Kept) -> Self:
        people = {one[1]: Person(*one, api.client(one[2])) for one in kept.people}
        items = {code: list(ids) for code, ids in kept.items.items()}
        return cls(api, people, kept.case_id, dict(kept.incidents), items)

    def kept(self) -> Kept:
        people = tuple((one.id, one.name, one.token) for one in self.people.values())
        items = {code: tuple(ids) for code, ids in self.items.items()}
        return Kept(self.api.admin.token, people, self.case_id, self.incidents, items)

    def _read_incidents(self) -> None:
        listed = ok(self.rita.get(f"/v1/cases/{self.case_id}/incidents", params={"limit": 100}))
        assert listed["next_cursor"] is None
        self.incidents = {each["code"]: each["id"] for each in listed["items"]}

    def _bring(self, items_of_others: int, *, decodes: bool) -> None:
        """All files first: what is found among them is found before anybody verifies."""
        others = [strike.code for strike in STRIKES if strike.code != HOSPITAL]
        pictures = iter(stills(HOSPITAL_IMAGES + items_of_others))
        codes = [HOSPITAL] * HOSPITAL_IMAGES + [others[number % len(others)] for number in range(items_of_others)]
        files = [(code, next(pictures), "image.jpg") for code in codes]
        files += [(HOSPITAL, recording, "video.mp4") for recording in recordings(HOSPITAL_VIDEOS)]
        for code, content, name in files:
            self.items.setdefault(code, []).append(self.upload(content, name))
        if not decodes:
            self._settle(list(self.verified_items()))
        self.work()
        for code, item in self.verified_items():
            self.verify(code, item)

    def _settle(self, items: list[tuple[str, str]]) -> None:
        with work_of(self.api) as work:
            assert {work.run_one() for _ in items} == {"preserve"}
        for _, item in items:
            sha256 = ok(self.olena.get(f"/v1/evidence/{item}"))["sha256"]
            make_compared(self.api.app.state.services.sessions, UUID(item), Sha256Hex(sha256))

    # --- people and places

    @property
    def rita(self) -> Person:
        return self.people["Rita"]

    @property
    def olena(self) -> Person:
        return self.people["Olena"]

    @property
    def hospital(self) -> str:
        return self.incidents[HOSPITAL]

    def verified_items(self) -> Iterator[tuple[str, str]]:
        return ((code, item) for code, items in self.items.items() for item in items)

    # --- acts

    def take_in(self, lines: list[Record]) -> dict[str, Any]:
        data = "\n".join(json.dumps(line) for line in lines).encode()
        kind = {"Content-Type": "application/jsonl"}
        taken: dict[str, Any] = ok(self.rita.post(f"/v1/cases/{self.case_id}/imports", content=data, headers=kind))
        assert (taken["is_good"], taken["added"]) == (True, len(lines))
        return taken

    def upload(self, content: bytes, name: str = "image.jpg", **metadata: Any) -> str:
        return received(self.olena, self.case_id, content, name, **metadata)

    def work(self) -> None:
        with work_of(self.api) as work:
            work.finish()

    def link(self, code: str, item: str, **options: Any) -> dict[str, Any]:
        body = {"evidence_id": item, "depicts": True, "counted": True, **options}
        linked: dict[str, Any] = ok(self.rita.post(f"/v1/incidents/{self.incidents[code]}/evidence", json=body), 201)
        return linked

    def verify(self, code: str, item: str, outcome: str = "verified", relation: str = "unrelated") -> None:
        """From ``preserved`` to ``signed_off``, linked to the strike; matches are decided to be this relation."""
        self.link(code, item)
        version = ok(self.olena.get(f"/v1/evidence/{item}"))["version"]
        version = self._move("Olena", item, version, event="open_verification")
        self.verify_again(item, version, outcome, relation, self.incidents[code])

    def verify_again(
        self, item: str, version: int, outcome: str, relation: str = "unrelated", incident: str | None = None
    ) -> None:
        for dimension in DIMENSIONS:
            stated = {
                "dimension": dimension,
                "result": "established",
                "confidence": "high",
                "methods": ["landmark_match"],
                "rationale": "It stands as in the reference.",
            }
            ok(self.olena.post(f"/v1/evidence/{item}/findings", json=stated), 201)
        for match in ok(self.olena.get(f"/v1/evidence/{item}/matches"))["items"]:
            if match["decision"] is None:
                decided = {"relation": relation, "reason": "Compared side by side.", "evidence_id": item}
                ok(self.olena.post(f"/v1/matches/{match['id']}/decision", json=decided), 201)
        verdict = {"outcome": outcome, "rationale": "All of it fits.", "incident_id": incident}
        version = self._move("Olena", item, version, event="submit", verdict=verdict)
        version = self._move("Petro", item, version, event="concur")
        self._move("Rita", item, version, event="sign_off")

    def reopen(self, item: str) -> int:
        """The item's version afterwards."""
        version = ok(self.rita.get(f"/v1/evidence/{item}"))["version"]
        return self._move("Rita", item, version, event="reopen", reason="A longer recording came in.")

    def _move(self, name: str, item: str, version: int, **body: Any) -> int:
        answer: httpx.Response = self.people[name].post(
            f"/v1/evidence/{item}/transitions", json=body, headers={"If-Match": f'"{version}"'}
        )
        moved: int = ok(answer)["version"]
        return moved
