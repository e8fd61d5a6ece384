"""A case in which one rare name was written into every personal field that the API has, and the people who erase it."""

import copy
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from app.kernel.database import open_engine, session_factory
from app.media.assessment import QUESTIONS
from tests.exports.custody_cases import integrating, publish_key
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import ok, wait_until
from tests.support.product import Product
from tests.support.work import work_of

ASSETS = Path(__file__).parent.parent / "assets"
GROUND = {"reason_code": "consent_withdrawn", "authority": "data_subject_request"}
NO_LABELS = {"graphic_level": "none"}
DIMENSIONS = ("provenance", "source", "date", "location", "content", "technical")


@dataclass
class Hub:
    """``words`` gives a fresh text with the rare name in it, another one for each field."""

    api: Api
    rare: str
    case_id: str = ""
    items: list[str] = field(default_factory=list)
    incident: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    count: int = 0

    def words(self) -> str:
        self.count += 1
        return f"{self.rare} no. {self.count}"

    @property
    def stem(self) -> str:
        """The rare name as far as it is ASCII: a code takes nothing else."""
        return self.rare.partition("-")[0]

    @property
    def custodian(self) -> Person:
        return self.people["custodian"]

    def entries(self, scope: str = "cases", object_id: str | None = None) -> list[dict[str, Any]]:
        """The custody log's entries, as a custodian reads them."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 200}
        while True:
            page = ok(self.custodian.get(f"/v1/{scope}/{object_id or self.case_id}/custody", params=query))
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    def entry(self, entry_type: str, stream: str | None = None, **data: Any) -> dict[str, Any]:
        """The first entry of this type, in this stream, with these facts."""
        return next(
            each
            for each in self.entries()
            if each["type"] == entry_type
            and stream in (None, each["stream"])
            and data.items() <= (each["data"] or {}).items()
        )

    def erase(self, entry: dict[str, Any], name: str, person: Person | None = None, **ground: Any) -> Any:
        path = f"/v1/ledger/entries/{entry['commitment']}/erasures"
        return (person or self.custodian).post(path, json={"field": name, **GROUND, **ground})

    def take(self, *, disclose: str = "all", scope: str = "cases", object_id: str | None = None) -> bytes:
        path = f"/v1/{scope}/{object_id or self.case_id}/custody/file"
        answer = self.custodian.get(path, params={"purpose": "audit", "disclose": disclose})
        assert answer.status_code == 200, answer.text
        return answer.content


def open_fields(entries: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Entry, field and value of everything that can be read."""
    for entry in entries:
        for name, sealed in (entry["sealed"] or {}).items():
            if sealed["is_disclosed"]:
                yield entry, name, sealed["value"]


@dataclass(frozen=True)
class HubFacts:
    """Who and what is in a filled hub's database, and the data directory that goes with it."""

    data: Path
    admin_token: str
    people: dict[str, tuple[str, str, str]]
    """By role an account's id, name and token."""
    others: dict[str, Any]


def fill_template(database: TestDatabase, data: Path, rare: str) -> HubFacts:
    """A case that is filled over HTTP, with an integrator beside the API."""
    engine = open_engine(database.app_url, pool_size=2)
    with running_api(database, data) as api, integrating(database):
        publish_key(session_factory(engine), data)
        hub = fill(Hub(api, rare))
        people = {role: (person.id, person.name, person.token) for role, person in hub.people.items()}
        others = {name: value for name, value in vars(hub).items() if name not in ("api", "people")}
    engine.dispose()
    return HubFacts(data, api.admin.token, people, others)


@contextmanager
def open_hub(database: TestDatabase, data: Path, facts: HubFacts) -> Iterator[Hub]:
    """The API on a copy of the filled database and of its data directory, with an integrator beside it."""
    shutil.copytree(facts.data, data)
    with running_api(database, data, admin_token=facts.admin_token) as api, integrating(database):
        hub = Hub(api, **copy.deepcopy(facts.others))
        for role, (account_id, name, token) in facts.people.items():
            hub.people[role] = Person(account_id, name, token, api.client(token or None))
        yield hub


