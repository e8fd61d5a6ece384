"""Sealing a source and opening it by two persons, over HTTP; and what the database holds of the same rules."""

import gzip
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.api import Api, Person, running_api
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.support.worlds import Kept, on_copies, running_copy

NAME = "Quillonvexa Tarrow"
IDENTITY = {"name": NAME, "contacts": ["messenger 4711-Quillonvexa"], "precautions": "Never by day."}
ASKED = {"purpose": "source_safety", "reason": "The channel was seized."}
GROUND = {"reason_code": "consent_withdrawn", "authority": "data_subject_request"}


_RECORDED = "subject_kind, subject_id, number, key_id, ciphertext_sha256, sealed_by, sealed_at"
_NEXT = f"(id, version, case_id, stream_id, supersedes, {_RECORDED}) SELECT gen_random_uuid(), version + 1"
SEALED_APART = f"{_NEXT}, case_id, stream_id, NULL, {_RECORDED} FROM vault_identities"
SEALED_IN_ANOTHER_CASE = f"{_NEXT}, gen_random_uuid(), stream_id, id, {_RECORDED} FROM vault_identities"
SEALED_ANEW = f"{_NEXT}, case_id, stream_id, id, {_RECORDED} FROM vault_identities"
OTHER_CIPHERTEXT = "(identity_id, wrapped_key, ciphertext) SELECT id, 'key', 'other' FROM vault_identities"


@dataclass
class House:
    api: Api
    people: dict[str, Person] = field(default_factory=dict)
    case_id: str = ""
    item: str = ""

    def told(self) -> dict[str, object]:
        return {**self.people, "case_id": self.case_id, "item": self.item}

    @property
    def path(self) -> str:
        return f"/v1/evidence/{self.item}"

    def __getattr__(self, name: str) -> Person:
        return self.people[name]

    def seal(self, person: Person, identity: dict[str, Any] | None = None) -> Any:
        body = {"identity": identity or IDENTITY}
        return person.change(f"{self.path}/source", self.path, "PUT", json=body)

    def ask(self, person: Person) -> str:
        return str(ok(person.post(f"{self.path}/source/openings", json=ASKED), 201)["id"])

    def decide(self, person: Person, opening: str, decision: str = "approve") -> Any:
        return person.post(f"/v1/identity-openings/{opening}/decision", json={"decision": decision})

    def open(self, person: Person, opening: str) -> Any:
        return person.post(f"/v1/identity-openings/{opening}/identity")

    def acts(self) -> list[dict[str, Any]]:
        found = ok(self.people["custodian"].get(f"{self.path}/custody", params={"limit": 200}))["items"]
        return [entry for entry in found if ".identity_" in entry["type"] or entry["type"].endswith("erased")]


@pytest.fixture
def house(database: TestDatabase, prepared: tuple[str, Kept], tmp_path: Path) -> Iterator[House]:
    with running_copy(database, prepared[1], tmp_path / "data", checkpoint_wait_s=0.02) as api:
        yield House(api, prepared[1].people_at(api), **prepared[1].texts)


def furnish(api: Api) -> House:
    made = House(api)
    roles = ("collector", "verifier", "coordinator", "researcher", "legal_analyst", "custodian", "auditor")
    made.people |= {role: api.person(role) for role in (*roles, "outsider")}
    members = {role: (made.people[role],) for role in roles if role != "coordinator"}
    made.case_id = api.case(made.people["coordinator"], **members)
    lead = {"lead_claim": "A film of the bridge"}
    made.item = ok(made.people["collector"].post(f"/v1/cases/{made.case_id}/evidence", json=lead), 201)["id"]
    return made


prepared, database = on_copies("vault", lambda api: furnish(api).told())


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_source_when_sealed_then_its_number_is_all_that_anybody_reads(house: House) -> None:
    sealed = ok(house.seal(house.collector))
    assert (sealed["number"], sealed["pseudonym"], sealed["sealings"]) == (1, "Source 1", 1)
    for person in (house.collector, house.coordinator, house.auditor, house.custodian):
        answers = [
            person.get(f"{house.path}/source"),
            person.get(house.path),
            person.get(f"/v1/cases/{house.case_id}/evidence"),
        ]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert not any("Quillonvexa" in answer.text for answer in answers)
    assert ok(house.auditor.get(f"/v1/cases/{house.case_id}/evidence"))["items"][0]["source_number"] == 1
    assert house.outsider.get(f"{house.path}/source").status_code == 404


def test_source_when_sealed_anew_then_it_supersedes_and_keeps_its_number(house: House) -> None:
    ok(house.seal(house.collector))
    again = ok(house.seal(house.coordinator, {"name": "Another"}))
    assert (again["number"], again["sealings"]) == (1, 2)
    other = ok(house.verifier.post(f"/v1/cases/{house.case_id}/evidence", json={"lead_claim": "B"}), 201)["id"]
    path = f"/v1/evidence/{other}"
    second = house.verifier.change(f"{path}/source", path, "PUT", json={"identity": {"name": "B"}})
    assert ok(second)["number"] == 2


