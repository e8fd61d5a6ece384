"""Two cases with people of every role, their objects, and everyone who may call: what the contract tests begin with."""

import base64
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.ledger.checkpoint import VerifierKey
from app.ledger.keys import FileSigner, publish_verifier_key, published_directory
from app.ledger.log import installation
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase
from tests.support.work import work_of
from tests.verification.signers import OwnKey

PICTURE = Path(__file__).parents[1] / "assets" / "table.jpg"
CASE_ROLES = ("collector", "verifier", "coordinator", "researcher", "legal_analyst", "custodian", "auditor")
SCOPES = ("read", "write", "content", "admin")
METADATA: dict[str, Any] = {
    "collector": "Olena",
    "method": "download",
    "acquired_at": "2026-07-14T09:30:00Z",
    "source": "A channel",
    "labels": {"graphic_level": "none"},
}
LABELS = {"graphic_level": "none", "child": False, "sexual_violence": False, "distressing_audio": False}

MISSING = str(uuid.UUID(int=0xDEAD0000000040008000000000000000))


@dataclass(frozen=True)
class Caller:
    """Someone who calls, and what the domain says they are: roles by case (``A``, ``B``), in the organisation."""

    name: str
    http: httpx.Client
    account_id: str = MISSING
    is_active: bool = True
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    organisation: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset({"read", "write", "content"})
    owns: frozenset[str] = frozenset()
    """Kinds of which the object called ``own`` is this person's."""
    is_limited: bool = False
    """Whether the token is limited to cases or roles."""


@dataclass(repr=False)
class World:
    """``objects[kind][which]`` are the path's parameters; ``which`` is own, other, foreign or missing."""

    api: Api
    people: dict[str, Person] = field(default_factory=dict)
    callers: list[Caller] = field(default_factory=list)
    cases: dict[str, str] = field(default_factory=dict)
    objects: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)


@contextmanager
def open_world(database: TestDatabase, data: Path, *, foreign: bytes | None = None) -> Iterator[World]:
    """The API on a database of its own with everything in it. No integrator runs, so no request waits for one long.
    ``foreign``: what the items of case B show; else the same as those of case A."""
    with running_api(database, data, checkpoint_wait_s=0.02, search_wait_s=0.02) as api:
        _publish_key(api)
        world = World(api)
        _people_and_cases(world)
        _objects(world, PICTURE.read_bytes() if foreign is None else foreign)
        _handed_over(world, database)
        _callers(world)
        yield world


def _publish_key(api: Api) -> None:
    with api.app.state.services.sessions() as session:
        origin = installation(session).origin
    published = published_directory(api.settings.data)
    published.mkdir(exist_ok=True)
    publish_verifier_key(published, VerifierKey(origin, FileSigner(Ed25519PrivateKey.generate()).public_key))


def _people_and_cases(world: World) -> None:
    api = world.api
    names = (*CASE_ROLES, "second collector", "everyone", "outsider", "leaver", "foreign collector")
    people = world.people = {name: api.person(name.replace("_", " ")) for name in names}
    everyone = people["everyone"]
    roles = [role for role in CASE_ROLES if role not in ("collector", "coordinator")]
    members = {role: (people[role], everyone) for role in roles}
    collectors = (people["collector"], people["second collector"], people["leaver"], everyone)
    world.cases["A"] = api.case(people["coordinator"], collector=collectors, **members)
    promoted = people["coordinator"].put(f"/v1/cases/{world.cases['A']}/members/{everyone.id}/coordinator")
    assert promoted.status_code == 200, promoted.text
    foreign = dict.fromkeys(roles, (everyone,))
    world.cases["B"] = api.case(everyone, collector=(people["foreign collector"], everyone), **foreign)


