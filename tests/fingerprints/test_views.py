"""The views under which a picture is searched with are those of the picture, turned or mirrored."""

from pathlib import Path

import numpy as np
import pytest

from app.fingerprints.algorithms.algorithm import hamming
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.views import IDENTITY, INVERSE, SYMMETRIES, hashes_in_views
from tests.media_samples import PHOTOGRAPHS, upright


@pytest.mark.parametrize("name", SYMMETRIES)
def test_view_is_the_hash_of_the_transformed_picture(name: str) -> None:
    image = upright(PHOTOGRAPHS[0])
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
