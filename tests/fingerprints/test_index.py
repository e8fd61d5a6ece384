"""The index that follows the database answers what a scan of the database answers: whoever stored it, in whatever order
transactions end, after a new file, a damaged one, one of another database, or one that misses something."""

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints.decodings import Decoded, store_decoding
from app.fingerprints.following import FollowingIndex, hashes_query, watermark
from app.fingerprints.index import ScanIndex
from app.fingerprints.index_keeping import Keeper, alone, build_file
from app.fingerprints.matching import Print
from app.fingerprints.models import FingerprintBatch, IndexCheck
from app.fingerprints.search.block import Rows, read_blocks, write_blocks
from app.fingerprints.search.hamming import words_of
from app.fingerprints.search.multi_index import Costs
from app.fingerprints.views import IDENTITY
from app.kernel.database import open_engine, session_factory
from app.kernel.primitives import Sha256Hex, sha256_hex
from tests.support.api import Api
from tests.support.databases import TestDatabase, TestServer, create_database, drop_database

Sessions = sessionmaker[Session]
VERSIONS = {"pdq/1": 32, "phash/1": 8}
INSERT_BLOB = text("""
    INSERT INTO blobs (sha256, size_bytes, first_received_at) VALUES (decode(:sha256, 'hex'), 1, now())
    ON CONFLICT DO NOTHING
""")


