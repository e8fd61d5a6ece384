"""Local features: what is packed comes back, points find a crop and a turned copy, and the rule's bits are frozen."""

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.fingerprints.algorithms.algorithm import Pixels
from app.fingerprints.algorithms.local_features import (
    ANGLES,
    MAXIMUM_POINTS,
    OCTAVES,
    POINT_BYTES,
    SCALE_STEP,
    SIDE_PIXELS,
    Points,
    pack_points,
    unpack_points,
)
from app.fingerprints.algorithms.orb import features_in_views, local_features
from tests.media_samples import ASSETS, upright

TEMPLE = ASSETS / "temple.jpg"


def points_of(picture: Image.Image) -> Points:
    return unpack_points(local_features(np.asarray(picture)).points)


def drawn(side_pixels: int = 400) -> Pixels:
    """Known pixels: black and white squares of many sizes, by whole numbers alone."""
    random = np.random.default_rng(7)
    picture = np.full((side_pixels, side_pixels, 3), 128, np.uint8)
    for _ in range(120):
        x, y, size = (int(number) for number in random.integers((0, 0, 12), (side_pixels, side_pixels, 60)))
        picture[y : y + size, x : x + size] = int(random.integers(0, 256))
    return picture


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[int, int, int, int, bytes]]:
    one = st.tuples(
        st.integers(0, SIDE_PIXELS),
        st.integers(0, SIDE_PIXELS),
        st.integers(0, OCTAVES - 1),
        st.integers(0, ANGLES - 1),
        st.binary(min_size=32, max_size=32),
    )
    return draw(st.lists(one, max_size=8))


@given(rows())
def test_packed_points_when_unpacked_then_they_are_the_same(given_rows: list[tuple[int, int, int, int, bytes]]) -> None:
    xy = np.array([row[:2] for row in given_rows], np.float64).reshape(-1, 2)
    octaves = np.array([row[2] for row in given_rows], np.int64)
    angles = np.array([row[3] * 360 / ANGLES for row in given_rows])
    descriptors = np.frombuffer(b"".join(row[4] for row in given_rows), np.uint8).reshape(-1, 32)

    packed = pack_points(xy, octaves, angles, descriptors)
    found = unpack_points(packed)

    assert len(packed) == len(given_rows) * POINT_BYTES
    assert np.array_equal(found.xy, xy)
    assert np.allclose(found.scales, SCALE_STEP**octaves)
    assert np.allclose(found.angles, angles)
    assert np.array_equal(found.descriptors, descriptors)


@pytest.mark.parametrize(("x", "octave"), [(-1, 0), (SIDE_PIXELS + 1, 0), (5, OCTAVES), (5, -1)])
def test_point_outside_the_picture_when_packed_then_it_is_refused(x: int, octave: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        pack_points(np.array([[x, 5]]), np.array([octave]), np.array([0.0]), np.zeros((1, 32), np.uint8))


def test_bytes_that_are_no_whole_points_when_unpacked_then_they_are_refused() -> None:
    with pytest.raises(ValueError):
        unpack_points(bytes(POINT_BYTES + 1))


def test_pixels_when_the_same_then_the_points_are() -> None:
    picture = np.asarray(upright(TEMPLE))
    given_before = picture.copy()

    first = local_features(picture)

    assert local_features(picture.copy()) == first
    assert np.array_equal(picture, given_before)
    assert 400 <= first.count <= MAXIMUM_POINTS


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 640, 3), (63, 63, 3), (64, 64, 3), (600, 5, 3), (300, 400, 3)])
def test_flat_or_tiny_picture_when_looked_at_then_it_has_no_points(shape: tuple[int, int, int]) -> None:
    assert local_features(np.full(shape, 127, np.uint8)).points == b""


def matched(first: Points, second: Points) -> tuple[np.ndarray, np.ndarray]:
    """Places in both of the points that are each other's nearest, at 64 bits or less."""
    distances = np.bitwise_count(first.descriptors[:, np.newaxis] ^ second.descriptors[np.newaxis]).sum(axis=2)
    forth, back = distances.argmin(axis=1), distances.argmin(axis=0)
    mine = np.array([i for i, j in enumerate(forth) if back[j] == i and distances[i, j] <= 64])
    return first.xy[mine], second.xy[forth[mine]]


def test_crop_of_a_quarter_when_compared_then_its_points_lie_where_the_crop_was() -> None:
    whole = upright(TEMPLE).resize((640, 427))
    crop = whole.crop((200, 100, 520, 314))

    in_whole, in_crop = matched(points_of(whole), points_of(crop))

    is_moved = np.abs(in_whole - in_crop - (200, 100)).max(axis=1) <= 3
    assert is_moved.sum() >= 30


def test_turned_copy_when_compared_then_its_points_and_angles_turned_with_it() -> None:
    whole = upright(TEMPLE).resize((640, 427))
    turned = whole.transpose(Image.Transpose.ROTATE_270)  # Clockwise by 90 degrees.
    first, second = points_of(whole), points_of(turned)

    in_whole, in_turned = matched(first, second)

    expected = np.stack([426 - in_whole[:, 1], in_whole[:, 0]], axis=1)
    is_turned = np.abs(expected - in_turned).max(axis=1) <= 3
    assert is_turned.sum() >= 100
    angles = [
        (second.angles[(second.xy == there).all(axis=1)][0] - first.angles[(first.xy == here).all(axis=1)][0]) % 360
        for here, there in zip(in_whole[is_turned], in_turned[is_turned], strict=True)
    ]
    assert 80 <= np.median(angles) <= 100


@pytest.mark.parametrize("name", ["temple.jpg", "park-dogs.jpg"])
def test_mirrored_points_when_compared_with_those_of_the_mirrored_picture_then_they_are_the_same(name: str) -> None:
    picture = upright(ASSETS / name)
    straight, mirrored = features_in_views(picture, 5)
    real = points_of(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    in_found, in_real = matched(unpack_points(mirrored.points), real)

    assert (straight.view, mirrored.view, straight.time_ms, mirrored.time_ms) == ("identity", "mirror", 5, 5)
    assert straight.points == local_features(picture).points
    assert np.count_nonzero(np.abs(in_found - in_real).max(axis=1) <= 3) >= 0.75 * straight.count


def test_drawn_picture_when_the_rule_is_version_1_then_its_points_are_these() -> None:
    # Changed bits need a new version: stored points are compared with new ones.
    features = local_features(drawn())
    assert (features.version, features.count, sha256(features.points).hexdigest()) == (
        "orb/1",
        399,
        "a787ee1906383ea4f46983233bdafb4f4ea335ef672226756bb0762b7a017de4",
    )
