"""The views under which a picture is searched with are those of the picture, turned or mirrored."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprints.algorithms.algorithm import hamming
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.views import (
    AREAS,
    IDENTITY,
    INVERSE,
    SYMMETRIES,
    area_of,
    hashes_in_views,
    in_symmetries,
    symmetry_of,
    view_of,
)
from tests.media_samples import PHOTOGRAPHS, upright


@pytest.mark.parametrize("name", SYMMETRIES)
def test_view_is_the_hash_of_the_transformed_picture(name: str) -> None:
    image = upright(PHOTOGRAPHS[0]).copy()
    image.thumbnail((1024, 1024))
    rgb = np.asarray(image)

    found = dict(hashes_in_views(PDQ, rgb))[name]

    turned = PDQ.compute(np.ascontiguousarray(SYMMETRIES[name](rgb), dtype=np.uint8))
    # Reducing and turning may round a few grey values differently.
    assert hamming(found.value, turned.value) <= (0 if name == IDENTITY else 4)


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("side_pixels", [512, 333, 64, 4])
def test_symmetries_of_a_reduced_picture_are_bit_for_bit_those_of_the_turned_one(path: Path, side_pixels: int) -> None:
    image = upright(path).copy()
    image.thumbnail((side_pixels, side_pixels))
    luma = PDQ.luma_of(np.asarray(image))

    found = PDQ.of_luma_in_symmetries(luma)

    assert found == {name: PDQ.of_luma(np.ascontiguousarray(turn(luma))) for name, turn in SYMMETRIES.items()}


@pytest.mark.parametrize("name", SYMMETRIES)
def test_inverse_undoes_the_symmetry(name: str) -> None:
    picture = np.arange(2 * 3 * 3).reshape(2, 3, 3).astype(np.uint8)

    assert np.array_equal(SYMMETRIES[INVERSE[name]](SYMMETRIES[name](picture)), picture)


@pytest.mark.parametrize("area", [*AREAS, "folded", "part.10.12.252.155.404"])
@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_name_of_a_view_when_read_then_it_says_area_and_symmetry(area: str, symmetry: str) -> None:
    view = view_of(area, symmetry)

    assert (area_of(view), symmetry_of(view)) == (area, symmetry)


MOST_WRONG_BITS = 31
"""By the bits alone a median is unknown, and the samples do not lie evenly about the middle."""


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_hash_turned_by_its_bits_when_compared_with_the_turned_picture_then_it_is_near(path: Path) -> None:
    image = upright(path).copy()
    image.thumbnail((512, 512))
    real = PDQ.of_luma_in_symmetries(PDQ.luma_of(np.asarray(image)))

    found = in_symmetries(real[IDENTITY].value)

    distances = {name: hamming(found[name], real[name].value) for name in SYMMETRIES}
    assert distances[IDENTITY] == distances["transpose"] == 0
    assert max(distances.values()) <= MOST_WRONG_BITS, distances


@given(st.binary(min_size=32, max_size=32), st.sampled_from(sorted(SYMMETRIES)))
def test_hash_when_turned_there_and_back_by_its_bits_then_it_is_the_same(value: bytes, name: str) -> None:
    assert in_symmetries(in_symmetries(value)[name])[INVERSE[name]] == value
