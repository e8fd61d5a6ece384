"""The multi-index answers exactly what comparing everything answers; a file that is not whole is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprints.search.block import Rows, SideBlock, read_blocks, side_blobs_near, write_blocks
from app.fingerprints.search.files import NotAnIndex, open_index, writing
from app.fingerprints.search.hamming import Words, distances_bits, scan, words_of
from app.fingerprints.search.multi_index import Bands, Costs, MultiIndex, build

ALWAYS_LOOK_UP = Costs(row_ns=float("inf"))
AS_IT_COSTS = Costs(key_ns=0.0)
"""Looks up unless the rows under the keys are too many; then it scans."""

SHAPES = {"words": ((5, 4), "<u8"), "ids": ((3, 7), "<u4"), "none": ((0, 4), "<u8")}


def uneven_words(seed: int, rows: int, width: int) -> Words:
    """As stored ones are: unrelated hashes, copies, near copies, and hashes of almost flat pictures."""
    chance = np.random.default_rng(seed)
    words = chance.integers(0, 2**64, (rows, width), dtype=np.uint64)
    words[chance.random(rows) < 0.2] = words[0]
    words[chance.random(rows) < 0.2, : width // 2] = 0
    near = chance.random(rows) < 0.3
    words[near] = words[chance.integers(0, rows, near.sum())]
    for _ in range(int(chance.integers(0, 24))):
        words[near, chance.integers(0, width)] ^= np.uint64(1) << np.uint64(chance.integers(0, 64))
    return words


def changed(words: Words, flips: int, seed: int) -> Words:
    """Each with so many bits turned."""
    chance = np.random.default_rng(seed)
    words = words.copy()
    for row in words:
        for bit in chance.choice(words.shape[1] * 64, flips, replace=False):
            row[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return words


def by_definition(words: Words, queries: Words, radius_bits: int) -> set[tuple[int, int]]:
    """With Python's own integers, bit by bit."""
    stored = [int.from_bytes(row.tobytes(), "little") for row in words]
    asked = [int.from_bytes(row.tobytes(), "little") for row in queries]
    return {
        (number, row)
        for number, query in enumerate(asked)
        for row, value in enumerate(stored)
        if (query ^ value).bit_count() <= radius_bits
    }


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 200),
    width=st.sampled_from((1, 2, 4)),
    radius_bits=st.integers(0, 64),
    flips=st.integers(0, 64),
    costs=st.sampled_from((ALWAYS_LOOK_UP, AS_IT_COSTS, Costs())),
    key_bits=st.integers(4, 12),
)
def test_search_whatever_is_stored_and_asked_then_finds_what_comparing_everything_finds(
    seed: int, rows: int, width: int, radius_bits: int, flips: int, costs: Costs, key_bits: int
) -> None:
    words = uneven_words(seed, rows, width)
    queries = changed(words[:4], flips, seed)
    index = index_of(words, costs, key_bits, radius_bits)

    found = index.search(queries, radius_bits)

    pairs = list(zip(found.queries.tolist(), found.rows.tolist(), strict=True))
    assert pairs == sorted(by_definition(words, queries, radius_bits))


