"""A case with a withdrawn testimony, a withdrawn item, a sealed source and an unlabelled item, and neighbours that must
be seen; and how a word is looked for in an answer, whatever it is written in."""

import base64
import gzip
import io
import json
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy.orm import Session, sessionmaker

from tests.contracts.world import MISSING, World
from tests.exports.custody_cases import integrating, publish_key
from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.support.work import work_of

ASSETS = Path(__file__).parents[1] / "assets"
ROLES = ("collector", "verifier", "coordinator", "researcher", "legal_analyst", "custodian", "auditor")
WITHDRAWN, TESTIMONY, IDENTITY = "Vexlorimand", "Brimmoxalter", "Quillonvexa"
WITHDRAWN_BYTES, UNLABELLED_BYTES = "Zindlequorr", "Mabrothulin"
SEEN = "Harlequintov"
NEVER = (IDENTITY, UNLABELLED_BYTES, WITHDRAWN_BYTES)
"""In no answer to anybody who calls here; the two last are bytes of originals."""


@dataclass
class Outward:
    api: Api
    world: World
    callers: dict[str, httpx.Client] = field(default_factory=dict)
    bringer: Person | None = None
    data: Path = Path()
    position: str = ""
    """A signed one, before anything was withdrawn."""
    address: str = ""
    """A signed one of the withdrawn item's original, made before."""
    etag: str = ""
    """Of that original."""


@contextmanager
def open_outward(database: TestDatabase, sessions: sessionmaker[Session], data: Path) -> Iterator[Outward]:
    with running_api(database, data, search_wait_s=0.02) as api, integrating(database):
        publish_key(sessions, data)
        made = Outward(api, World(api), data=data)
        _fill(made)
        yield made


def _fill(made: Outward) -> None:
    api, world = made.api, made.world
    people = world.people = {name: api.person(name) for name in (*ROLES, "bringer", "outsider")}
    bringer = people["bringer"]
    members = {role: (people[role],) for role in ROLES if role not in ("coordinator", "verifier")}
    case_id = api.case(people["coordinator"], **members, verifier=(people["verifier"], bringer))
    items = _items(bringer, case_id)
    with work_of(api) as work:
        work.finish()
    incident = {"code": "I-1", "title": "Strike", "kind": "air_strike"}
    incident_id = ok(bringer.post(f"/v1/cases/{case_id}/incidents", json=incident), 201)["id"]
    for name in ("withdrawn", "neighbour"):
        link = {"evidence_id": items[name], "depicts": True, "note": WITHDRAWN if name == "withdrawn" else SEEN}
        link_id = ok(bringer.post(f"/v1/incidents/{incident_id}/evidence", json=link), 201)["id"]
    testimonies = {
        "withdrawn": _testimony(bringer, incident_id, TESTIMONY),
        "neighbour": _testimony(bringer, incident_id, SEEN),
    }
    _rest_on(bringer, case_id, incident_id, items)
    match = ok(bringer.get(f"/v1/evidence/{items['withdrawn']}/matches"))["items"][0]["id"]
    opening = _seal(people, f"/v1/evidence/{items['sealed']}")
    _remember(made, f"/v1/evidence/{items['withdrawn']}", f"/v1/cases/{case_id}/incidents")
    _withdraw(people, items["withdrawn"], testimonies["withdrawn"])
    objects: dict[str, dict[str, dict[str, str]]] = {
        "case": {"own": {"case_id": case_id}},
        "evidence": {name: {"evidence_id": item} for name, item in items.items()},
        "incident": {"own": {"incident_id": incident_id}},
        "testimony": {name: {"testimony_id": each} for name, each in testimonies.items()},
        "match": {"withdrawn": {"match_id": match}},
        "link": {"own": {"incident_id": incident_id, "link_id": link_id}},
        "opening": {"own": {"opening_id": opening}},
        "nothing": {"own": {}},
    }
    world.objects = objects
    world.cases["A"] = case_id
    objects["export"] = {"own": {"export_id": _package(made, case_id)}}
    made.bringer = bringer
    made.callers = {role: people[role].http for role in (*ROLES, "outsider")}
    made.callers |= {"administrator": api.admin.http, "organisation auditor": _organisation_auditor(api)}


