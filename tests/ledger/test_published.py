"""The published tiles and proofs against the tree that they are of, computed once more and naively."""

import hashlib

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.ledger import published, reading
from app.ledger.checkpoint import VerifierKey, encode_base64, open_checkpoint, parse_checkpoint
from app.ledger.merkle import EMPTY_ROOT, ProofInvalid, verify_consistency
from app.ledger.published import NotSigned
from app.ledger.reading import NotInLog
from app.ledger.tiles import Tile, parse_bundle, tiles_of
from app.ledger.witness_request import AddCheckpoint, parse_add_checkpoint
from tests.ledger.acts import append, integrate_all, make_view, open_log, verifier_key

ENTRIES = 700
BATCH = 260


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


@pytest.fixture
def log(sessions: sessionmaker[Session], integrating: Engine) -> list[int]:
    """A log of 700 leaves; the sizes that were signed on the way."""
    stream = open_log(sessions)[0]
    append(sessions, [make_view(stream) for _ in range(ENTRIES)])
    return integrate_all(integrating, limit=BATCH)


def _leaves(session: Session) -> list[bytes]:
    return [each.leaf for each in reading.each_leaf(session, ENTRIES)]


def test_tiles_at_every_signed_size_hold_the_trees_hashes(sessions: sessionmaker[Session], log: list[int]) -> None:
    assert log == [260, 520, 700]
    with sessions() as session:
        leaves = _leaves(session)
        hashes = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
        for size in log:
            for tile in tiles_of(size):
                content = published.read_tile(session, tile)
                if tile.level is None:
                    assert parse_bundle(content) == leaves[tile.first : tile.end]
                else:
                    width = 1 << tile.node_level
                    spans = [(at * width, (at + 1) * width) for at in range(tile.first, tile.end)]
                    assert content == b"".join(mth(hashes[start:end]) for start, end in spans)


def test_a_tile_beyond_the_signed_size_does_not_exist(sessions: sessionmaker[Session], log: list[int]) -> None:
    beyond = [
        *(Tile(level, 2, 189) for level in (None, 0)),
        *(Tile(level, 2) for level in (None, 0)),
        *(Tile(level, 3, 1) for level in (None, 0)),
        *(Tile(1, 0), Tile(1, 0, 3), Tile(1, 1, 1), Tile(2, 0, 1), Tile(7, 0, 1), Tile(63, 10**30)),
    ]
    with sessions() as session:
        assert len(published.read_tile(session, Tile(1, 0, 2))) == 64
        for tile in beyond:
            with pytest.raises(NotInLog):
                published.read_tile(session, tile)


def test_a_tile_whose_leaves_are_not_signed_does_not_exist(
    sessions: sessionmaker[Session], log: list[int], owning: Engine
) -> None:
    with owning.begin() as owner:  # A fault that the integrator cannot make: leaves without their checkpoint.
        owner.execute(text("ALTER TABLE ledger_checkpoints DISABLE TRIGGER USER"))
        owner.execute(text("DELETE FROM ledger_checkpoints WHERE size = 700"))
    with sessions() as session:
        assert published.read_tile(session, Tile(0, 2, 8))
        for level in (None, 0):
            with pytest.raises(NotInLog):
                published.read_tile(session, Tile(level, 2, 9))


def test_consistency_between_signed_sizes_verifies(sessions: sessionmaker[Session], log: list[int]) -> None:
    vkey = verifier_key(sessions)
    with sessions() as session:
        roots = {size: bytes.fromhex(checkpoint.root) for size, checkpoint in _checkpoints(session, log).items()}
        for new in log:
            signed = reading.checkpoint_of(session, new)
            assert signed is not None
            for old in (0, *(size for size in log if size <= new)):
                made = published.consistency(session, old, signed)
                assert parse_add_checkpoint(made.encode()) == made
                assert _verified(made, roots.get(old, EMPTY_ROOT), vkey) == new
                with pytest.raises(ProofInvalid):
                    _verified(made, bytes(32), vkey)


def _verified(file: AddCheckpoint, old_root: bytes, vkey: VerifierKey) -> int:
    """The newer size, as a witness would find it."""
    newer = open_checkpoint(file.checkpoint, vkey)
    if file.old:
        verify_consistency(file.old, newer.size, old_root, newer.root, list(file.hashes))
    elif file.hashes or old_root != EMPTY_ROOT:
        raise ProofInvalid("from an empty tree the proof is empty")
    return newer.size


def _checkpoints(session: Session, sizes: list[int]) -> dict[int, reading.SignedCheckpoint]:
    found = {size: reading.checkpoint_of(session, size) for size in sizes}
    return {size: checkpoint for size, checkpoint in found.items() if checkpoint is not None}


def test_consistency_with_a_size_that_was_not_signed_is_refused(
    sessions: sessionmaker[Session], log: list[int]
) -> None:
    with sessions() as session:
        newest = reading.latest_checkpoint(session)
        assert newest is not None
        with pytest.raises(NotSigned):
            published.consistency(session, 261, newest)
        with pytest.raises(ValueError, match="cannot be the beginning"):
            published.consistency(session, 701, newest)


def test_consistency_file_is_the_body_of_add_checkpoint(sessions: sessionmaker[Session], log: list[int]) -> None:
    with sessions() as session:
        newest = reading.latest_checkpoint(session)
        assert newest is not None
        made = published.consistency(session, 260, newest)

    lines = made.encode().split("\n")
    blank = lines.index("")
    assert lines[0] == "old 260"
    assert lines[1:blank] == [encode_base64(each) for each in made.hashes]
    assert parse_checkpoint("\n".join(lines[blank + 1 : blank + 4]) + "\n").size == 700