def index_of(words: Words, costs: Costs, key_bits: int, radius_bits: int) -> MultiIndex:
    """An index with keys of so many bits; as it would be built where that were too many keys to look up here."""
    if radius_bits // (words.shape[1] * 64 // key_bits) > 4:
        return build(words)
    bands = Bands(words.shape[1] * 64 // key_bits, key_bits)
    keys = bands.keys(words)
    order = np.argsort(keys, axis=0, kind="stable").T.astype(np.uint32)
    offsets = [np.searchsorted(np.sort(keys[:, band]), np.arange((1 << key_bits) + 1)) for band in range(bands.count)]
    return MultiIndex(bands, words, np.array(offsets, np.uint32), order, costs)


@pytest.mark.thorough
def test_tables_when_filled_then_each_row_lies_once_under_its_key() -> None:
    words = uneven_words(5, 3000, 4)
    index = build(words)
    keys = index.bands.keys(words)

    for band in range(index.bands.count):
        for key in np.unique(keys[:, band]).tolist():
            begin, end = index.offsets[band][key : key + 2]
            assert index.ids[band][begin:end].tolist() == np.flatnonzero(keys[:, band] == key).tolist()
    assert (index.offsets[:, -1] == 3000).all()


@pytest.mark.parametrize("radius_bits", [0, 31, 64])
def test_search_of_many_queries_when_there_are_enough_rows_to_look_up_then_is_what_a_scan_finds(
    radius_bits: int,
) -> None:
    words = uneven_words(3, 30_000, 4)
    queries = np.concatenate([changed(words[:40], flips, flips) for flips in (0, 20, 31, 32)])

    found, expected = build(words).search(queries, radius_bits), scan(words, queries, radius_bits)

    assert len(found.rows) > 40
    assert [part.tolist() for part in found] == [part.tolist() for part in expected]


def test_index_when_empty_then_finds_nothing() -> None:
    nothing = np.empty((0, 4), np.uint64)
    assert len(build(nothing).search(changed(uneven_words(1, 2, 4), 0, 1), 64).rows) == 0


def test_words_of_hashes_when_their_length_is_no_whole_number_of_words_then_distances_are_as_they_were() -> None:
    first, second = words_of([b"\xff" * 5, b"\x0f" * 5])
    assert distances_bits(first[None], second[None]).tolist() == [20]


def filled(path: Path, value: int) -> None:
    with writing(path, {"mark": value}, SHAPES) as arrays:
        arrays["words"][:] = value
        arrays["ids"][:] = value


def test_file_when_written_then_opens_with_facts_and_arrays_that_cannot_be_changed(tmp_path: Path) -> None:
    filled(tmp_path / "index", 7)
    opened = open_index(tmp_path / "index")

    assert opened.facts == {"mark": 7}
    assert {name: array.shape for name, array in opened.arrays.items()} == {n: s for n, (s, _) in SHAPES.items()}
    assert (opened.arrays["ids"] == 7).all()
    with pytest.raises(ValueError, match="read-only"):
        opened.arrays["words"][0] = 1
    assert os.listdir(tmp_path) == ["index"]
    assert (tmp_path / "index").stat().st_mode & 0o777 == 0o600


def test_file_when_replaced_while_it_is_open_then_its_readers_keep_what_they_have(tmp_path: Path) -> None:
    filled(tmp_path / "index", 7)
    before = open_index(tmp_path / "index")
    filled(tmp_path / "index", 9)

    assert (before.arrays["words"] == 7).all()
    assert (open_index(tmp_path / "index").arrays["words"] == 9).all()


def test_file_when_writing_it_fails_then_the_one_before_stands(tmp_path: Path) -> None:
    filled(tmp_path / "index", 7)
    with pytest.raises(ValueError, match="broadcast"), writing(tmp_path / "index", {}, SHAPES) as arrays:
        arrays["words"][:] = np.ones(3)

    assert open_index(tmp_path / "index").facts == {"mark": 7}
    assert os.listdir(tmp_path) == ["index"]


@pytest.mark.parametrize("place", ["magic", "header", "content", "last"])
def test_file_when_a_bit_of_it_is_turned_then_is_refused(tmp_path: Path, place: str) -> None:
    path = tmp_path / "index"
    filled(path, 7)
    content = bytearray(path.read_bytes())
    at = {"magic": 3, "header": 90, "content": 65_536 + 40, "last": len(content) - 1}[place]
    content[at] ^= 0x10
    path.write_bytes(content)

    with pytest.raises(NotAnIndex):
        open_index(path)


@pytest.mark.parametrize("length", [0, 17, 65_535, 65_536, 65_600])
def test_file_when_cut_short_then_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "index"
    filled(path, 7)
    os.truncate(path, length)

    with pytest.raises(NotAnIndex):
        open_index(path)


def rows_of(words: Words, seed: int) -> Rows:
    """Each blob has three hashes."""
    owners = np.arange(len(words), dtype=np.uint32) // np.uint32(3)
    blobs = np.random.default_rng(seed).integers(0, 256, (len(words) // 3 + 1, 32), dtype=np.uint8)
    return Rows(words, owners, blobs)


@pytest.mark.thorough
@given(
    seed=st.integers(0, 2**32),
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    radius_bits=st.integers(0, 64),
    flips=st.integers(0, 40),
)
def test_blobs_near_whatever_was_filed_when_then_file_and_side_find_those_that_comparing_everything_finds(
    tmp_path_factory: pytest.TempPathFactory, seed: int, counts: list[int], radius_bits: int, flips: int
) -> None:
    """Rows arrive part by part; after each the file may be made anew of all of them, and opened again."""
    path = tmp_path_factory.mktemp("index") / "index"
    parts = [rows_of(uneven_words(seed + number, count + 1, 4), seed) for number, count in enumerate(counts)]
    queries = changed(parts[0].words[:3], flips, seed)
    words, blobs = np.empty((0, 4), np.uint64), np.empty((0, 32), np.uint8)
    side, file = SideBlock(4), None
    for number, part in enumerate(parts):
        words = np.concatenate([words, part.words])
        blobs = np.concatenate([blobs, part.blobs[part.owners]])
        side.add(part.words, part.blobs[part.owners])
        if (seed >> number) & 1:
            write_blocks(path, {}, {"pdq/1": Rows(words, np.arange(len(words), dtype=np.uint32), blobs)})
            file, side = read_blocks(path).blocks["pdq/1"], SideBlock(4)

        found = side_blobs_near(side.snapshot(), queries, radius_bits)
        if file is not None:
            found |= file.blobs_near(queries, radius_bits)

        assert found == {blobs[row].tobytes() for _, row in by_definition(words, queries, radius_bits)}