class Hashes:
    """Hashes to store and to ask for: often near each other, sometimes the same."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._stored: dict[str, list[bytes]] = {version: [bytes(size)] for version, size in VERSIONS.items()}

    def near(self, version: str) -> bytes:
        value = int.from_bytes(self.chance.choice(self._stored[version]), "little")
        bits = VERSIONS[version] * 8
        for bit in self.chance.sample(range(bits), self.chance.randint(0, min(45, bits))):
            value ^= 1 << bit
        return value.to_bytes(VERSIONS[version], "little")

    def new(self, version: str) -> bytes:
        made = self.near(version) if self.chance.random() < 0.6 else self.chance.randbytes(VERSIONS[version])
        self._stored[version].append(made)
        return made

    def prints(self, count: int) -> list[Print]:
        views = (IDENTITY, "mirror")
        return [
            Print(version, number, self.chance.choice(views), self.new(version), self.chance.choice((None, 20, 40, 90)))
            for number in range(count)
            for version in VERSIONS
        ]


def blob(number: int) -> Sha256Hex:
    return sha256_hex(str(number).encode())


def store(session: Session, sha256: Sha256Hex, prints: list[Print], number: int = 1, outcome: str = "decoded") -> None:
    session.execute(INSERT_BLOB, {"sha256": sha256})
    decoded = Decoded("decoder", outcome, None, claims={}, prints=prints, renderings=(), rules=tuple(VERSIONS))
    assert store_decoding(session, sha256, number, decoded)


def pdq(value: bytes) -> list[Print]:
    return [Print("pdq/1", 0, IDENTITY, value, 100)]


def ask(index: FollowingIndex | ScanIndex, session: Session, value: bytes, radius_bits: int = 0) -> set[str]:
    """Of the first hundred blobs."""
    return index.candidates(
        session,
        [blob(number) for number in range(100)],
        "pdq/1",
        [value],
        radius_bits=radius_bits,
        minimum_quality=0,
        any_view=True,
    )


def new_index(read_at_start: int = 200_000, read_at_once: int = 100_000) -> FollowingIndex:
    return FollowingIndex(VERSIONS, read_at_start, read_at_once)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_answers_whatever_was_stored_rebuilt_and_restarted_then_are_those_of_a_scan(
    sessions: Sessions, tmp_path: Path, seed: int
) -> None:
    hashes = Hashes(seed)
    chance, scan, blobs = hashes.chance, ScanIndex(), 0
    index = new_index(read_at_once=5)
    keeper = Keeper(index, tmp_path, file_from_rows=4)

    def add() -> None:
        nonlocal blobs
        with sessions.begin() as session:
            for _ in range(chance.randint(1, 3)):
                store(session, blob(blobs), hashes.prints(chance.randint(0, 4)))
                blobs += 1

    def decode_again() -> None:
        with sessions.begin() as session:
            known = session.execute(
                text("SELECT encode(blob_sha256, 'hex'), max(number) FROM decodings GROUP BY 1 ORDER BY 1")
            ).all()
            if known:
                sha256, number = chance.choice(known)
                store(session, Sha256Hex(sha256), hashes.prints(2), number + 1, chance.choice(("decoded", "partial")))

    def roll_back() -> None:
        with sessions() as session:
            store(session, blob(10_000), hashes.prints(2))
            ask(index, session, hashes.near("pdq/1"))

    def restart() -> None:
        nonlocal index, keeper
        index = new_index(read_at_once=chance.choice((2, 5, 1000)))
        keeper = Keeper(index, tmp_path, file_from_rows=4)

    def compare() -> None:
        with sessions() as session:
            if chance.random() < 0.3:
                store(session, blob(20_000), hashes.prints(2))  # Its own, not committed.
            for _ in range(4):
                version = chance.choice(list(VERSIONS))
                among = [blob(number) for number in (*range(blobs), 10_000, 20_000) if chance.random() < 0.8]
                asked = [hashes.near(version) for _ in range(chance.randint(1, 4))]
                radius_bits, minimum_quality = chance.randint(0, 64), chance.choice((0, 30, 50))
                found, expected = (
                    each.candidates(
                        session,
                        among,
                        version,
                        asked,
                        radius_bits=radius_bits,
                        minimum_quality=minimum_quality,
                        any_view=radius_bits % 2 == 0,
                    )
                    for each in (index, scan)
                )
                assert found == expected

    def keep() -> None:
        keeper.keep(sessions)

    acts: list[Callable[[], None]] = [add, add, decode_again, roll_back, keep, restart, compare, compare]
    for _ in range(40):
        chance.choice(acts)()
    compare()
    with sessions() as session:
        assert session.scalars(select(IndexCheck.missing)).all().count(0) == session.query(IndexCheck).count() > 0
    assert (tmp_path / "fingerprints").exists()


def test_fingerprints_of_transactions_that_end_in_another_order_then_each_is_found_as_soon_as_it_is_committed(
    sessions: Sessions,
) -> None:
    hashes = Hashes(1)
    values = [hashes.chance.randbytes(32) for _ in range(3)]
    indexes = [new_index(), new_index()]  # Of two processes.
    with sessions() as first, sessions() as second, sessions() as third, sessions() as asking:
        for number, session in enumerate((first, second, third)):
            store(session, blob(number), pdq(values[number]))
        for number, session in ((1, second), (2, third), (0, first)):
            assert [ask(index, asking, values[number]) for index in indexes] == [set(), set()]
            session.commit()
            assert [ask(index, asking, values[number]) for index in indexes] == [{blob(number)}] * 2

        stored = asking.scalars(select(FingerprintBatch.blob_sha256).order_by(FingerprintBatch.number)).all()
        assert stored == [None, blob(1), blob(2), blob(0)]


@pytest.mark.thorough
def test_searches_while_many_store_at_once_then_each_finds_all_that_was_committed_before_it(sessions: Sessions) -> None:
    indexes = [new_index(), new_index()]
    committed: dict[str, bytes] = {}
    guard = threading.Lock()

    def store_some(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(seed, 96, 6):
            value = chance.randbytes(32)
            with sessions() as session:
                store(session, blob(number), pdq(value))
                threading.Event().wait(chance.random() / 200)
                session.commit()
            with guard:
                committed[blob(number)] = value

    def search(index: FollowingIndex) -> None:
        while len(committed) < 96:
            with guard:
                before = dict(committed)
            with sessions() as session:
                for sha256, value in list(before.items())[-5:]:
                    assert ask(index, session, value) == {sha256}

    with ThreadPoolExecutor(8) as threads:
        tasks = [
            *(threads.submit(store_some, seed) for seed in range(6)),
            *(threads.submit(search, i) for i in indexes),
        ]
        for task in tasks:
            task.result()
    with sessions() as session:
        assert [ask(index, session, value) for index in indexes for value in committed.values()] == [
            {sha256} for _ in indexes for sha256 in committed
        ]


def test_batches_when_numbered_then_nobody_changes_or_forges_one(sessions: Sessions) -> None:
    with sessions.begin() as session:
        store(session, blob(0), Hashes(1).prints(3))
    for statement in (
        "UPDATE fingerprint_batches SET number = 7",
        "DELETE FROM fingerprint_batches",
        "INSERT INTO fingerprint_batches (number) VALUES (99)",
        "SELECT nextval('fingerprint_batch_numbers')",
    ):
        with sessions() as session, pytest.raises(DBAPIError, match="permission denied"):
            session.execute(text(statement))


def filled(sessions: Sessions, blobs: int = 40, seed: int = 3) -> list[bytes]:
    """Blobs with a hash each; the hashes."""
    chance = random.Random(seed)
    values = [chance.randbytes(32) for _ in range(blobs)]
    for start in range(0, blobs, 10):
        with sessions.begin() as session:
            for number in range(start, min(start + 10, blobs)):
                store(session, blob(number), pdq(values[number]))
    return values


def answers(index: FollowingIndex, sessions: Sessions, values: list[bytes]) -> bool:
    """Whether each is found where it is."""
    with sessions() as session:
        return all(ask(index, session, value, 31) == {blob(number)} for number, value in enumerate(values))


@pytest.mark.thorough
def test_file_when_made_by_one_process_then_another_takes_it_and_reads_only_what_came_after(
    sessions: Sessions, tmp_path: Path
) -> None:
    values = filled(sessions, 20)
    first, second = new_index(), new_index()
    assert Keeper(first, tmp_path, 10).keep(sessions)["hashes"] == 20
    with sessions.begin() as session:
        store(session, blob(20), pdq(bytes(32)))

    assert Keeper(second, tmp_path, 10).keep(sessions)["taken"]

    with sessions() as session:
        sizes = [index.sizes(session) for index in (first, second)]
    assert [(one.rows_in_file, one.rows_beside) for one in sizes if one] == [(20, 1), (20, 1)]
    assert answers(second, sessions, [*values, bytes(32)])


@pytest.mark.thorough
def test_file_while_another_process_makes_it_then_one_waits_for_that_one(sessions: Sessions, tmp_path: Path) -> None:
    values = filled(sessions)
    index = new_index()
    keeper = Keeper(index, tmp_path, 10)
    with alone(tmp_path / "fingerprints") as is_alone:
        assert is_alone
        assert "hashes" not in keeper.keep(sessions)
        assert answers(index, sessions, values)
    (tmp_path / ".fingerprints.0123").write_bytes(b"half")
    assert keeper.keep(sessions)["hashes"] == 40
    assert sorted(os.listdir(tmp_path)) == ["fingerprints", "fingerprints.lock"]


@pytest.mark.thorough
def test_file_when_damaged_then_is_refused_and_made_anew(sessions: Sessions, tmp_path: Path) -> None:
    values = filled(sessions)
    Keeper(new_index(), tmp_path, 10).keep(sessions)
    path = tmp_path / "fingerprints"
    content = bytearray(path.read_bytes())
    content[70_000] ^= 1
    path.write_bytes(content)

    index = new_index()
    done = Keeper(index, tmp_path, 10).keep(sessions)

    assert "taken" not in done
    assert done["hashes"] == 40
    assert read_blocks(path).facts["number"] == 40
    assert answers(index, sessions, values)


@pytest.mark.thorough
def test_index_when_the_database_is_another_one_then_nothing_of_the_one_before_hides_what_is_there(
    postgres: TestServer, database: TestDatabase, sessions: Sessions, tmp_path: Path
) -> None:
    """As after a restore of an older state: the numbers are there, and mean other fingerprints."""
    with sessions.begin() as session:
        store(session, blob(0), pdq(bytes(32)))
    sessions.kw["bind"].dispose()
    copy = create_database(postgres, template=database.name)
    try:
        values = filled_after(sessions, 1)
        index = new_index()
        keeper = Keeper(index, tmp_path, 5)
        keeper.keep(sessions)
        assert answers(index, sessions, values)

        restored = session_factory(open_engine(copy.app_url, pool_size=2))
        others = filled_after(restored, 2)
        assert answers(index, restored, others), "what it held was of the database's other life"
        restarted = new_index()
        done = Keeper(restarted, tmp_path, 5).keep(restored)
        assert "taken" not in done
        assert done["hashes"] == 11
        assert answers(restarted, restored, others)
        restored.kw["bind"].dispose()
    finally:
        with postgres.administration() as owner:
            drop_database(owner, copy.name)


def filled_after(sessions: Sessions, seed: int) -> list[bytes]:
    """Ten more blobs after the first one; all hashes."""
    chance = random.Random(seed)
    values = [bytes(32), *(chance.randbytes(32) for _ in range(10))]
    for number in range(1, 11):
        with sessions.begin() as session:
            store(session, blob(number), pdq(values[number]))
    return values


@pytest.mark.thorough
def test_index_when_it_misses_something_then_the_check_says_so_and_every_process_sets_it_aside(
    api: Api, sessions: Sessions, tmp_path: Path
) -> None:
    values = filled(sessions)
    path = tmp_path / "fingerprints"
    index, other = new_index(), new_index()
    keeper, others_keeper = Keeper(index, tmp_path, 10), Keeper(other, tmp_path, 10)
    assert "index" not in api.client().get("/readyz").json()["components"]
    with sessions() as session:
        build_file(session, index.versions, path, threading.Event())
        facts = read_blocks(path).facts
        rows = session.execute(hashes_query(index.versions)).all()
        # The file as it were if making it had lost all rows but three.
        kept = [row for row in rows if row.version == "pdq/1"][:3]
        blobs = np.frombuffer(b"".join(row.blob for row in kept), np.uint8).reshape(3, 32)
        parts = {"pdq/1": Rows(words_of([row.value for row in kept]), np.arange(3, dtype=np.uint32), blobs)}
        write_blocks(path, {name: value for name, value in facts.items() if name != "bands"}, parts)
        assert others_keeper._take(session)
    assert not answers(other, sessions, values)

    done = keeper.keep(sessions)

    assert done["missing"] > 0
    assert api.client().get("/readyz").json()["components"]["index"]["status"] == "not_ready"
    assert answers(index, sessions, values)
    assert answers(other, sessions, values)
    assert keeper.keep(sessions)["hashes"] == 40
    assert others_keeper.keep(sessions)["taken"]
    assert answers(index, sessions, values)
    assert api.client().get("/readyz").json()["components"]["index"]["status"] == "ready"
    with sessions() as session:
        assert watermark(session)[0] == 40


@pytest.mark.thorough
def test_index_when_there_is_more_to_read_than_it_may_and_no_file_then_the_scan_answers_until_there_is_one(
    sessions: Sessions, tmp_path: Path
) -> None:
    values = filled(sessions)
    index = new_index(read_at_start=39)
    with sessions() as session:
        assert index.blobs_near(session, "pdq/1", values[:1], 0) is None
    assert answers(index, sessions, values)

    assert Keeper(index, tmp_path, 1000).keep(sessions)["hashes"] == 40

    with sessions() as session:
        assert index.blobs_near(session, "pdq/1", values[:1], 0) == {bytes.fromhex(blob(0))}
    assert answers(index, sessions, values)


@pytest.mark.thorough
def test_file_when_the_worker_ends_then_making_it_ends_too_and_leaves_nothing(
    sessions: Sessions, tmp_path: Path
) -> None:
    values = filled(sessions)
    index = new_index()
    keeper = Keeper(index, tmp_path, 10)
    keeper.stop()

    assert keeper.keep(sessions) == {}

    assert os.listdir(tmp_path) == ["fingerprints.lock"]
    assert answers(index, sessions, values)


@pytest.mark.thorough
def test_file_when_it_turns_bad_after_it_was_opened_then_the_scan_answers_and_another_one_is_made(
    sessions: Sessions, tmp_path: Path
) -> None:
    values = filled(sessions)
    index = new_index()
    keeper = Keeper(index, tmp_path, 10)
    keeper.keep(sessions)
    opened = read_blocks(tmp_path / "fingerprints")
    block = opened.blocks["pdq/1"]
    rotten = replace(block.index, ids=block.index.ids + np.uint32(10_000), costs=Costs(row_ns=float("inf")))
    index.adopt(replace(opened, blocks={"pdq/1": replace(block, index=rotten)}))

    assert answers(index, sessions, values)

    assert keeper.keep(sessions)["hashes"] == 40
    assert answers(index, sessions, values)