def test_source_when_another_was_sealed_over_it_then_the_first_is_still_opened_by_two(house: House) -> None:
    ok(house.seal(house.collector))
    ok(house.seal(house.coordinator, {"name": "Another"}))
    path = f"{house.path}/source/openings"
    assert code(house.researcher.post(path, json={**ASKED, "sealing": 3})) == (404, "identity_not_sealed")
    first = ok(house.researcher.post(path, json={**ASKED, "sealing": 1}), 201)["id"]
    last = house.ask(house.researcher)
    for opening in (first, last):
        assert code(house.open(house.researcher, opening)) == (409, "opening_not_approved")
        ok(house.decide(house.custodian, opening))
    assert ok(house.open(house.researcher, first))["identity"] == IDENTITY
    assert ok(house.open(house.researcher, last))["identity"] == {"name": "Another"}


def test_identity_when_its_name_is_not_seen_then_it_is_sealed_over_nobody(house: House) -> None:
    for unseen in ("\u200b", "\u202e\u2060 ", "\u3164"):
        assert code(house.seal(house.collector, {"name": unseen})) == (422, "invalid_request")
    assert house.verifier.get(f"{house.path}/source").json()["code"] == "identity_not_sealed"


def test_sealing_when_by_one_who_did_not_bring_the_item_then_is_refused(house: House) -> None:
    assert code(house.seal(house.verifier)) == (403, "forbidden")
    assert house.legal_analyst.get(f"{house.path}/source").json()["code"] == "identity_not_sealed"


def test_identity_when_it_says_nothing_or_too_much_then_the_problem_repeats_none_of_it(house: House) -> None:
    wrong: list[dict[str, Any]] = [{"contacts": []}, {"nickname": NAME}, {"name": NAME * 100}, {"name": 5}]
    for identity in wrong:
        refused = house.seal(house.collector, identity)
        assert refused.status_code == 422
        assert "Quillonvexa" not in refused.text


def test_identity_when_two_persons_agree_then_is_told_once_and_each_act_is_an_entry(house: House) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    assert code(house.open(house.researcher, opening)) == (409, "opening_not_approved")
    ok(house.decide(house.coordinator, opening))
    told = house.open(house.researcher, opening)
    assert ok(told)["identity"] == IDENTITY
    assert told.headers["Cache-Control"] == "no-store"
    assert code(house.open(house.researcher, opening)) == (409, "opening_used")
    acts = house.acts()
    assert [act["type"].partition(".")[2] for act in acts] == [
        "identity_sealed",
        "identity_opening_requested",
        "identity_opening_approved",
        "identity_unsealed",
    ]
    assert acts[3]["actor"]["id"] == acts[1]["actor"]["id"] == acts[2]["data"]["second_person"]
    assert acts[3]["data"]["second_person"] == acts[2]["actor"]["id"] != acts[3]["actor"]["id"]
    assert acts[3]["data"]["purpose"] == "source_safety"
    assert "Quillonvexa" not in str(acts)


def test_approval_when_by_the_one_who_asked_or_without_the_role_then_is_refused(house: House) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.coordinator)
    assert code(house.decide(house.coordinator, opening)) == (403, "opening_needs_another")
    for person in (house.researcher, house.verifier, house.collector, house.auditor):
        assert code(house.decide(person, opening)) == (403, "forbidden")
    assert house.decide(house.outsider, opening).status_code == 404
    ok(house.decide(house.custodian, opening))
    assert code(house.open(house.custodian, opening)) == (403, "opening_of_another")
    assert code(house.decide(house.custodian, opening, "refuse")) == (409, "opening_already_decided")


def test_request_when_refused_or_taken_back_then_opens_nothing(house: House) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    assert code(house.researcher.post(f"{house.path}/source/openings", json=ASKED)) == (
        409,
        "opening_already_requested",
    )
    ok(house.decide(house.coordinator, opening, "refuse"))
    assert code(house.open(house.researcher, opening)) == (409, "opening_not_approved")
    ok(house.decide(house.coordinator, house.ask(house.coordinator), "refuse"))
    listed = ok(house.custodian.get(f"/v1/cases/{house.case_id}/identity-openings"))["items"]
    assert [each["decision"] for each in listed] == ["refuse", "refuse"]


def test_approval_when_a_quarter_of_an_hour_old_then_opens_nothing_more(house: House, database: TestDatabase) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    ok(house.decide(house.coordinator, opening))
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE vault_openings SET decided_at = now() - interval '16 minutes'")
    assert code(house.open(house.researcher, opening)) == (409, "opening_used")


