"""An installation with decoded media that goes back to the release before, and forward again."""

from typing import Any

import psycopg
import pytest

from app.fingerprints.recompute import enqueue_due
from app.migration import downgrade, migrate
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media.test_sealed_claims import PHOTOGRAPH
from tests.media_samples import excerpt
from tests.support.databases import TestDatabase
from tests.support.work import work_of

BEFORE = "r29_key_periods"
"""The last revision that knew neither numbered decodings nor sealed claims, shots, features or thumbnails."""
IDENTIFYING = """UPDATE decodings SET claims = '{"exif": {"make": "x", "gps": {"latitude": "1"}, "artist": "n"}}'"""


@pytest.mark.thorough
def test_installation_when_it_goes_back_and_forward_with_media_decoded_twice_then_what_is_left_is_in_force(
    hub: Hub, receive: Receive, database: TestDatabase
) -> None:
    for content in (PHOTOGRAPH, excerpt(0, 2, size=(160, 90))):
        receive(content)
    with work_of(hub.api) as work:
        work.finish()
        as_owner(database, "UPDATE derivatives SET parameters_sha256 = sha256('preview/1')")
        with hub.api.app.state.services.sessions.begin() as session:
            assert len(enqueue_due(session, limit=10)) == 2
        work.finish()
    assert as_owner(database, "SELECT count(*) FROM decodings") == [(4,)]
    hub.api.app.state.services.sessions.kw["bind"].dispose()

    downgrade(database.owner_url, BEFORE)
    as_owner(database, IDENTIFYING)
    migrate(database.owner_url)

    assert as_owner(database, "SELECT DISTINCT claims::text FROM decodings") == [('{"exif": {"make": "x"}}',)]
    kept = as_owner(database, "SELECT rule, decoding FROM rules_in_force GROUP BY 1, 2 ORDER BY 1")
    assert kept == [(rule, 1) for rule in ("colorhash/1", "dhash/1", "pdq/1", "phash/1", "whash/1")]
    assert as_owner(database, "SELECT DISTINCT settled_decoding FROM evidence") == [(1,)]


def as_owner(database: TestDatabase, statement: str) -> list[tuple[Any, ...]]:
    """Past the triggers; the rows that it gives."""
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        done = owner.execute(statement.encode())
        return done.fetchall() if done.description else []
