"""A rule changes: what is stored gets it, once and whatever is killed meanwhile; old rows stay, matches are found."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from PIL import ImageOps
from sqlalchemy import text

from app.fingerprints import stored_prints
from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.match_job import match_jobs
from app.fingerprints.recompute import enqueue_due, lacking
from app.fingerprints_command import feed
from app.jobs import IN_BULK, enqueue_forgotten
from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from tests import media_samples as samples
from tests.media.people import METADATA, Hub
from tests.media_samples import PHOTOGRAPHS
from tests.support.api import Api
from tests.support.databases import TestDatabase
from tests.support.recomputing import CHANGED, jobs_of
from tests.support.work import Work

ROWS = "SELECT version, decoding, count(*) FROM fingerprints GROUP BY 1, 2 ORDER BY 1, 2"
DEADLINE_S = 90.0


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as found:
        yield found


class Bench(Hub):
    owner_url: str

    def receive(self, *files: bytes) -> list[str]:
        ids = []
        for content in files:
            form = [("metadata", (None, json.dumps(METADATA))), ("file", ("a.jpg", content))]
            answer = self.collector.post(f"/v1/cases/{self.case_id}/evidence", files=form)
            ids.append(answer.json()["id"])
        return ids

    def match_by_hashes_alone(self) -> None:
        """More points are asked for than agree in the pictures here."""
        path = f"/v1/cases/{self.case_id}/policy"
        settings = {"required_dimensions": ["source"], "inliers": {"same_picture": 100, "likely": 100}}
        assert self.coordinator.change(path, path, "PUT", json=settings).status_code == 200
        self.change("DELETE FROM procrastinate_jobs")  # Nothing is there to be compared anew.

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.api.app.state.services.sessions() as session:
            return [tuple(row) for row in session.execute(text(statement))]

    def lacking(self) -> Any:
        with self.api.app.state.services.sessions() as session:
            return lacking(session, CHANGED)

    def enqueue(self, limit: int) -> list[str]:
        with self.api.app.state.services.sessions.begin() as session:
            return enqueue_due(session, CHANGED, limit=limit)

    def change(self, *statements: str) -> None:
        """As the database's owner, past its triggers."""
        with psycopg.connect(self.owner_url) as owner:
            owner.execute("SET session_replication_role = replica")
            for statement in statements:
                owner.execute(statement.encode())

    def recompute(self, work: Work, catalog: Catalog = CHANGED) -> int | None:
        """The command, beside a worker; its exit status, None when it does not end."""
        status: list[int] = []
        sessions = self.api.app.state.services.sessions
        command = threading.Thread(
            target=lambda: status.append(feed(sessions, catalog, window=3, at_once=1, look_every_s=0.01)), daemon=True
        )
        command.start()
        deadline = time.monotonic() + 8
        while command.is_alive() and time.monotonic() < deadline:
            work.finish()
            command.join(0.02)
        return status[0] if status else None

    def matches(self, item: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.verifier.get(f"/v1/evidence/{item}/matches").json()["items"]
        return found


@pytest.fixture
def bench(api: Api, database: TestDatabase) -> Bench:
    made = Bench(api)
    made.owner_url = database.owner_url
    return made


def test_rule_that_changes_then_each_file_is_decoded_once_for_it_and_keeps_its_old_rows(
    bench: Bench, decoder: Decoder
) -> None:
    items = bench.receive(PHOTOGRAPHS[0].read_bytes(), PHOTOGRAPHS[1].read_bytes(), b"no picture at all")
    Work(bench.api, decoder).finish()
    before = bench.lacking()
    assert (before.by_rule["dhash/2"], before.by_rule["phash/1"], before.due) == (2, 0, 2)

    assert len(bench.enqueue(10)) == 2
    assert bench.enqueue(10) == [], "each is in the queue once"
    assert Work(bench.api, decoder, jobs_of(CHANGED)).finish() == [
        name for name in ("recompute", "match", "match_across") for _ in range(2)
    ]

    assert (bench.lacking().due, bench.lacking().unsettled) == (0, 0)
    stored = {(version, decoding): count for version, decoding, count in bench.rows(ROWS)}
    assert (stored["dhash/1", 1], stored["dhash/2", 2], stored["phash/1", 1]) == (2, 2, 2)
    assert ("phash/1", 2) not in stored, "only what was missing is added"
    assert [bench.entries(item, "evidence.fingerprinted") for item in items] == [2, 2, 1]
    shown = bench.verifier.get(f"/v1/evidence/{items[0]}/fingerprints?limit=100").json()["items"]
    assert {"dhash/1", "dhash/2", "pdq/1"} <= {row["version"] for row in shown}
    bench.enqueue(10)
    assert Work(bench.api, decoder, jobs_of(CHANGED)).finish() == [], "a second time there is nothing to do"


@pytest.mark.thorough
def test_animation_that_was_decoded_by_its_first_frame_alone_then_a_recompute_finds_what_is_behind_it(
    bench: Bench, decoder: Decoder
) -> None:
    shown, hidden = (samples.upright(path).resize((320, 240)) for path in PHOTOGRAPHS[:2])
    animation = samples.encoded(shown, "GIF", save_all=True, append_images=[hidden], duration=500)
    (old,) = bench.receive(animation)
    Work(bench.api, decoder).finish()
    bench.change("DELETE FROM fingerprints WHERE time_ms > 0", "DELETE FROM rules_in_force WHERE rule = 'sequence/1'")
    (new,) = bench.receive(samples.encoded(hidden))
    work = Work(bench.api, decoder)
    work.finish()
    assert bench.matches(new) == []

    with bench.api.app.state.services.sessions.begin() as session:
        assert len(enqueue_due(session, CATALOG, limit=10)) == 1
    assert work.finish() == ["recompute", "match", "match_across"]
    (match,) = bench.matches(new)
    assert {match["query_id"], match["reference_id"]} == {old, new}
    assert bench.rows("SELECT max(number) FROM decodings GROUP BY blob_sha256 ORDER BY 1") == [(1,), (2,)]


@pytest.mark.thorough
def test_recording_of_which_the_last_frame_was_not_kept_then_a_recompute_keeps_it_and_no_picture_is_decoded_again(
    bench: Bench, decoder: Decoder
) -> None:
    bench.receive(samples.excerpt(8, 11), PHOTOGRAPHS[0].read_bytes())
    work = Work(bench.api, decoder)
    work.finish()
    last = "(SELECT max(time_ms) FROM fingerprints)"
    (new,) = bench.rows(f"SELECT {last}")
    bench.change(
        f"DELETE FROM fingerprints WHERE time_ms = {last}", "DELETE FROM rules_in_force WHERE rule = 'samples/1'"
    )

    with bench.api.app.state.services.sessions.begin() as session:
        assert len(enqueue_due(session, CATALOG, limit=10)) == 1
    work.finish()

    assert bench.rows("SELECT max(number) FROM decodings GROUP BY blob_sha256 ORDER BY 1") == [(1,), (2,)]
    assert bench.rows("SELECT max(time_ms) FROM fingerprints WHERE decoding = 2") == [new]
    assert bench.rows("SELECT count(*) FROM shots WHERE decoding = 2") == bench.rows(
        "SELECT count(*) FROM shots WHERE decoding = 1"
    )


ROCKET = next(path for path in PHOTOGRAPHS if path.stem == "rocket")
CROP = 0.13
"""A crop of it that is found by dhash alone, by either version: PDQ is 96 bits off, phash 12."""


@pytest.mark.thorough
def test_rule_that_changes_when_only_one_side_is_recomputed_then_a_pair_is_found_when_the_other_is(
    bench: Bench, decoder: Decoder
) -> None:
    bench.match_by_hashes_alone()
    (old,) = bench.receive(samples.cropped(ROCKET, CROP))
    Work(bench.api, decoder).finish()
    (new,) = bench.receive(ROCKET.read_bytes())
    Work(bench.api, decoder, jobs_of(CHANGED)).finish()
    assert bench.matches(new) == [], "one has only dhash/1, the other only dhash/2"

    bench.enqueue(10)
    Work(bench.api, decoder, jobs_of(CHANGED)).finish()
    (match,) = bench.matches(old)
    assert [ground["version"] for ground in match["grounds"]] == ["dhash/2"]
    assert {match["query_id"], match["reference_id"]} == {old, new}


@pytest.mark.thorough
def test_rule_that_changes_when_neither_side_is_recomputed_then_they_are_compared_by_the_rule_before(
    bench: Bench, decoder: Decoder
) -> None:
    bench.match_by_hashes_alone()
    old, _ = bench.receive(samples.cropped(ROCKET, CROP), ROCKET.read_bytes())
    earlier = Work(bench.api, decoder)
    ran = [earlier.run_one() for _ in range(5)]
    assert ran == ["preserve", "preserve", "fingerprint", "match", "fingerprint"], "the first finds nothing yet"
    assert Work(bench.api, decoder, jobs_of(CHANGED)).finish() == ["match", "match_across", "match_across"]

    (match,) = bench.matches(old)
    assert [ground["version"] for ground in match["grounds"]] == ["dhash/1"]


@pytest.mark.thorough
def test_picture_from_before_there_were_views_when_recomputed_then_it_has_them_and_its_old_rows_stay(
    bench: Bench, decoder: Decoder
) -> None:
    framed = ImageOps.expand(samples.upright(PHOTOGRAPHS[0]).resize((640, 427)), (0, 70), "black")
    (item,) = bench.receive(samples.encoded(framed))
    Work(bench.api, decoder).finish()
    bench.change(
        "DELETE FROM rules_in_force WHERE rule = 'views/5'",
        "DELETE FROM fingerprints WHERE view LIKE '%.%'",
        "DELETE FROM local_features WHERE view <> 'identity'",
    )

    with bench.api.app.state.services.sessions.begin() as session:
        assert len(enqueue_due(session, CATALOG, limit=10)) == 1
    assert Work(bench.api, decoder).finish()[:2] == ["recompute", "match"]

    in_force = bench.rows(
        "SELECT f.version, f.decoding, count(*) FROM fingerprints f JOIN rules_in_force r"
        " ON r.blob_sha256 = f.blob_sha256 AND r.rule = f.version AND r.decoding = f.decoding GROUP BY 1, 2 ORDER BY 1"
    )
    assert in_force == [
        ("colorhash/1", 1, 1),
        ("dhash/1", 1, 1),
        ("pdq/1", 2, 24),  # Of the whole, of what lies in the frame, and of folded tones: eight each.
        ("phash/1", 1, 1),
        ("whash/1", 1, 1),
    ]
    whole = "SELECT decoding, view FROM local_features WHERE view NOT LIKE 'part.%' ORDER BY 1, 2"
    assert bench.rows(whole) == [
        (1, "identity"),
        (2, "identity"),
        (2, "mirror"),
    ]
    assert bench.rows("SELECT count(*) FROM fingerprints WHERE decoding = 1 AND version = 'pdq/1'") == [(8,)]
    assert bench.entries(item, "evidence.fingerprinted") == 2


@pytest.mark.thorough
def test_file_that_kills_its_decoder_when_recomputed_then_it_is_left_out_and_the_rest_goes_on(
    bench: Bench, decoder: Decoder
) -> None:
    bench.receive(PHOTOGRAPHS[0].read_bytes(), PHOTOGRAPHS[1].read_bytes())
    Work(bench.api, decoder).finish()
    bench.enqueue(1)
    with bench.api.app.state.services.sessions.begin() as session:
        session.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))

    assert len(bench.enqueue(10)) == 1
    found = bench.lacking()
    assert (found.due, found.queued, found.given_up) == (2, 1, 1)