def test_identity_when_a_custodian_erases_it_then_nothing_opens_it_any_more(
    house: House, database: TestDatabase
) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    ok(house.decide(house.coordinator, opening))
    sealing = house.acts()[0]
    path = f"/v1/ledger/entries/{sealing['commitment']}/erasures"
    assert code(house.coordinator.post(path, json={"field": "identity", **GROUND})) == (403, "forbidden")
    erased = ok(house.custodian.post(path, json={"field": "identity", **GROUND}), 201)
    assert [each["field"] for each in erased["erased"]] == ["identity"]
    assert code(house.custodian.post(path, json={"field": "identity", **GROUND})) == (409, "already_erased")
    assert code(house.open(house.researcher, opening)) == (409, "identity_destroyed")
    assert ok(house.verifier.get(f"{house.path}/source"))["is_destroyed"] is True
    with psycopg.connect(database.owner_url) as owner:
        assert owner.execute("SELECT count(*) FROM vault_secrets").fetchone() == (0,)
    assert house.acts()[-1]["data"]["field"] == "identity"


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("SELECT ciphertext FROM vault_secrets", "permission denied"),
        ("SELECT wrapped_key FROM vault_secrets", "permission denied"),
        ("SELECT * FROM exhibit_open_identity('{opening}')", "exhibit_opening_used"),
        ("UPDATE vault_openings SET opened_at = now()", "permission denied"),
        (
            "UPDATE vault_openings SET decision = 'approve', decided_by = requested_by, decided_at = now()",
            "ck_vault_openings_second_person",
        ),
        (
            "UPDATE vault_openings SET decision = 'approve', decided_by = '{verifier}', decided_at = now()",
            "exhibit_opening_approver",
        ),
        (
            "UPDATE vault_openings SET decision = 'approve', decided_by = '{custodian}', decided_at = now()",
            "exhibit_require_entry",
        ),
        ("DELETE FROM vault_secrets WHERE identity_id IS NOT NULL", "exhibit_identity_destroyed"),
        ("UPDATE vault_identities SET number = 7", "permission denied"),
        (f"INSERT INTO vault_identities {SEALED_APART}", "exhibit_supersedes_identity_in_force"),
        (f"INSERT INTO vault_identities {SEALED_IN_ANOTHER_CASE}", "exhibit_identity_of_its_case"),
        (f"INSERT INTO vault_secrets {OTHER_CIPHERTEXT}", "exhibit_secret_as_recorded"),
    ],
)
def test_application_role_when_it_speaks_to_the_tables_itself_then_is_refused(
    house: House, database: TestDatabase, statement: str, refusal: str
) -> None:
    ok(house.seal(house.collector))
    known = {"opening": house.ask(house.coordinator), "verifier": house.verifier.id, "custodian": house.custodian.id}
    application = psycopg.connect(database.app_url)
    with closing(application), pytest.raises(psycopg.Error) as refused:
        _commit(application, statement.format(**known))
    assert refusal in (refused.value.diag.constraint_name or str(refused.value))


def test_database_when_dumped_then_holds_the_name_nowhere_in_no_encoding(house: House, database: TestDatabase) -> None:
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    ok(house.decide(house.coordinator, opening))
    assert ok(house.open(house.researcher, opening))["identity"] == IDENTITY
    with every_cell(database) as cells:
        held = [where for where, cell in cells if b"Quillonvexa" in cell or b"UXVpbGxvbnZleG" in cell]
    assert held == []


def _commit(application: psycopg.Connection[Any], statement: str) -> None:
    """Some rules hold at the commit only."""
    application.execute(statement.encode())
    application.commit()


@contextmanager
def every_cell(database: TestDatabase) -> Iterator[Iterator[tuple[str, bytes]]]:
    with psycopg.connect(database.owner_url) as owner:
        yield _cells(owner)


def _cells(owner: psycopg.Connection[Any]) -> Iterator[tuple[str, bytes]]:
    names = owner.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    for (table,) in names.fetchall():
        for row in owner.execute(f'SELECT * FROM "{table}"'.encode()):
            for cell in row:
                raw = bytes(cell) if isinstance(cell, (bytes, memoryview)) else str(cell).encode()
                yield table, raw
                if raw[:2] == b"\x1f\x8b":
                    yield table, gzip.decompress(raw)


def test_key_when_made_then_is_a_private_file_and_another_one_seals_nothing_beside(
    house: House, database: TestDatabase, tmp_path: Path
) -> None:
    file = house.api.settings.data / "secrets" / "vault-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(file.read_text().strip())) == 32
    ok(house.seal(house.collector))
    opening = house.ask(house.researcher)
    ok(house.decide(house.coordinator, opening))
    with running_api(database, tmp_path / "other", admin_token=house.api.admin.token) as other:
        again = House(
            other, {name: _at(other, person) for name, person in house.people.items()}, house.case_id, house.item
        )
        assert code(again.seal(again.collector)) == (503, "vault_key_missing")
        assert code(again.open(again.researcher, opening)) == (503, "vault_key_missing")
    assert ok(house.open(house.researcher, opening))["identity"] == IDENTITY, "a failed opening spends nothing"


def _at(api: Api, person: Person) -> Person:
    return Person(person.id, person.name, person.token, api.client(person.token))
