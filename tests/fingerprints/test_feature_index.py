"""The index of local features proposes the same whatever was stored in whatever order, made anew and started again."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints.algorithms.local_features import VERSION, LocalFeatures, pack_points
from app.fingerprints.decodings import Decoded, store_decoding
from app.fingerprints.feature_index import Candidate, FeatureIndex, FeatureQuery, open_points
from app.fingerprints.feature_keeping import FeatureKeeper
from app.fingerprints.models import IndexCheck
from app.fingerprints.search.points import OffsetTables
from app.kernel.primitives import Sha256Hex, new_id
from tests.fingerprints.test_index import INSERT_BLOB, blob
from tests.support.api import Api

Sessions = sessionmaker[Session]


class Pictures:
    """Points of pictures that often share some."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self._known = self.chance.integers(0, 2, (30, 256), dtype=np.uint8)

    def points(self, count: int = 12) -> bytes:
        bits = self._known[self.chance.integers(0, len(self._known), count)]
        bits ^= self.chance.random(bits.shape) < self.chance.uniform(0, 0.3, (count, 1))
        xy, angles = self.chance.integers(0, 640, (count, 2)), self.chance.uniform(0, 90, count)
        return pack_points(xy, self.chance.integers(0, 3, count), angles, np.packbits(bits, 1))

    def queries(self) -> list[FeatureQuery]:
        return [FeatureQuery(time_ms, view, self.points()) for time_ms in (0, 500) for view in ("identity", "mirror")]


def store(session: Session, sha256: Sha256Hex, sets: list[LocalFeatures], number: int = 1, **told: str) -> None:
    session.execute(INSERT_BLOB, {"sha256": sha256})
    outcome = told.get("outcome", "decoded")
    decoded = Decoded("decoder", outcome, None, claims={}, prints=[], renderings=(), features=sets, rules=(VERSION,))
    assert store_decoding(session, sha256, number, decoded)


def in_memory(session: Session) -> FeatureIndex:
    """What a process that has just begun answers without a file."""
    index = FeatureIndex()
    assert index.blocks(session) is not None
    return index


def test_part_of_a_picture_when_asked_for_then_its_picture_is_proposed_as_by_the_whole(sessions: Sessions) -> None:
    pictures = Pictures(5)
    whole, part = pictures.points(), pictures.points()
    sets = [LocalFeatures(VERSION, 0, whole), LocalFeatures(VERSION, 0, part, "part.0.12.300.200.480")]
    with sessions.begin() as session:
        store(session, blob(0), sets)

    with sessions() as session:
        found = [
            in_memory(session).candidates(session, None, [FeatureQuery(0, "identity", points)], 5)
            for points in (whole, part)
        ]

    assert [[one.blob_sha256 for one in some] for some in found] == [[blob(0)]] * 2


def test_view_that_is_none_when_stored_then_the_database_refuses_it(sessions: Sessions) -> None:
    with sessions() as session, pytest.raises(IntegrityError, match="view_word"):
        store(session, blob(0), [LocalFeatures(VERSION, 0, Pictures(0).points(), "part.1.2.3")])


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(3))
def test_candidates_whatever_was_stored_rebuilt_and_restarted_then_are_those_of_one_reading(
    sessions: Sessions, tmp_path: Path, seed: int
) -> None:
    pictures, chance, blobs = Pictures(seed), random.Random(seed), 0
    index = FeatureIndex(read_at_once=3)
    keeper = FeatureKeeper(index, tmp_path, file_from_rows=40)

    def features(count: int) -> list[LocalFeatures]:
        return [LocalFeatures(VERSION, time_ms, pictures.points(chance.choice((0, 5, 12)))) for time_ms in range(count)]

    def add() -> None:
        nonlocal blobs
        with sessions.begin() as session:
            for _ in range(chance.randint(1, 3)):
                store(session, blob(blobs), features(chance.randint(0, 3)))
                blobs += 1

    def decode_again() -> None:
        with sessions.begin() as session:
            query = "SELECT encode(blob_sha256, 'hex'), max(number) FROM decodings GROUP BY 1 ORDER BY 1"
            if known := session.execute(text(query)).all():
                sha256, number = chance.choice(known)
                outcome = chance.choice(("decoded", "partial"))
                store(session, Sha256Hex(sha256), features(2), number + 1, outcome=outcome)

    def restart() -> None:
        nonlocal index, keeper
        index = FeatureIndex(read_at_once=chance.choice((2, 5, 1000)))
        keeper = FeatureKeeper(index, tmp_path, file_from_rows=40)

    def compare() -> None:
        with sessions() as session:
            if chance.random() < 0.3:
                store(session, blob(20_000), features(2))  # Its own, not committed.
            among = (
                None if chance.random() < 0.4 else {blob(n) for n in (*range(blobs), 20_000) if chance.random() < 0.7}
            )
            queries, limit = pictures.queries(), chance.choice((2, 100))
            found = index.candidates(session, among, queries, limit)
            assert found == in_memory(session).candidates(session, among, queries, limit)
            assert among is None or {one.blob_sha256 for one in found} <= among

    def keep() -> None:
        keeper.keep(sessions)

    acts: list[Callable[[], None]] = [add, add, decode_again, keep, restart, compare, compare]
    for _ in range(30):
        chance.choice(acts)()
    add()
    keep()
    compare()
    with sessions() as session:
        checks = session.execute(select(IndexCheck.name, IndexCheck.missing)).all()
        assert {tuple(row) for row in checks} == {("features", 0)}
    assert (tmp_path / "features").exists()