def _items(bringer: Person, case_id: str) -> dict[str, str]:
    """The neighbour shows what the withdrawn one shows; what follows the end of a picture's bytes no decoder tells."""
    table, railway = ((ASSETS / name).read_bytes() for name in ("table.jpg", "railway.jpg"))
    labels = {"graphic_level": "none"}
    return {
        "withdrawn": _item(bringer, case_id, table + WITHDRAWN_BYTES.encode(), WITHDRAWN, labels),
        "neighbour": _item(bringer, case_id, table, SEEN, labels),
        "unlabelled": _item(bringer, case_id, railway + UNLABELLED_BYTES.encode(), SEEN, None),
        "sealed": _item(bringer, case_id, b"not a picture", SEEN, labels),
    }


def _item(bringer: Person, case_id: str, content: bytes, word: str, labels: dict[str, str] | None) -> str:
    metadata = {
        "collector": word,
        "method": "download",
        "acquired_at": "2026-07-14T09:30:00Z",
        "source": word,
        "source_address": f"https://example.org/{word}",
        "claimed_place": word,
        "notes": word,
        "labels": labels,
    }
    parts = [("metadata", (None, json.dumps(metadata))), ("file", (f"{word}.jpg", content))]
    kept = {"Idempotency-Key": f"{word[::-1]}-{len(content)}"}
    return str(ok(bringer.post(f"/v1/cases/{case_id}/evidence", files=parts, headers=kept), 201)["id"])


def _testimony(bringer: Person, incident_id: str, word: str) -> str:
    consent = {"subject": word, "subject_kind": "witness", "scopes": ["verification"], "obtained": "written"}
    stated = {"witness": word, "text": f"{word} said so.", "language": "uk", "taken_on": "2026-07-14"}
    stated |= {"taken_by": word, "method": "interview_in_person", "required_scope": "verification"}
    body = {**stated, "supersedes": None, "consent": {**consent, "given_on": "2026-07-14"}}
    path, kept = f"/v1/incidents/{incident_id}/testimonies", {"Idempotency-Key": word[::-1]}
    return str(ok(bringer.post(path, json=body, headers=kept), 201)["testimony_id"])


def _rest_on(bringer: Person, case_id: str, incident_id: str, items: Mapping[str, str]) -> None:
    """What speaks of the withdrawn item elsewhere: facts of which it is the source, and a finding on another item."""
    stated = {"name": SEEN, "organisation_kind": "ngo"}
    by = ok(bringer.post(f"/v1/cases/{case_id}/organisations", json={"stated": stated}), 201)["fact_id"]
    counted = {"outcome": "killed", "comparator": "exact", "minimum": 7013, "maximum": 7013}
    held = {"area": [WITHDRAWN], "control": "contested", "valid_from": "2026-07-01T00:00:00Z"}
    source = {"organisation_id": by, "document": WITHDRAWN, "evidence_id": items["withdrawn"]}
    told = {**counted, "person_group": "civilian", "as_reported": WITHDRAWN}
    seen = {**counted, "person_group": "child", "as_reported": SEEN}
    ok(bringer.post(f"/v1/incidents/{incident_id}/casualties", json={"stated": told, "source": source}), 201)
    ok(bringer.post(f"/v1/cases/{case_id}/territory-control", json={"stated": held, "source": source}), 201)
    plain = {"organisation_id": by, "document": SEEN}
    ok(bringer.post(f"/v1/incidents/{incident_id}/casualties", json={"stated": seen, "source": plain}), 201)
    for name in ("withdrawn", "sealed"):
        path = f"/v1/evidence/{items[name]}"
        ok(bringer.change(f"{path}/transitions", path, json={"event": "open_verification"}))
    cited = {"kind": "evidence", "evidence_id": items["withdrawn"], "shows": WITHDRAWN}
    found = {"dimension": "location", "result": "not_established", "confidence": "low", "rationale": SEEN}
    ok(bringer.post(f"{path}/findings", json={**found, "references": [cited]}), 201)
    found["rationale"] = WITHDRAWN
    ok(bringer.post(f"/v1/evidence/{items['withdrawn']}/findings", json=found), 201)


def _seal(people: Mapping[str, Person], path: str) -> str:
    """Sealed, asked for, approved and told once: the identity went through the whole server."""
    ok(people["bringer"].change(f"{path}/source", path, "PUT", json={"identity": {"name": IDENTITY}}))
    asked = {"purpose": "source_safety", "reason": "To warn them."}
    opening = ok(people["researcher"].post(f"{path}/source/openings", json=asked), 201)["id"]
    ok(people["custodian"].post(f"/v1/identity-openings/{opening}/decision", json={"decision": "approve"}))
    told = ok(people["researcher"].post(f"/v1/identity-openings/{opening}/identity"))
    assert told["identity"] == {"name": IDENTITY}
    return str(opening)