def fill(hub: Hub, product: Product | None = None) -> Hub:
    """``product``: its own worker runs the jobs."""
    _people(hub)
    first, second = _items(hub, product)
    _incident(hub, first)
    _correct(hub, first)
    _verify(hub, first)
    match = ok(hub.people["verifier"].get(f"/v1/evidence/{first}/matches"))["items"][0]["id"]
    reason = {"relation": "exact_copy", "reason": hub.words()}
    ok(hub.people["verifier"].post(f"/v1/matches/{match}/decision", json=reason, headers=key("match")), 201)
    _leads(hub)
    hub.items = [first, second]
    return hub


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def _people(hub: Hub) -> None:
    api = hub.api
    for role in ("coordinator", "verifier", "reviewer", "researcher", "custodian", "second custodian", "outsider"):
        hub.people[role] = api.person(role)
    account = {"name": hub.words(), "email": f"{hub.rare}@hub.example".lower()}
    gone = ok(api.admin.post("/v1/users", json=account, headers=key("account")), 201)["id"]
    named = {"name": hub.words(), "scopes": ["read"], "account_id": gone}
    ok(api.admin.post("/v1/tokens", json=named, headers=key("token")), 201)
    refused = api.client().post("/v1/sessions", json={"email": account["email"], "password": "wrong"})
    assert refused.status_code == 401
    people = hub.people
    title = {"title": hub.words(), "description": hub.words(), "coordinator_id": people["coordinator"].id}
    hub.case_id = ok(api.admin.post("/v1/cases", json=title, headers=key("case")), 201)["id"]
    roles = {"verifier": ("verifier", "reviewer"), "researcher": ("researcher",)}
    roles["custodian"] = ("custodian", "second custodian")
    for role, names in roles.items():
        for name in names:
            ok(people["coordinator"].put(f"/v1/cases/{hub.case_id}/members/{people[name].id}/{role}"))
    ok(people["coordinator"].put(f"/v1/cases/{hub.case_id}/members/{gone}/auditor"))
    path = f"/v1/cases/{hub.case_id}"
    ok(people["coordinator"].change(path, path, "PATCH", json={"title": hub.words(), "description": hub.words()}))
    people["gone"] = Person(gone, account["name"], "", api.client())


def _items(hub: Hub, product: Product | None) -> tuple[str, str]:
    """Two items on the same bytes, which claim an owner and two serial numbers."""
    made = []
    photograph = with_owner((ASSETS / "railway.jpg").read_bytes(), hub.words(), hub.words(), hub.words())
    for number in range(2):
        metadata = {
            "collector": hub.words(),
            "method": "download",
            "acquired_at": "2026-07-14T09:30:00Z",
            "source": hub.words(),
            "source_address": hub.words(),
            "claimed_from": "2026-07-13T20:00:00Z",
            "claimed_to": "2026-07-13T21:00:00Z",
            "claimed_place": hub.words(),
            "notes": hub.words(),
            "labels": NO_LABELS,
        }
        form: list[tuple[str, Any]] = [
            ("metadata", (None, json.dumps(metadata), "application/json")),
            ("file", (f"{hub.words()}.jpg", photograph, "image/jpeg")),
        ]
        path = f"/v1/cases/{hub.case_id}/evidence"
        made.append(
            ok(hub.people["verifier"].post(path, files=form, headers=key(f"item {number}"[:4] + str(number))), 201)[
                "id"
            ]
        )
    if product is None:
        with work_of(hub.api) as work:
            work.finish()
    for item in made:
        path = f"/v1/evidence/{item}"
        wait_until(lambda: hub.custodian.get(path).json()["fingerprint_status"] == "done", path)  # noqa: B023
    return made[0], made[1]


def with_owner(jpeg: bytes, owner: str, body: str, lens: str) -> bytes:
    """The same picture, whose EXIF names its camera's owner and its serial numbers, in ASCII alone."""
    exif = Image.Exif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    named = {ExifTags.Base.CameraOwnerName: owner, ExifTags.Base.BodySerialNumber: body}
    for tag, text in {**named, ExifTags.Base.LensSerialNumber: lens}.items():
        details[tag] = text.encode("ascii", "ignore").decode("ascii")
    segment = exif.tobytes()
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def _incident(hub: Hub, item: str) -> None:
    place = {"name": hub.words(), "latitude": 50.45, "longitude": 30.48, "administrative_units": [hub.words()]}
    occurred = {"from": "2026-07-03T05:10:00Z", "to": "2026-07-03T05:25:00Z", "zone": "Europe/Kyiv"}
    stated = {
        "code": f"{hub.stem}-1",
        "title": hub.words(),
        "kind": "other",
        "occurred": {**occurred, "basis": hub.words()},
        "place": place,
    }
    verifier = hub.people["verifier"]
    made = ok(verifier.post(f"/v1/cases/{hub.case_id}/incidents", json=stated, headers=key("incident")), 201)
    hub.incident = made["id"]
    path = f"/v1/incidents/{hub.incident}"
    ok(verifier.change(path, path, "PATCH", json={"title": hub.words()}))
    link = {"evidence_id": item, "depicts": True, "note": hub.words()}
    made = ok(verifier.post(f"{path}/evidence", json=link, headers=key("link")), 201)
    ok(verifier.post(f"{path}/evidence/{made['id']}/end", json={"reason": hub.words()}))