def one_of(pictures: Pictures) -> tuple[bytes, list[FeatureQuery]]:
    points = pictures.points()
    return points, [FeatureQuery(0, "identity", points)]


def test_points_when_committed_then_every_later_search_proposes_them_and_none_before(sessions: Sessions) -> None:
    points, query = one_of(Pictures(1))
    indexes = [FeatureIndex(), FeatureIndex()]  # Of two processes.
    with sessions() as storing, sessions() as asking:
        store(storing, blob(0), [LocalFeatures(VERSION, 40, points)])
        assert [len(index.candidates(asking, None, query, 9)) for index in indexes] == [0, 0]
        assert indexes[0].candidates(storing, None, query, 9), "its own"
        storing.commit()
        expected = [Candidate(blob(0), 40, 0, "identity", 12_000)]
        assert [index.candidates(asking, None, query, 9) for index in indexes] == [expected] * 2


def test_points_when_another_decoding_is_in_force_then_those_before_are_not_proposed(sessions: Sessions) -> None:
    pictures = Pictures(2)
    points, query = one_of(pictures)
    with sessions.begin() as session:
        store(session, blob(0), [LocalFeatures(VERSION, 0, points)])
    index = FeatureIndex()
    with sessions() as session:
        assert index.candidates(session, {blob(0)}, query, 9)
    with sessions.begin() as session:
        store(session, blob(0), [], number=2)
    with sessions() as session:
        assert not index.candidates(session, {blob(0)}, query, 9)


@pytest.mark.thorough
def test_index_when_there_are_too_many_points_and_no_file_then_those_that_are_asked_for_are_searched(
    sessions: Sessions, tmp_path: Path
) -> None:
    points, query = one_of(Pictures(3))
    with sessions.begin() as session:
        for number in range(4):
            store(session, blob(number), [LocalFeatures(VERSION, 0, points)])
    index = FeatureIndex(read_at_start=3)
    with sessions() as session:
        assert index.candidates(session, None, query, 9) == []
        assert [one.blob_sha256 for one in index.candidates(session, {blob(1)}, query, 9)] == [blob(1)]

    assert FeatureKeeper(index, tmp_path).keep(sessions)["points"] == 48

    with sessions() as session:
        assert len(index.candidates(session, None, query, 9)) == 4


@pytest.mark.thorough
def test_file_when_it_holds_less_than_the_database_then_the_check_says_so_and_it_is_made_anew(
    api: Api, sessions: Sessions, tmp_path: Path
) -> None:
    pictures = Pictures(4)
    points, query = one_of(pictures)
    with sessions.begin() as session:
        store(session, blob(0), [LocalFeatures(VERSION, 0, points)])
    index = FeatureIndex()
    keeper = FeatureKeeper(index, tmp_path, 0)
    keeper.keep(sessions)
    assert api.client().get("/readyz").json()["components"]["feature_index"]["status"] == "ready"
    opened = open_points(tmp_path / "features")
    tables = OffsetTables(np.zeros((12, 2**20 + 1), np.uint32), np.zeros((12, 12), np.uint32))
    # The file as it were if making it had lost what lies under the keys.
    facts = {**opened.facts, "id": str(new_id())}
    index.adopt(replace(opened, facts=facts, block=replace(opened.block, tables=tables)))
    with sessions() as session:
        assert not index.candidates(session, None, query, 9)

    assert keeper.keep(sessions)["missing"] > 0

    assert api.client().get("/readyz").json()["components"]["feature_index"]["status"] == "not_ready"
    with sessions() as session:
        assert index.candidates(session, None, query, 9), "read from the database, without the file"
    assert keeper.keep(sessions)["points"] == 12
    assert api.client().get("/readyz").json()["components"]["feature_index"]["status"] == "ready"
