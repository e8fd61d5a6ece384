"""An API process takes the file that a worker makes, follows on from it, and lets go of it when there is another."""

import random
import threading
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints.index_keeping import build_file
from app.fingerprints.similar_index import Adopter, Standing
from tests.fingerprints.test_index import answers, blob, filled, new_index, pdq, store

Sessions = sessionmaker[Session]


def mapped(path: Path) -> list[int]:
    """The inodes of this process's mappings of a file of that name, whether it still has the name or not."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [int(line.split()[4]) for line in lines if str(path) in line]


def make_file(sessions: Sessions, directory: Path) -> None:
    """As a worker does that then ends."""
    with sessions() as session:
        build_file(session, new_index().versions, directory / "fingerprints", threading.Event())


@pytest.mark.thorough
def test_process_when_there_is_no_file_then_reads_what_there_is(sessions: Sessions, tmp_path: Path) -> None:
    values = filled(sessions)
    index = new_index()
    adopter = Adopter(index, tmp_path)
    adopter.look(sessions)
    assert adopter.standing == Standing(True, 0, 40)
    assert answers(index, sessions, values)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_process_when_a_file_appears_or_is_made_anew_then_takes_it_and_lets_go_of_the_old_one(
    sessions: Sessions, tmp_path: Path
) -> None:
    values = filled(sessions, 20)
    index = new_index()
    adopter = Adopter(index, tmp_path)
    adopter.look(sessions)
    make_file(sessions, tmp_path)
    adopter.look(sessions)
    path = tmp_path / "fingerprints"
    old = path.stat().st_ino
    assert adopter.standing == Standing(True, 20, 0)
    assert set(mapped(path)) == {old}

    values += [random.Random(9).randbytes(32)]
    with sessions.begin() as session:
        store(session, blob(20), pdq(values[20]))
    assert answers(index, sessions, values)
    adopter.look(sessions)
    assert adopter.standing == Standing(True, 20, 1)
    make_file(sessions, tmp_path)
    assert answers(index, sessions, values), "searches go on in the one that has lost its name"
    adopter.look(sessions)

    assert adopter.standing == Standing(True, 21, 0)
    assert answers(index, sessions, values)
    assert set(mapped(path)) == {path.stat().st_ino}


@pytest.mark.thorough
def test_file_when_it_is_damaged_then_is_not_taken_and_left_to_the_worker(sessions: Sessions, tmp_path: Path) -> None:
    values = filled(sessions)
    make_file(sessions, tmp_path)
    path = tmp_path / "fingerprints"
    content = bytearray(path.read_bytes())
    content[70_000] ^= 1
    path.write_bytes(content)
    index = new_index()
    adopter = Adopter(index, tmp_path)

    adopter.look(sessions)

    assert adopter.standing == Standing(True, 0, 40)
    assert answers(index, sessions, values)
    assert path.exists()


@pytest.mark.thorough
def test_process_when_more_came_than_it_may_hold_then_holds_nothing_until_there_is_a_file(
    sessions: Sessions, tmp_path: Path
) -> None:
    filled(sessions)
    index = new_index()
    adopter = Adopter(index, tmp_path, most_beside=39)

    adopter.look(sessions)

    assert adopter.standing == Standing(is_ready=False)
    with sessions() as session:
        assert index.blobs_near(session, "pdq/1", [bytes(32)], 0) is None
    make_file(sessions, tmp_path)
    adopter.look(sessions)
    assert adopter.standing == Standing(True, 40, 0)


def test_process_when_it_would_read_too_much_without_a_file_then_is_not_ready(
    sessions: Sessions, tmp_path: Path
) -> None:
    filled(sessions)
    adopter = Adopter(new_index(read_at_start=39), tmp_path)
    adopter.look(sessions)
    assert adopter.standing == Standing(is_ready=False)
