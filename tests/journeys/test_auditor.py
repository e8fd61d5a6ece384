"""The auditor: reads who did what, takes the log home, and checks it there without trusting or running the server.

Over HTTP and with the stand-alone verifier alone; forged files are told from honest ones by line.
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.media_samples import ASSETS
from tests.support.api import Api, Person, email_of
from tests.support.journey import (
    NO_LABELS,
    AuditorsDesk,
    all_pages,
    auditors_desk,
    ok,
    received,
    refused,
    settled,
    wait_until,
)

PEOPLE = ("Kateryna Quill", "Olena Quartz", "Petro Quince", "Ruth Quarry")
PERSONAL = {
    "collector": "Zoryana Zenith",
    "source": "channel of a Zinnia seller",
    "source_address": "https://zebra.example/post/17",
    "claimed_place": "Zucchini Street 5",
    "notes": "Zealous neighbours may know her.",
}
FILE_NAME = "zigzag.jpg"
INCIDENT = {
    "code": "ZX-1",
    "title": "Zeppelin yard",
    "kind": "other",
    "place": {"name": "Zodiac house", "latitude": 48.123457, "longitude": 37.765432, "precision": "exact"},
}
FINDING = {"result": "established", "confidence": "high", "methods": ["landmark_match"], "rationale": "Zinc roof."}
COMMENT = "Zestful agreement."
IN_CLEAR_NOWHERE = (
    *(word for person in PEOPLE for word in person.split()),
    *("Strikes, July", "Zoryana", "Zenith", "Zinnia", "zebra.example", "Zucchini", "Zealous", FILE_NAME, "Zeppelin"),
    *("Zodiac", "48.1234", "48123457", "37.7654", "37765432", "Zinc", "Zestful", "hub.example", "ZX-1"),
)

ACTS_ON_THE_ITEM = [
    "evidence.collected",
    "evidence.labelled",
    "evidence.preserved",
    "evidence.claims_read",
    "evidence.fingerprinted",
    "evidence.derived",
    "evidence.derived",
    "evidence.derived",
    "evidence.linked_to_incident",
    "evidence.verification_opened",
    "evidence.leased",
    "evidence.finding_recorded",
    "evidence.downloaded",
]


@dataclass(frozen=True)
class Affair:
    """A small case in which every act is known: its people, its auditors, an item, another item, an incident."""

    api: Api
    case_id: str
    other_case_id: str
    kateryna: Person
    olena: Person
    petro: Person
    ruth: Person
    case_auditor: Person
    organisation_auditor: Person
    item: str
    other_item: str
    incident: str

    def path(self, scope: str) -> str:
        ids = {"cases": self.case_id, "evidence": self.item, "incidents": self.incident}
        return f"/v1/{scope}/{ids[scope]}/custody"

    def take(self, person: Person, scope: str, **query: Any) -> bytes:
        answer = person.get(f"{self.path(scope)}/file", params={"purpose": "audit", **query})
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.content

    def pseudonyms(self) -> dict[str, str]:
        """Who is who in this case, as its coordinator sees it: account id → pseudonym."""
        members = all_pages(self.kateryna, f"/v1/cases/{self.case_id}/members")
        return {member["account_id"]: member["pseudonym"] for member in members}


def organisation_auditor(api: Api) -> Person:
    account = {"name": "Otto Outside", "email": email_of("Otto"), "is_auditor": True}
    account_id = ok(api.admin.post("/v1/users", json=account), 201)["id"]
    token = {"name": "audit", "scopes": ["read", "content"], "account_id": account_id}
    secret = ok(api.admin.post("/v1/tokens", json=token), 201)["token"]
    return Person(account_id, "Otto", secret, api.client(secret))


@pytest.fixture(scope="module")
def affair(hub: Api) -> Affair:
    kateryna, olena, petro, ruth = (hub.person(name) for name in PEOPLE)
    auditor = hub.person("Ada")
    case_id = hub.case(kateryna, verifier=(olena, petro), researcher=(ruth,), auditor=(auditor,))
    other_case_id = hub.case(kateryna, verifier=(olena,))
    photograph = (ASSETS / "rocket.jpg").read_bytes()
    item = received(olena, case_id, photograph, FILE_NAME, **PERSONAL, labels=NO_LABELS)
    settled(olena, item)
    incident = ok(olena.post(f"/v1/cases/{case_id}/incidents", json=INCIDENT), 201)["id"]
    ok(olena.post(f"/v1/incidents/{incident}/evidence", json={"evidence_id": item, "depicts": True}), 201)
    path = f"/v1/evidence/{item}"
    ok(olena.change(f"{path}/transitions", version_of=path, json={"event": "open_verification"}))
    ok(olena.post(f"{path}/findings", json={**FINDING, "dimension": "location"}), 201)
    assert petro.get(f"{path}/content", params={"purpose": "review"}).content == photograph
    other_item = received(petro, case_id, (ASSETS / "table.jpg").read_bytes(), "second.jpg")
    settled(petro, other_item)
    received(olena, other_case_id, photograph, "third.jpg")
    people = (kateryna, olena, petro, ruth, auditor, organisation_auditor(hub))
    return Affair(hub, case_id, other_case_id, *people, item, other_item, incident)


@pytest.fixture
def desk(tmp_path: Path, affair: Affair) -> AuditorsDesk:
    return auditors_desk(tmp_path / "auditors-own", affair.api)


def entries_in(custody: bytes) -> list[dict[str, Any]]:
    values = [json.loads(line) for line in custody.splitlines()]
    return [value for value in values if "kind" not in value]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_pages_when_read_then_every_act_stands_in_its_order_with_who_and_what(affair: Affair) -> None:
    who = affair.pseudonyms()
    log = all_pages(affair.case_auditor, affair.path("evidence"), limit=3)
    acts = [entry for entry in log if entry["type"] != "export.created"]

    assert [entry["type"] for entry in acts] == ACTS_ON_THE_ITEM
    assert [entry["seq"] for entry in log] == list(range(1, len(log) + 1))
    assert [entry["time"] for entry in log] == sorted(entry["time"] for entry in log)
    assert {entry["stream"] for entry in log} == {affair.item}
    by_type = {entry["type"]: entry for entry in acts}
    for kind, person in {"evidence.collected": affair.olena, "evidence.downloaded": affair.petro}.items():
        assert by_type[kind]["actor"]["id"] == who[person.id]
        assert by_type[kind]["actor"]["role"] == "verifier"
    assert by_type["evidence.preserved"]["actor"]["kind"] == "system"
    digest = ok(affair.olena.get(f"/v1/evidence/{affair.item}"))["sha256"]
    assert by_type["evidence.downloaded"]["object"]["sha256"] == digest
    assert by_type["evidence.downloaded"]["data"]["purpose"] == "review"
    collector = by_type["evidence.collected"]["sealed"]["collector"]
    assert (collector["is_disclosed"], collector["value"]) == (True, PERSONAL["collector"])
    # Reading pages is no act.
    assert len(all_pages(affair.case_auditor, affair.path("evidence"))) == len(log)


def test_case_when_read_whole_then_members_items_and_incidents_are_in_it_and_other_cases_are_not(
    affair: Affair,
) -> None:
    log = all_pages(affair.organisation_auditor, affair.path("cases"), limit=7)

    kinds = {entry["stream"]: entry["stream_kind"] for entry in log}
    assert kinds == {
        affair.case_id: "case",
        affair.item: "evidence",
        affair.other_item: "evidence",
        affair.incident: "incident",
    }
    of_case = [
        entry["type"] for entry in log if entry["stream"] == affair.case_id and entry["type"] != "export.created"
    ]
    assert of_case == [
        "case.created",
        *["case.member_granted"] * 5,
        "evidence.registered",
        "incident.registered",
        "evidence.registered",
    ]
    assert all(field["value"] is None for entry in log for field in entry["sealed"].values())
    who = set(affair.pseudonyms().values())
    elsewhere = all_pages(affair.organisation_auditor, f"/v1/cases/{affair.other_case_id}/custody")
    assert not who & {entry["actor"]["id"] for entry in elsewhere}


def test_log_when_asked_for_by_others_then_each_sees_what_the_role_allows(affair: Affair) -> None:
    stranger = affair.api.person("Stranger")
    for scope in ("cases", "evidence", "incidents"):
        refused(stranger.get(affair.path(scope)), 404, "not_found")
        refused(stranger.get(f"{affair.path(scope)}/file", params={"purpose": "audit"}), 404, "not_found")
    refused(affair.api.admin.get(affair.path("cases")), 404, "not_found")

    own = all_pages(affair.petro, affair.path("cases"))
    assert {entry["actor"]["id"] for entry in own} == {affair.pseudonyms()[affair.petro.id]}
    refused(affair.petro.get(f"{affair.path('cases')}/file", params={"purpose": "audit"}), 403, "own_acts_only")

    content = f"/v1/evidence/{affair.item}/content"
    refused(affair.case_auditor.get(content, params={"purpose": "integrity_check"}), 403, "forbidden")
    refused(affair.organisation_auditor.get(content, params={"purpose": "integrity_check"}), 404, "not_found")
    disclosed = {"purpose": "audit", "disclose": "all"}
    refused(affair.organisation_auditor.get(f"{affair.path('cases')}/file", params=disclosed), 403, "forbidden")


# --- taking it home ---------------------------------------------------------------------------------------------------


def test_organisation_when_audited_then_every_case_is_found_without_its_name_and_the_log_of_accounts_proves_itself(
    affair: Affair, desk: AuditorsDesk
) -> None:
    otto = affair.organisation_auditor
    listed = all_pages(otto, "/v1/custody/cases")
    mine = next(case for case in listed if case["id"] == affair.case_id)
    assert affair.other_case_id in {case["id"] for case in listed}
    assert (mine["status"], mine["items"], mine["incidents"]) == ("open", 2, 1)
    # The other case's, since taking a file makes the auditor an actor in the case's log.
    custody = otto.get(f"/v1/cases/{affair.other_case_id}/custody/file", params={"purpose": "audit"})
    assert desk.check(custody.content).returncode == 0

    pages = all_pages(otto, "/v1/custody/system")
    assert {"system.account_created", "system.token_created"} <= {entry["type"] for entry in pages}
    taken = otto.get("/v1/custody/system/file", params={"purpose": "audit"})
    assert taken.status_code == 200, taken.text
    assert desk.check(taken.content).returncode == 0
    everything = json.dumps([listed, pages]).encode() + taken.content
    assert not [word for word in IN_CLEAR_NOWHERE if word.encode() in everything]
    for person in (affair.api.admin, affair.case_auditor, affair.kateryna):
        refused(person.get("/v1/custody/cases"), 403, "forbidden")
        refused(person.get("/v1/custody/system"), 403, "forbidden")


@pytest.mark.parametrize("scope", ["evidence", "incidents", "cases"])
def test_file_when_checked_offline_then_it_proves_itself_and_names_nobody(
    affair: Affair, desk: AuditorsDesk, scope: str
) -> None:
    before = all_pages(affair.case_auditor, affair.path(scope))
    custody = affair.take(affair.case_auditor, scope, reason="Asked for by the Zagreb court.")
    after = all_pages(affair.case_auditor, affair.path(scope))

    done = desk.check(custody)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "OK: as it was logged" in done.stdout
    logged = entries_in(custody)
    assert {(entry["stream"], entry["seq"], entry["type"]) for entry in logged} == {
        (entry["stream"], entry["seq"], entry["type"]) for entry in after
    }
    new = after[len(before) :]
    assert {entry["type"] for entry in new} == {"export.created"}
    assert {entry["stream"] for entry in new} == {entry["stream"] for entry in after}

    text = custody.decode("utf-8").lower()
    assert not [word for word in (*IN_CLEAR_NOWHERE, "Zagreb") if word.lower() in text]
    people = (affair.kateryna, affair.olena, affair.petro, affair.ruth, affair.case_auditor, affair.api.admin)
    assert not [person.name for person in people if person.id in text]
    actors = {entry["actor"]["id"] for entry in logged if entry["actor"]["kind"] != "system"}
    assert actors - set(affair.pseudonyms().values()) <= administrators_of(logged)


def administrators_of(entries: list[dict[str, Any]]) -> set[str]:
    """Who made the case, who is no member of it."""
    return {entry["actor"]["id"] for entry in entries if entry["actor"]["role"] == "administrator"}


def test_file_when_disclosed_then_the_sealed_texts_are_proven_too(affair: Affair, desk: AuditorsDesk) -> None:
    custody = affair.take(affair.ruth, "evidence", disclose="all")

    done = desk.check(custody)

    assert done.returncode == 0, done.stdout
    assert "disclosures" in done.stdout
    assert PERSONAL["notes"] in custody.decode("utf-8")
    # One word of a disclosed text is changed: it is no longer what was sealed when the act was logged.
    forged = desk.check(custody.replace(b"Zealous neighbours", b"Jealous neighbours"))
    assert forged.returncode == 1
    assert "disclosure" in forged.stdout


def test_table_when_taken_then_it_says_the_same_as_the_pages(affair: Affair) -> None:
    custody = affair.take(affair.case_auditor, "cases", format="csv")

    rows = list(csv.DictReader(io.StringIO(custody.decode("utf-8"))))
    pages = all_pages(affair.case_auditor, affair.path("cases"))
    assert {(row["stream"], row["seq"], row["type"], row["actor"], row["entry_sha256"]) for row in rows} == {
        (entry["stream"], str(entry["seq"]), entry["type"], entry["actor"]["id"], entry["commitment"])
        for entry in pages
    }
    assert not [word for word in IN_CLEAR_NOWHERE if word.lower() in custody.decode("utf-8").lower()]


def proof_at(person: Person, path: str) -> str | None:
    answer = person.get(path)
    return answer.text if answer.status_code == 200 else None


def test_receipt_when_kept_then_its_entry_is_in_the_log_and_has_a_proof(affair: Affair) -> None:
    answer = ok(affair.olena.post(f"/v1/cases/{affair.case_id}/incidents", json={**INCIDENT, "code": "ZX-2"}), 201)

    receipts = answer["receipts"]
    assert [receipt["type"] for receipt in receipts] == ["incident.created", "incident.registered"]
    custody = all_pages(affair.ruth, f"/v1/incidents/{answer['id']}/custody")
    assert [entry["commitment"] for entry in custody] == [receipts[0]["commitment"]]
    for receipt in receipts:
        path = f"/v1/ledger/entries/{receipt['commitment']}/proof"
        proof = wait_until(partial(proof_at, affair.ruth, path), "the entry is in a signed tree")
        assert proof.startswith("c2sp.org/tlog-proof@v1\n")
        refused(affair.api.person(f"Passer-by {receipt['seq']}").get(path), 404, "not_found")


# --- forging ----------------------------------------------------------------------------------------------------------


def changed(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], lines[at].replace(b'"review"', b'"motive"'), *lines[at + 1 :]]


def removed(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], *lines[at + 1 :]]


def reordered(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]]


def doubled(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[: at + 1], *lines[at:]]


def cut(lines: list[bytes], at: int) -> list[bytes]:
    return lines[:at]


@pytest.mark.parametrize("forge", [changed, removed, reordered, doubled, cut])
def test_file_when_forged_then_it_is_refused_and_the_line_is_named(
    affair: Affair, desk: AuditorsDesk, forge: Callable[[list[bytes], int], list[bytes]]
) -> None:
    lines = affair.take(affair.case_auditor, "evidence").splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if b'"evidence.downloaded"' in line)

    done = desk.check(b"".join(forge(lines, at)))

    assert done.returncode == 1, done.stdout
    assert "FAILED: this is not the custody log as it was logged" in done.stdout
    named = {int(line.split()[2].rstrip(",:")) for line in done.stdout.splitlines() if line.startswith("BAD: line ")}
    assert named & {at, at + 1, at + 2}, done.stdout


def test_file_when_checked_against_another_logs_key_then_it_is_refused(affair: Affair, desk: AuditorsDesk) -> None:
    custody = affair.take(affair.case_auditor, "evidence")
    name, digest, key = desk.vkey.split("+", 2)
    other = AuditorsDesk(desk.directory, desk.verifier, f"{name}+{digest}+{key[:-4]}AAA=")

    assert other.check(custody).returncode in (1, 2)
    assert "OK" not in other.check(custody).stdout
