"""Changing the vault's key: every identity opens by the new one alone, also when the change was cut off."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from app.kernel.database import driver_url
from app.unit_of_work import unit_of_work
from app.vault import rotation
from app.vault.sealing import VaultKey
from tests.support.api import running_api
from tests.support.commands import exhibit
from tests.support.databases import TestDatabase
from tests.support.journey import ok
from tests.vault.test_http import IDENTITY, SEALED_ANEW, House, _at, code, furnish


@pytest.fixture
def house(database: TestDatabase, tmp_path: Path) -> Iterator[House]:
    with running_api(database, tmp_path / "data", checkpoint_wait_s=0.02) as api:
        yield furnish(api)


def rotate(database: TestDatabase, data: Path) -> str:
    done = exhibit(database, "vault", "rotate-key", EXHIBIT_DATA=str(data), DATABASE_URL=database.owner_url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stages(database: TestDatabase) -> list[tuple[str, int | None]]:
    query = (
        "SELECT d ->> 'stage', (d ->> 'records')::int FROM ledger_entries e JOIN ledger_bodies b USING (commitment)"
        " CROSS JOIN LATERAL (SELECT convert_from(b.body, 'UTF8')::jsonb -> 'data' AS d) x"
        " WHERE e.type = 'system.vault_key_rotated' ORDER BY e.seq"
    )
    with psycopg.connect(database.owner_url) as owner:
        return [(stage, records) for stage, records in owner.execute(query).fetchall()]


def test_key_when_changed_after_a_cut_then_only_the_new_one_opens_and_seals(
    house: House, database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    ok(house.seal(house.collector))
    ok(house.seal(house.collector, {"name": "Another"}))
    asked = {"purpose": "source_safety", "reason": "To warn them."}
    path = f"{house.path}/source/openings"
    openings = [ok(house.researcher.post(path, json={**asked, "sealing": each}), 201)["id"] for each in (1, 2)]
    for opening in openings:
        ok(house.decide(house.coordinator, opening))
    before = (data / "secrets" / "vault-key").read_text()

    # A first run is cut off after one of two records.
    (data / "secrets" / "vault-key.next").write_text("ab" * 32)
    key, following = VaultKey(bytes.fromhex(before.strip())), VaultKey(bytes.fromhex("ab" * 32))
    monkeypatch.setattr(rotation, "BATCH", 1)
    engine = create_engine(driver_url(database.owner_url))
    for step in (rotation.begin, rotation.rewrap_some):
        with unit_of_work(sessionmaker(engine)) as uow:
            step(uow, key, following)
            uow.commit()
    engine.dispose()
    assert code(house.seal(house.collector, {"name": "Late"})) == (503, "vault_key_missing")
    rotate(database, data)
    assert stages(database) == [("began", None), ("rewrapped", 1), ("rewrapped", 1), ("finished", None)]
    assert (data / "secrets" / "vault-key").read_text().strip() == "ab" * 32
    assert not (data / "secrets" / "vault-key.next").exists()

    # The process that has the former key opens nothing; one that is started now opens all.
    assert code(house.open(house.researcher, openings[0])) == (503, "vault_key_missing")
    with running_api(database, data, admin_token=house.api.admin.token) as api:
        people = {name: _at(api, person) for name, person in house.people.items()}
        anew = House(api, people, house.case_id, house.item)
        told = [ok(anew.open(anew.researcher, opening))["identity"] for opening in openings]
        assert told == [IDENTITY, {"name": "Another"}]
        assert ok(anew.seal(anew.collector, {"name": "Third"}))["sealings"] == 3
        rotate(database, data)  # Again, from a key that was changed before.
    with running_api(database, data, admin_token=house.api.admin.token) as api:
        anew = House(api, {name: _at(api, each) for name, each in people.items()}, house.case_id, house.item)
        opening = anew.ask(anew.researcher)
        ok(anew.decide(anew.custodian, opening))
        assert ok(anew.open(anew.researcher, opening))["identity"] == {"name": "Third"}


def test_sealed_record_when_changed_otherwise_than_by_a_change_of_key_then_the_database_refuses(
    house: House, database: TestDatabase
) -> None:
    ok(house.seal(house.collector))
    with psycopg.connect(database.app_url, autocommit=True) as application:
        for statement in ("UPDATE vault_secrets SET wrapped_by = 'x'", "SELECT wrapped_key FROM vault_secrets"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("INSERT INTO vault_keys VALUES (1, 'x', now())")
    with psycopg.connect(database.owner_url) as owner:
        with pytest.raises(psycopg.errors.IntegrityError, match="wrapped under the key in force"):
            owner.execute("UPDATE vault_secrets SET ciphertext = 'x'")
        owner.rollback()
        with pytest.raises(psycopg.errors.IntegrityError, match="wrapped under the key in force"):
            owner.execute("UPDATE vault_secrets SET wrapped_by = 'x'")
        owner.rollback()
        owner.execute("INSERT INTO vault_keys VALUES (1, 'x', now())")
        with pytest.raises(psycopg.errors.IntegrityError) as under_the_old_key, owner.transaction():
            owner.execute(f"INSERT INTO vault_identities {SEALED_ANEW}".encode())
        assert under_the_old_key.value.diag.constraint_name == "exhibit_vault_key_changed"
        with pytest.raises(psycopg.errors.IntegrityError) as refused:
            owner.commit()
    assert refused.value.diag.constraint_name == "exhibit_require_entry"