def _remember(made: Outward, path: str, incidents: str) -> None:
    """What somebody may have kept from the time before the withdrawals."""
    verifier, purpose = made.world.people["verifier"], {"purpose": "verification"}
    made.address = ok(verifier.post(f"{path}/content-url", json=purpose))["url"]
    made.etag = verifier.get(f"{path}/content", params=purpose).headers["ETag"]
    told = ok(verifier.post(f"{incidents}?wait=checkpoint", json={"code": "I-2", "title": "A", "kind": "other"}), 201)
    made.position = f"1:{told['receipts'][0]['tree_size']}"


def _withdraw(people: Mapping[str, Person], item: str, testimony: str) -> None:
    consent = {"subject": WITHDRAWN, "subject_kind": "person_shown", "scopes": ["verification"]}
    path = f"/v1/evidence/{item}/consents"
    given = {**consent, "obtained": "spoken", "given_on": "2026-07-14", "note": WITHDRAWN}
    subject = ok(people["bringer"].post(path, json=given), 201)["subject_id"]
    said = {"subject_id": subject, "withdrawn_on": "2026-09-02", "reason": WITHDRAWN}
    ok(people["verifier"].post(f"{path}/withdrawals", json=said), 201)
    path = f"/v1/testimonies/{testimony}/consents"
    subject = ok(people["bringer"].get(path))["items"][0]["subject_id"]
    said = {"subject_id": subject, "withdrawn_on": "2026-09-02", "reason": TESTIMONY}
    ok(people["verifier"].post(f"{path}/withdrawals", json=said), 201)


def _package(made: Outward, case_id: str) -> str:
    """Of the whole case, after the withdrawals: its acts alone."""
    asked = {"scope": "case", "ids": [case_id], "purpose": "court"}
    researcher = made.world.people["researcher"]
    export = str(ok(researcher.post("/v1/exports", json=asked), 202)["id"])
    with work_of(made.api) as work:
        for _ in range(3):  # The seal waits for a signed tree.
            work.sweep()
            if ok(researcher.get(f"/v1/exports/{export}"))["state"] == "ready":
                return export
            time.sleep(0.1)
    raise AssertionError(researcher.get(f"/v1/exports/{export}").text)


def _organisation_auditor(api: Api) -> httpx.Client:
    account = {"name": "Chief", "email": "chief@hub.example", "is_auditor": True}
    account_id = ok(api.admin.post("/v1/users", json=account), 201)["id"]
    wanted = {"name": "t", "scopes": ["read", "write", "content"], "account_id": account_id}
    return api.client(ok(api.admin.post("/v1/tokens", json=wanted), 201)["token"])


def objects_for(made: Outward, kind: str, names: set[str]) -> dict[str, dict[str, str]]:
    """The parameters of a path for each object of a kind that the case has; else of one that there is not."""
    return made.world.objects.get(kind) or {"missing": dict.fromkeys(names, MISSING)}


# --- looking for a word -----------------------------------------------------------------------------------------------


def spellings(word: str) -> list[bytes]:
    """The bytes of a word as they may stand in an answer: plain, UTF-16, hexadecimal, base64 at any offset."""
    plain = word.encode()
    hexadecimal = plain.hex()
    found = [plain, word.encode("utf-16-le"), word.encode("utf-16-be")]
    found += [hexadecimal.encode(), hexadecimal.upper().encode()]
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + plain)
        found.append(coded[4 if offset else 0 : len(coded) - 4])
    return found


def holds(answer: bytes, word: str) -> bool:
    return any(one in part for part in _unpacked(answer) for one in spellings(word))


def _unpacked(answer: bytes, depth: int = 3) -> Iterator[bytes]:
    """The bytes, and what a gzip, a zlib stream or a zip among them holds."""
    yield answer
    if depth == 0:
        return
    if answer[:2] == b"\x1f\x8b":
        yield from _unpacked(gzip.decompress(answer), depth - 1)
    elif answer[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(answer)) as package:
            for name in package.namelist():
                yield name.encode()
                yield from _unpacked(package.read(name), depth - 1)
    elif answer[:1] == b"\x78":
        try:
            yield from _unpacked(zlib.decompress(answer), depth - 1)
        except zlib.error:
            return