@pytest.mark.thorough
def test_file_that_gives_no_pixels_any_more_when_its_renderings_are_outdated_then_recomputing_ends(
    bench: Bench, decoder: Decoder
) -> None:
    (item,) = bench.receive(PHOTOGRAPHS[0].read_bytes())
    Work(bench.api, decoder).finish()
    bench.change("UPDATE derivatives SET parameters_sha256 = sha256('preview/1')")

    with Decoder(DecodeLimits(jpeg_pixels=1000)) as tight:
        assert bench.recompute(Work(bench.api, tight, jobs_of(CATALOG)), CATALOG) == 1
    assert bench.rows("SELECT max(number) FROM decodings") == [(2,)], "once is enough to know"
    assert bench.entries(item, "evidence.fingerprinted") == 2


@pytest.mark.thorough
def test_item_whose_search_is_given_up_when_recomputing_then_the_command_ends_and_says_so(
    bench: Bench, decoder: Decoder, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.receive(PHOTOGRAPHS[0].read_bytes())
    Work(bench.api, decoder).finish()
    bench.enqueue(1)
    work = Work(bench.api, decoder, jobs_of(CHANGED))
    assert work.run_one() == "recompute"
    with bench.api.app.state.services.sessions.begin() as session:
        session.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))

    assert bench.recompute(work) == 1
    assert (bench.lacking().unsettled, bench.lacking().unsearched) == (0, 1)
    assert "1 items" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.thorough