def _objects(world: World, shown_abroad: bytes) -> None:
    people, cases = world.people, world.cases
    with work_of(world.api) as work:
        foreign = receive(people["foreign collector"], cases["B"], shown_abroad)
        receive(people["everyone"], cases["B"], shown_abroad)
        work.finish()
        own = receive(people["collector"], cases["A"])
        other = receive(people["second collector"], cases["A"])
        work.finish()
    lead = people["verifier"].post(f"/v1/cases/{cases['A']}/evidence", json={"lead_claim": "A film of the bridge"})
    items = {"own": own["id"], "other": other["id"], "foreign": foreign["id"], "missing": MISSING}
    objects = world.objects
    objects["case"] = _of("case_id", own=cases["A"], foreign=cases["B"])
    objects["evidence"] = {which: {"evidence_id": value} for which, value in items.items()}
    first, second = incident(people["coordinator"], cases["A"]), incident(people["everyone"], cases["B"])
    objects["incident"] = _of("incident_id", own=first, foreign=second)
    objects["link"] = {
        "own": {"incident_id": first, "link_id": link(people["coordinator"], first, own["id"])},
        "foreign": {"incident_id": second, "link_id": link(people["everyone"], second, foreign["id"])},
        "missing": {"incident_id": MISSING, "link_id": MISSING},
    }
    objects["match"] = _of(
        "match_id", own=match(people["verifier"], own["id"]), foreign=match(people["everyone"], foreign["id"])
    )
    objects["notice"] = {
        "own": {"case_id": cases["A"], "notice_id": notice(people["coordinator"], cases["A"])},
        "foreign": {"case_id": cases["B"], "notice_id": notice(people["everyone"], cases["B"])},
        "missing": {"case_id": MISSING, "notice_id": MISSING},
    }
    objects["entry"] = _of(
        "commitment",
        own=lead.json()["receipts"][0]["commitment"],
        other=other["receipts"][0]["commitment"],
        foreign=foreign["receipts"][0]["commitment"],
        missing="0" * 64,
    )
    first_key = revoked_key(people["verifier"], cases["A"])
    second_key = revoked_key(people["everyone"], cases["B"])
    objects["reviewer_key"] = {
        "own": {"case_id": cases["A"], "keyid": first_key},
        "foreign": {"case_id": cases["B"], "keyid": second_key},
        "missing": {"case_id": MISSING, "keyid": "0" * 64},
    }
    objects["erasure"] = _of(
        "request_id",
        own=erasure_request(people["custodian"], own["receipts"][1]["commitment"]),
        foreign=erasure_request(people["everyone"], foreign["receipts"][1]["commitment"]),
    )
    objects["testimony"] = _of(
        "testimony_id",
        own=testimony(people["coordinator"], first),
        foreign=testimony(people["everyone"], second),
    )
    objects["opening"] = _of(
        "opening_id",
        own=opening(people["custodian"], people["coordinator"], own["id"]),
        foreign=opening(people["everyone"], people["everyone"], foreign["id"]),
    )
    objects["export"] = _of(
        "export_id",
        own=export(people["coordinator"], cases["A"]),
        foreign=export(people["everyone"], cases["B"]),
    )
    objects["log_schedule"] = _of(
        "schedule_id",
        own=log_schedule(people["coordinator"], cases["A"]),
        foreign=log_schedule(people["everyone"], cases["B"]),
    )
    collected = {"own": own["id"], "other": other["id"], "foreign": foreign["id"]}
    objects["redaction"] = {"missing": {"evidence_id": MISSING, "redaction_id": MISSING}}
    for which, item in collected.items():
        person = people["everyone" if which == "foreign" else "verifier"]
        objects["redaction"][which] = {"evidence_id": item, "redaction_id": redaction(person, item)}
    holders = {"own": people["auditor"].id, "foreign": people["everyone"].id, "missing": MISSING}
    objects["holder"] = {which: {**path, "account_id": holders[which]} for which, path in objects["case"].items()}
    stranger = {"account_id": people["outsider"].id}
    objects["stranger"] = {which: {**path, **stranger} for which, path in objects["case"].items()}
    objects["account"] = _of("account_id", other=people["outsider"].id)
    objects["token"] = _of("token_id", other=spare_token(people["second collector"]))
    objects["stopped_frame"] = _of("frame_id", own=stopped_frame(world.api.admin))
    objects["nothing"] = {"own": {}}


def _handed_over(world: World, database: TestDatabase) -> None:
    """A release and a transfer of each case's package, which is never ready here: so they are put past the guards. The
    transfer was revoked: whatever is tried, it stays so."""
    objects, tables = world.objects, ("releases", "transfers")
    objects["release"] = {"missing": {"release_id": MISSING}}
    objects["transfer"] = {"missing": {"export_id": MISSING, "transfer_id": MISSING}}
    with psycopg.connect(database.owner_url) as connection:
        for table in tables:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for which in ("own", "foreign"):
            export_id = objects["export"][which]["export_id"]
            release_id, transfer_id = str(uuid.uuid4()), str(uuid.uuid4())
            connection.execute(RELEASED, {"release": release_id, "export": export_id})
            connection.execute(HANDED_OVER, {"transfer": transfer_id, "export": export_id})
            objects["release"][which] = {"release_id": release_id}
            objects["transfer"][which] = {"export_id": export_id, "transfer_id": transfer_id}
        for table in tables:
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


