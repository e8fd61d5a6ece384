"""Tile paths and bundles against the text of c2sp.org/tlog-tiles, and one spelling for each."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.ledger.tiles import (
    BundleInvalid,
    Tile,
    TilePathInvalid,
    encode_bundle,
    parse_bundle,
    parse_tile_path,
    tiles_of,
)

tiles = st.builds(
    Tile,
    st.none() | st.integers(0, 63),
    st.integers(0, 2**40) | st.sampled_from([0, 999, 1000, 999_999, 1_000_000]),
    st.integers(1, 256),
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "0/000"),
        (Tile(0, 1_234_067), "0/x001/x234/067"),
        (Tile(1, 1000, 17), "1/x001/000.p/17"),
        (Tile(63, 5, 255), "63/005.p/255"),
        (Tile(None, 273, 112), "entries/273.p/112"),
    ],
)
def test_path_of_a_tile_is_that_of_the_specification(tile: Tile, path: str) -> None:
    assert tile.encode() == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "0", "0/", "/0/000", "0/000/", "0/00", "0/0000", "0/x000/000", "0/000/000", "0/x001/x000/00"),
        *("00/000", "01/000", "64/000", "-1/000", "+0/000", "0/-01", "0/x001", "0/X001/000", "0/x1/000"),
        *("0/000.p", "0/000.p/", "0/000.p/0", "0/000.p/00", "0/000.p/01", "0/000.p/256", "0/000.p/257", "0/000.p/-1"),
        *("0/000.P/1", "0/000p/1", "0/000.p/1/", "0/000.p/1.p/1", "0/x001.p/1", "Entries/000", "entries/000.p/256"),
        *("entries", "data/000", "8/0/000", "0/٠٠٠", "0/000\n", "0/000 ", " 0/000", "0/%30%30%30", "0\\000", "0/000?"),
        "0/" + "x999/" * 20 + "999",
    ],
)
def test_parse_tile_path_when_not_the_one_spelling_is_refused(path: str) -> None:
    with pytest.raises(TilePathInvalid):
        parse_tile_path(path)


@given(tiles)
def test_parse_tile_path_of_an_encoded_tile_gives_it_back(tile: Tile) -> None:
    assert parse_tile_path(tile.encode()) == tile


@given(st.text(max_size=40) | st.from_regex(r"\A([0-9]{1,3}|entries)/[x0-9/]{0,12}[0-9]{1,4}(\.p/[0-9]{0,4})?\Z"))
@example("0/x000/000")
@example("0/000\n")
def test_parse_tile_path_when_it_accepts_a_text_then_it_is_the_tiles_own(path: str) -> None:
    try:
        tile = parse_tile_path(path)
    except TilePathInvalid:
        return
    assert tile.encode() == path


def test_tiles_of_the_specifications_example_are_those_it_counts() -> None:
    found = Counter((tile.level, tile.width) for tile in tiles_of(70_000))

    expected = Counter[tuple[int | None, int]]({(None, 256): 273, (None, 112): 1, (0, 256): 273, (0, 112): 1})
    expected.update({(1, 256): 1, (1, 17): 1, (2, 1): 1})
    assert found == expected
    assert tiles_of(256) == [Tile(None, 0), Tile(0, 0), Tile(1, 0, 1)]
    assert tiles_of(0) == []


@pytest.mark.thorough
@given(st.integers(1, 10**7))
def test_tiles_of_a_size_are_the_widest_that_exist_at_it(size: int) -> None:
    made = tiles_of(size) if size < 100_000 else tiles_of(size)[-4:]
    for tile in made:
        assert tile.least_size <= size
        assert tile.is_full or Tile(tile.level, tile.index, tile.width + 1).least_size > size


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_parse_bundle_of_encoded_leaves_gives_them_back(leaves: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(leaves)) == leaves


@given(st.binary(max_size=64))
def test_parse_bundle_when_it_accepts_bytes_then_they_are_the_leaves_own(bundle: bytes) -> None:
    try:
        leaves = parse_bundle(bundle)
    except BundleInvalid:
        return
    assert encode_bundle(leaves) == bundle


def test_encode_bundle_of_a_leaf_that_does_not_fit_is_refused() -> None:
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    with pytest.raises(ValueError, match="does not fit"):
        encode_bundle([b"x" * 65_536])