def test_search_that_was_forgotten_after_recomputing_then_a_worker_finds_it(bench: Bench, decoder: Decoder) -> None:
    bench.receive(PHOTOGRAPHS[0].read_bytes())
    Work(bench.api, decoder).finish()
    bench.enqueue(1)
    work = Work(bench.api, decoder, jobs_of(CHANGED))
    assert work.run_one() == "recompute"
    with bench.api.app.state.services.sessions.begin() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
    with bench.api.app.state.services.sessions.begin() as session:
        assert [name for name, _ in enqueue_forgotten(session, match_jobs(CHANGED))] == ["match"]
    assert bench.rows("SELECT priority FROM procrastinate_jobs") == [(IN_BULK,)], "nobody new waits for it"
    assert (work.finish(), bench.lacking().unsettled) == (["match", "match_across"], 0)


@pytest.mark.thorough
def test_file_that_broke_the_rules_of_the_jail_when_a_rule_changes_then_it_is_left_alone(
    bench: Bench, decoder: Decoder
) -> None:
    bench.receive(PHOTOGRAPHS[0].read_bytes(), PHOTOGRAPHS[1].read_bytes())
    Work(bench.api, decoder).finish()
    bench.change(
        "UPDATE decodings SET outcome = 'policy_violation' WHERE blob_sha256 = (SELECT min(blob_sha256) FROM decodings)"
    )

    assert len(bench.enqueue(10)) == 1
    assert (bench.lacking().due, bench.lacking().by_rule["dhash/2"]) == (1, 1)


