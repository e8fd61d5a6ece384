"""What counts for long takes no thread from the ordinary requests of a process."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.support.api import running_api
from tests.support.databases import TestDatabase


@pytest.mark.thorough
def test_others_when_a_figure_is_still_counted_then_are_answered_by_the_only_thread(
    database: TestDatabase, tmp_path: Path
) -> None:
    with running_api(database, tmp_path / "data", request_threads=1) as api, ThreadPoolExecutor(1) as pool:
        olena = api.person("Olena")
        case_id = api.case(olena)
        with psycopg.connect(database.owner_url) as owner:
            owner.execute("LOCK TABLE incident_versions")
            figure = pool.submit(olena.get, "/v1/statistics/incidents", params={"case": case_id})
            while not owner.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                assert not figure.done(), figure.result().text
                time.sleep(0.01)
            assert api.client(olena.token).get(f"/v1/cases/{case_id}", timeout=5).status_code == 200
            assert not figure.done()
            owner.rollback()
        assert figure.result().status_code == 200
