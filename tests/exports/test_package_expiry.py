"""How long a finished package is kept: until its time is over, unless the case stands by it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.blobs.store import BlobMissing
from app.exports.models import Export
from app.exports.removal import expire_packages
from app.kernel.database import open_engine
from app.kernel.primitives import Sha256Hex
from tests.exports.custody_cases import integrating, publish_key
from tests.exports.http_hub import HttpHub
from tests.factories import commit_in
from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.support.journey import ok, refused


@pytest.fixture
def hub(api: Api, database: TestDatabase) -> Iterator[HttpHub]:
    with integrating(database):
        services = api.app.state.services
        yield HttpHub(api, services.sessions, publish_key(services.sessions, services.settings.data).encode())


def later(database: TestDatabase, statement: str, **bound: Any) -> None:
    """As time does it: the owner moves a moment into the past, past the trigger that holds it."""
    engine = open_engine(database.owner_url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(statement), bound)
    engine.dispose()


def is_stored(hub: HttpHub, digest: str) -> bool:
    try:
        hub.stores.packages.size_bytes(Sha256Hex(digest))
    except BlobMissing:
        return False
    return True


def expired(hub: HttpHub) -> int:
    return commit_in(hub.sessions, expire_packages)


def test_package_when_its_time_is_over_then_its_file_goes_and_it_says_so(hub: HttpHub, database: TestDatabase) -> None:
    export_id = hub.made(hub.anna, media=True)
    made = ok(hub.anna.get(f"/v1/exports/{export_id}"))
    with hub.sessions() as session:
        kept = session.get_one(Export, UUID(export_id))
        assert kept.ready_at is not None
        assert kept.expires_at == kept.ready_at + timedelta(days=30)
    assert expired(hub) == 0
    assert hub.anna.get(f"/v1/exports/{export_id}/content").status_code == 200

    later(database, "UPDATE exports SET expires_at = now() - interval '1 minute'")
    assert expired(hub) == 0, "somebody is taking it"
    later(database, "UPDATE export_downloads SET logged_at = now() - interval '25 hours'")
    assert expired(hub) == 1
    hub.work()
    assert not is_stored(hub, made["sha256"])
    shown = ok(hub.anna.get(f"/v1/exports/{export_id}"))
    assert (shown["state"], shown["sha256"]) == ("expired", made["sha256"]), "what was given out stays on record"
    refused(hub.anna.get(f"/v1/exports/{export_id}/content"), 410, "export_expired")
    assert expired(hub) == 0
    again = hub.made(hub.anna, media=True)
    assert hub.anna.get(f"/v1/exports/{again}/content").status_code == 200


def refused_by(hub: HttpHub, statement: str) -> str | None:
    """The name of the database's rule that does not let it happen."""
    with pytest.raises(IntegrityError) as refusal, hub.sessions.begin() as session:
        session.execute(text(statement))
    assert isinstance(refusal.value.orig, psycopg.Error)
    return refusal.value.orig.diag.constraint_name


def test_package_when_not_over_or_released_then_the_database_keeps_it(hub: HttpHub, database: TestDatabase) -> None:
    export_id = hub.made(hub.anna)
    expire = "UPDATE exports SET state = 'expired'"
    assert refused_by(hub, expire) == "exhibit_export_kept"
    later(database, "UPDATE exports SET expires_at = NULL")
    assert refused_by(hub, expire) == "exhibit_export_kept"
    later(database, "UPDATE exports SET expires_at = now() - interval '1 minute'")
    later(
        database,
        "INSERT INTO releases (id, case_id, export_id, policy_version, log_origin, tree_size, root, manifest_sha256, "
        "pins_sha256, items_count, figures_count, released_by, released_at) SELECT gen_random_uuid(), case_id, id, 1, "
        "'log', 1, manifest_sha256, manifest_sha256, manifest_sha256, 0, 0, requested_by, now() FROM exports",
    )
    assert refused_by(hub, expire) == "exhibit_export_kept"
    assert expired(hub) == 0
    assert ok(hub.anna.get(f"/v1/exports/{export_id}"))["state"] == "ready"
    assert refused_by(hub, "UPDATE exports SET expires_at = now() + interval '9 years'") == "exhibit_export_goes_on"


def test_package_when_there_is_no_room_for_it_then_nothing_is_asked_for(
    hub: HttpHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = hub.stores.settings
    room = settings.free_space_reserve_bytes + len(hub.photograph)
    monkeypatch.setattr("app.blobs.local.LocalBlobStore.free_bytes", lambda _: room - 1)
    before = hub.entries("export.created")
    refused(hub.ask(hub.anna, media=True), 507, "no_room_for_package")
    assert hub.entries("export.created") == before
    assert hub.ask(hub.anna).status_code == 202, "without media it has room"
