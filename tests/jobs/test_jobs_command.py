"""What an operator does about jobs that failed: see them, and have them tried again."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.jobs import enqueue
from tests.jobs.test_queue import rows, statuses, tables, wait_for, worker
from tests.support.commands import Done, exhibit
from tests.support.databases import TestDatabase

__all__ = ["tables"]


def run(database: TestDatabase, data: Path, *arguments: str) -> Done:
    return exhibit(database, "jobs", *arguments, EXHIBIT_DATA=str(data))


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_failed_jobs_when_listed_and_tried_again_then_those_named_wait_with_all_their_tries(
    database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path
) -> None:
    assert run(database, tmp_path, "list").returncode == 0, "nothing failed"
    with sessions.begin() as session:
        first, second = (enqueue(session, "fail", {"number": number}) for number in (1, 2))
    with worker(database, attempts=1):
        wait_for(lambda: statuses(database) == ["failed", "failed"], what="both fail")

    listed = run(database, tmp_path, "list")
    assert (listed.returncode, listed.stderr) == (1, "")
    assert [line.split("\t")[:2] for line in listed.stdout.splitlines()] == [
        [str(first), "fail"],
        [str(second), "fail"],
    ]
    assert "number=1" in listed.stdout

    named = run(database, tmp_path, "retry", str(first), "4711")
    assert (named.returncode, named.stdout) == (1, "1 put back into the queue\n")
    assert "4711 is no failed job" in named.stderr
    assert rows(database, "SELECT status::text, attempts FROM procrastinate_jobs ORDER BY id")[0] == ("todo", 0)

    everything = run(database, tmp_path, "retry", "--all")
    assert (everything.returncode, everything.stdout) == (0, "1 put back into the queue\n")
    assert statuses(database) == ["todo", "todo"]


@pytest.mark.thorough
@pytest.mark.usefixtures("tables")
def test_job_that_is_tried_again_after_the_fault_is_gone_then_is_done(
    database: TestDatabase, sessions: sessionmaker[Session], tmp_path: Path
) -> None:
    with sessions.begin() as session:
        enqueue(session, "not_known_to_the_older_release", {"number": 9})
    with worker(database, attempts=1):
        wait_for(lambda: statuses(database) == ["failed"], what="nobody knows the job")
    with sessions.begin() as session:
        enqueue(session, "fail", {"number": 5})
    with worker(database, attempts=1):
        wait_for(lambda: statuses(database) == ["failed", "failed"], what="its fault")
    rename = "UPDATE procrastinate_jobs SET task_name = 'write' RETURNING id"
    assert len(rows(database, rename)) == 2, "an update that repairs it"

    assert run(database, tmp_path, "retry", "--all").returncode == 0

    with worker(database):
        wait_for(lambda: not statuses(database), what="an empty queue")
    assert rows(database, "SELECT number, outcome FROM test_results WHERE number = 9") == [(9, "done")]


@pytest.mark.parametrize("arguments", [["retry"], ["retry", "--all", "3"], ["retry", "x"]])
def test_retry_when_it_does_not_say_which_then_is_refused(
    database: TestDatabase, tmp_path: Path, arguments: list[str]
) -> None:
    assert run(database, tmp_path, *arguments).returncode == 2