RELEASED = """
    INSERT INTO releases (id, case_id, export_id, policy_version, log_origin, tree_size, root, manifest_sha256,
        pins_sha256, items_count, figures_count, released_by, released_at)
    SELECT CAST(%(release)s AS uuid), case_id, id, 1, 'log', 1, sha256('a'), sha256('b'), sha256('c'), 0, 0,
        requested_by, now()
    FROM exports WHERE id = CAST(%(export)s AS uuid)
"""
HANDED_OVER = """
    INSERT INTO transfers (id, case_id, export_id, state, token_sha256, transferred_by, transferred_at, expires_at,
        revoked_by, revoked_at)
    SELECT CAST(%(transfer)s AS uuid), case_id, id, 'revoked',
        sha256(convert_to(CAST(%(transfer)s AS text), 'UTF8')), requested_by, now(),
        now() + interval '1 day', requested_by, now()
    FROM exports WHERE id = CAST(%(export)s AS uuid)
"""


def _of(name: str, missing: str = MISSING, **values: str) -> dict[str, dict[str, str]]:
    return {which: {name: value} for which, value in {**values, "missing": missing}.items()}


def _callers(world: World) -> None:
    api, people = world.api, world.people
    member = {"A": frozenset(CASE_ROLES), "B": frozenset(CASE_ROLES)}
    everyone = people["everyone"]
    callers = world.callers
    callers.append(Caller("anonymous", api.client(), is_active=False))
    callers.append(Caller("unknown token", api.client("exh_unknown"), is_active=False))
    path = f"/v1/users/{people['leaver'].id}"
    assert api.admin.change(f"{path}/deactivate", path).status_code == 200
    callers.append(Caller("deactivated", people["leaver"].http, is_active=False))
    callers.append(Caller("outsider", people["outsider"].http, people["outsider"].id))
    owned = {"collector": frozenset({"evidence", "redaction"}), "verifier": frozenset({"entry", "reviewer_key"})}
    for role in CASE_ROLES:
        person = people[role]
        held = {"A": frozenset({role})}
        callers.append(Caller(role, person.http, person.id, roles=held, owns=owned.get(role, frozenset())))
    administrator = frozenset({"administrator"})
    callers.append(
        Caller("administrator", api.admin.http, api.admin.id, organisation=administrator, scopes=frozenset(SCOPES))
    )
    callers.append(_organisation_auditor(api))
    limited = token(everyone, case_ids=[world.cases["B"]])
    callers.append(Caller("limited to B", api.client(limited), everyone.id, roles={"B": member["B"]}, is_limited=True))
    limited = token(everyone, roles=["auditor"])
    held = {case: frozenset({"auditor"}) for case in ("A", "B")}
    callers.append(Caller("limited to auditor", api.client(limited), everyone.id, roles=held, is_limited=True))
    for scope in SCOPES:
        rest = sorted(set(SCOPES) - {scope} - (set() if scope == "admin" else {"admin"}))
        owner = api.admin if scope == "admin" else everyone
        client = api.client(token(owner, scopes=rest))
        held, organisation = ({}, administrator) if owner is api.admin else (member, frozenset())
        callers.append(
            Caller(f"without {scope}", client, owner.id, roles=held, organisation=organisation, scopes=frozenset(rest))
        )


def _organisation_auditor(api: Api) -> Caller:
    made = api.admin.post("/v1/users", json={"name": "Chief", "email": "chief@hub.example", "is_auditor": True})
    account_id = made.json()["id"]
    secret = api.admin.post(
        "/v1/tokens", json={"name": "t", "scopes": ["read", "write", "content"], "account_id": account_id}
    ).json()["token"]
    auditor = frozenset({"organisation_auditor"})
    return Caller("organisation auditor", api.client(secret), account_id, organisation=auditor)


# --- builders, each by one call of the API ----------------------------------------------------------------------------


def form(**facts: Any) -> list[tuple[str, Any]]:
    """The parts of an upload of a few bytes."""
    return [("metadata", (None, json.dumps({**METADATA, **facts}))), ("file", ("table.jpg", b"not a picture"))]


def receive(person: Person, case_id: str, content: bytes | None = None) -> dict[str, Any]:
    """An item on these bytes; else on the picture's."""
    content = PICTURE.read_bytes() if content is None else content
    answer = person.post(
        f"/v1/cases/{case_id}/evidence", files=[form(labels=LABELS)[0], ("file", ("table.jpg", content))]
    )
    assert answer.status_code == 201, answer.text
    item: dict[str, Any] = answer.json()
    return item