def _correct(hub: Hub, item: str) -> None:
    path = f"/v1/evidence/{item}"
    for name in ("collector", "notes", "collector"):
        correction = {"field": name, "value": hub.words(), "reason": hub.words()}
        ok(hub.people["verifier"].change(f"{path}/corrections", path, json=correction), 201)


def _verify(hub: Hub, item: str) -> None:
    """To a dissent, an adjudication back, another submission, a concurrence, a sign-off and a reopening."""
    people, path = hub.people, f"/v1/evidence/{item}"

    def move(who: str, event: str, **body: Any) -> None:
        ok(people[who].change(f"{path}/transitions", path, json={"event": event, **body}))

    def submit() -> None:
        for dimension in DIMENSIONS:
            finding: dict[str, Any] = {
                "dimension": dimension,
                "result": "established",
                "confidence": "high",
                "methods": ["metadata"],
                "rationale": hub.words(),
                "references": [hub.words()],
            }
            if dimension == "date":
                interval = {"from": "2026-07-03T05:10:00Z", "to": "2026-07-03T05:25:00Z", "zone": "Europe/Kyiv"}
                finding["time_precision"] = {**interval, "basis": hub.words()}
            ok(people["verifier"].post(f"{path}/findings", json=finding), 201)
        move("verifier", "submit", verdict={"outcome": "verified", "rationale": hub.words()})

    match = ok(people["verifier"].get(f"{path}/matches"))["items"][0]["id"]
    reason = {"relation": "potential", "reason": hub.words()}
    move("verifier", "open_verification")
    ok(people["verifier"].post(f"/v1/matches/{match}/decision", json=reason), 201)
    submit()
    move("reviewer", "dissent", comment=hub.words())
    move("researcher", "adjudicate", outcome="back", comment=hub.words())
    ok(people["verifier"].post(f"{path}/lease"))
    submit()
    move("reviewer", "concur", comment=hub.words())


def _leads(hub: Hub) -> None:
    path = f"/v1/cases/{hub.case_id}/evidence"
    lead = {"lead_address": f"https://example.org/{hub.words()}", "lead_claim": hub.words()}
    made = ok(hub.people["coordinator"].post(path, json=lead, headers=key("lead")), 201)
    declined = {"event": "decline", "reason_code": "other", "reason": hub.words()}
    own = f"/v1/evidence/{made['id']}"
    answers = {question: {"answer": "unknown", "reason": hub.words()} for question in QUESTIONS}
    ok(hub.people["coordinator"].change(f"{own}/assessment", own, "PUT", json=answers))
    ok(hub.people["coordinator"].change(f"{own}/transitions", own, json=declined))


def fill_small(hub: Hub) -> Hub:
    """A case with one lead, whose claim is the rare name and whose address has it inside."""
    for role in ("coordinator", "custodian", "second custodian", "outsider"):
        hub.people[role] = hub.api.person(role)
    people = hub.people
    hub.case_id = hub.api.case(people["coordinator"], custodian=(people["custodian"], people["second custodian"]))
    lead = {"lead_claim": hub.rare, "lead_address": f"https://example.org/{hub.rare}"}
    path = f"/v1/cases/{hub.case_id}/evidence"
    hub.items = [ok(people["coordinator"].post(path, json=lead, headers=key("lead")), 201)["id"]]
    return hub


def erase_all(hub: Hub) -> int:
    """Everything that a custodian and an administrator can read with the rare name in it; how many erasures it took."""
    count = 0
    admin, gone = hub.api.admin, f"/v1/users/{hub.people['gone'].id}"
    ok(admin.change(f"{gone}/deactivate", gone))
    for name in ("name", "email", "token_names"):
        ok(admin.post(f"{gone}/erasures", json={"field": name, **GROUND}), 201)
    while found := next((each for each in open_fields(hub.entries()) if hub.stem in str(each[2])), None):
        ok(hub.erase(found[0], found[1]), 201)
        count += 1
    return count