@pytest.mark.thorough
def test_jobs_in_bulk_when_a_new_upload_waits_then_it_goes_first(bench: Bench, decoder: Decoder) -> None:
    bench.receive(PHOTOGRAPHS[0].read_bytes())
    Work(bench.api, decoder).finish()
    bench.enqueue(1)
    bench.receive(PHOTOGRAPHS[1].read_bytes())

    names = bench.rows("SELECT (procrastinate_fetch_job_v2(NULL, NULL)).task_name")
    assert names == [("preserve",)]


@pytest.mark.thorough
def test_recompute_when_worker_and_command_are_killed_then_nothing_is_lost_or_doubled(
    bench: Bench, database: TestDatabase, decoder: Decoder
) -> None:
    contents = [samples.recompressed(PHOTOGRAPHS[place % 4], 40 + 3 * place) for place in range(5)]
    items = bench.receive(*contents)
    Work(bench.api, decoder).finish()
    seed = int(os.environ.get("EXHIBIT_TEST_SEED", "4"))
    command = [sys.executable, "-m", "tests.support.recomputing", database.app_url, str(bench.api.settings.data)]
    deadline = time.monotonic() + DEADLINE_S
    for kill_after in (seed % 3 + 1, None):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            if kill_after is None:
                process.wait(deadline - time.monotonic())
            while process.poll() is None:
                assert time.monotonic() < deadline, bench.lacking()
                if len(items) - bench.lacking().due >= kill_after:
                    os.killpg(process.pid, signal.SIGKILL)
                    break
                time.sleep(0.1)
        finally:
            process.kill()
            status = process.wait()
    assert status == 0

    assert (bench.lacking().due, bench.lacking().unsettled) == (0, 0)
    assert bench.rows("SELECT count(*), max(number) FROM decodings") == [(10, 2)]
    assert bench.rows("SELECT count(*) FROM fingerprints WHERE version = 'dhash/2'") == [(5,)]
    assert [bench.entries(item, "evidence.fingerprinted") for item in items] == [2] * 5


@pytest.mark.thorough
def test_likely_match_when_both_files_are_decoded_again_with_working_pictures_then_it_is_firm_and_both_streams_say_so(
    bench: Bench, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(bench.api, decoder)
    with monkeypatch.context() as before:
        before.setattr(stored_prints, "_pictures_of", lambda *_: {})
        items = bench.receive(ROCKET.read_bytes(), samples.cropped(ROCKET, CROP))
        work.finish()
    (likely,) = bench.matches(items[0])
    assert (likely["tier"], likely["grounds"][0]["held_back"]) == ("likely", "no_pictures")

    bench.change("DELETE FROM rules_in_force WHERE rule = 'views/5'")
    with bench.api.app.state.services.sessions.begin() as session:
        assert len(enqueue_due(session, CATALOG, limit=10)) == 2
    work.finish()

    (firm,) = bench.matches(items[0])
    assert (firm["id"], firm["tier"], firm["still_found"]) == (likely["id"], "same_picture", True)
    assert " decodings/" in firm["rule"]
    assert [bench.entries(item, "evidence.matched") for item in items] == [2, 2]
    assert bench.rows("SELECT number, tier FROM match_tiers") == [(2, "same_picture")]
