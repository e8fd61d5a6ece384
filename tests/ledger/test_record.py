"""``log.signed``: the last line counts, a line is whole or not there, and nothing else of the file is read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.errors import Misconfigured
from app.ledger.record import BLOCK_BYTES, SignedRecord, SignedTree

ORIGIN = "log.example.org/2026"


def _tree(size: int, *entry_ids: int) -> SignedTree:
    return SignedTree(ORIGIN, size, f"{size:064x}", entry_ids)


@given(st.sets(st.integers(min_value=1, max_value=2**63 - 1)).map(sorted))
def test_last_when_a_tree_was_added_is_that_tree(tmp_path_factory: pytest.TempPathFactory, ids: list[int]) -> None:
    record = SignedRecord(tmp_path_factory.mktemp("record") / "log.signed")
    assert record.last() is None
    record.add(_tree(5, 1, 2, 3))
    record.add(_tree(9, *ids))

    assert record.last() == _tree(9, *ids)


def test_last_when_a_line_is_longer_than_what_is_read_at_once_finds_its_beginning(tmp_path: Path) -> None:
    record = SignedRecord(tmp_path / "log.signed")
    long = _tree(BLOCK_BYTES, *range(1, 4 * BLOCK_BYTES, 2))
    for tree in (_tree(1), long, long):
        record.add(tree)

    assert record.last() == long


@pytest.mark.parametrize("kept_bytes", [1, 30, 80, -1])
def test_last_when_the_newest_line_was_cut_off_is_the_one_before_for_ever(tmp_path: Path, kept_bytes: int) -> None:
    path = tmp_path / "log.signed"
    record = SignedRecord(path)
    record.add(_tree(5, 1, 2))
    with path.open("ab") as file:
        file.write(_tree(8, 3, 4).encode()[:kept_bytes])
    assert record.last() == _tree(5, 1, 2)

    record.add(_tree(7, 3, 5))
    assert record.last() == _tree(7, 3, 5)
    path.write_bytes(path.read_bytes()[: -len(_tree(7, 3, 5).encode())])  # Cut off again: what was torn stays torn.
    assert record.last() == _tree(5, 1, 2)


def test_last_of_an_earlier_releases_file_is_read_without_origin(tmp_path: Path) -> None:
    path = tmp_path / "log.signed"
    path.write_text(f"3 {'ab' * 32}\n")

    assert SignedRecord(path).last() == SignedTree(None, 3, "ab" * 32)


@pytest.mark.parametrize("line", ["nonsense", "a b c d", "origin 5 zz -", f"origin five {'ab' * 32} -", "1 2 3"])
def test_last_when_somebody_wrote_in_the_file_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log.signed"
    path.write_text(f"{line}\n")

    with pytest.raises(Misconfigured, match="Restore the file"):
        SignedRecord(path).last()


def test_record_when_made_is_private(tmp_path: Path) -> None:
    record = SignedRecord(tmp_path / "log.signed")
    with record.held():
        record.add(_tree(1, 1))

    assert record.path.stat().st_mode & 0o077 == 0