def incident(person: Person, case_id: str, code: str = "I-1") -> str:
    made = person.post(f"/v1/cases/{case_id}/incidents", json={"code": code, "title": "Strike", "kind": "air_strike"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def link(person: Person, incident_id: str, evidence_id: str) -> str:
    made = person.post(f"/v1/incidents/{incident_id}/evidence", json={"evidence_id": evidence_id, "depicts": True})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def revoked_key(person: Person, case_id: str) -> str:
    """The id of a key that this person brought into the case and took back: whatever is tried, it stays as it is."""
    own = OwnKey()
    path = f"/v1/cases/{case_id}/reviewer-keys"
    statement = person.get(f"{path}/statement", params={"public_key": own.public_key}).json()
    envelope = own.envelope(base64.b64decode(statement["payload"]))
    made = person.post(path, json={"public_key": own.public_key, "envelope": envelope})
    assert made.status_code == 201, made.text
    ended = person.post(f"{path}/{own.keyid}/revocation", json={"reason_code": "other"})
    assert ended.status_code == 200, ended.text
    return own.keyid


def erasure_request(person: Person, commitment: str) -> str:
    ground = {"reason_code": "typed_by_mistake", "authority": "controller"}
    made = person.post(f"/v1/ledger/entries/{commitment}/erasure-requests", json=ground)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def testimony(person: Person, incident_id: str) -> str:
    """Of a testimony with its witness's consent, whose identity nobody sealed."""
    consent = {"subject": "W-17", "subject_kind": "witness", "scopes": ["verification"], "obtained": "written"}
    stated = {"witness": "W-17", "text": "The ceiling fell.", "language": "uk", "taken_on": "2026-07-14"}
    stated |= {"taken_by": "Olena", "method": "interview_in_person", "required_scope": "verification"}
    body = {**stated, "supersedes": None, "consent": {**consent, "given_on": "2026-07-14"}}
    made = person.post(f"/v1/incidents/{incident_id}/testimonies", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["testimony_id"])


def opening(person: Person, sealer: Person, evidence_id: str) -> str:
    """A request to open the identity of an item's source, which was refused: whatever is tried, it stays so."""
    path = f"/v1/evidence/{evidence_id}"
    sealed = sealer.change(f"{path}/source", path, "PUT", json={"identity": {"name": "Iryna"}})
    assert sealed.status_code == 200, sealed.text
    made = person.post(f"{path}/source/openings", json={"purpose": "consent", "reason": "To ask anew."})
    assert made.status_code == 201, made.text
    opening_id = made.json()["id"]
    refused = person.post(f"/v1/identity-openings/{opening_id}/decision", json={"decision": "refuse"})
    assert refused.status_code == 200, refused.text
    return str(opening_id)


def export(person: Person, case_id: str) -> str:
    made = person.post("/v1/exports", json={"scope": "case", "ids": [case_id], "purpose": "audit"})
    assert made.status_code == 202, made.text
    return str(made.json()["id"])


def log_schedule(person: Person, case_id: str) -> str:
    made = person.post("/v1/ledger/schedules", json={"case": case_id, "purpose": "audit"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def redaction(person: Person, evidence_id: str) -> str:
    made = person.post(f"/v1/evidence/{evidence_id}/redactions", json={"boxes": []})
    assert made.status_code == 202, made.text
    return str(made.json()["id"])


def notice(person: Person, case_id: str) -> str:
    """That the picture lies in the other case too; MISSING where it does not."""
    found = person.get(f"/v1/cases/{case_id}/notices").json()["items"]
    return str(found[0]["id"]) if found else MISSING


def match(person: Person, evidence_id: str) -> str:
    return str(person.get(f"/v1/evidence/{evidence_id}/matches").json()["items"][0]["id"])


def stopped_frame(administrator: Person) -> str:
    """The id of a frame on the stop list."""
    facts = {"hash_version": "pdq/1", "value": "0f" * 32, "kind": "test_card", "reason": "The broadcaster's."}
    made = administrator.post("/v1/stop-list", json=facts)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def spare_token(owner: Person) -> str:
    """The id of a token that nobody calls with."""
    made = owner.post("/v1/tokens", json={"name": "spare", "scopes": ["read"]})
    return str(made.json()["id"])


def token(owner: Person, **limits: Any) -> str:
    made = owner.post("/v1/tokens", json={"name": "t", "scopes": ["read", "write", "content"], **limits})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])
