"""The faster BOX filter gives Pillow's own bytes: fingerprints hang on every one of them."""

import numpy as np
import pytest
from PIL import Image

from app.fingerprints.algorithms.algorithm import HASHED_SIDE_PIXELS, reduced, reduced_size
from app.fingerprints.algorithms.local_features import SIDE_PIXELS
from app.fingerprints.algorithms.reducing import grey_of, reduced_picture, smaller

NOISE = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8)
GEOMETRIES = [
    (1000, 750), (750, 1000), (1024, 1024), (1024, 768), (576, 1024), (1023, 683), (513, 512), (641, 640), (700, 641),
    (998, 1), (1, 998), (1024, 3), (3, 1024), (1024, 5), (5, 1024), (300, 700), (342, 690), (498, 1024), (511, 1024),
    (512, 1024), (513, 1024), (902, 1000), (1000, 902), (853, 480), (320, 200), (64, 64),
]  # fmt: skip


@pytest.mark.parametrize("longer_side", [HASHED_SIDE_PIXELS, SIDE_PIXELS])
@pytest.mark.parametrize(("width", "height"), GEOMETRIES)
def test_smaller_picture_when_reduced_then_every_byte_is_pillows(width: int, height: int, longer_side: int) -> None:
    size = reduced_size((width, height), longer_side)
    for picture in (NOISE[:height, :width, 0], NOISE[:height, :width]):
        expected = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
        assert (smaller(np.ascontiguousarray(picture), size) == np.asarray(expected)).all()


@pytest.mark.parametrize("seed", range(4))
def test_smaller_picture_when_of_any_size_then_every_byte_is_pillows(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(20):
        width, height = (int(side) for side in random.integers(150, 1025, 2))
        picture = np.ascontiguousarray(NOISE[:height, :width, 0])
        size = reduced_size((width, height), HASHED_SIDE_PIXELS)
        expected = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
        assert (smaller(picture, size) == np.asarray(expected)).all(), (width, height)


@pytest.mark.parametrize(("width", "height"), [(1000, 750), (300, 1000), (400, 300)])
def test_reduced_picture_when_made_by_the_faster_way_then_each_form_is_the_same(width: int, height: int) -> None:
    rgb = np.ascontiguousarray(NOISE[:height, :width])
    faster, plain = reduced_picture(rgb), reduced(rgb)
    assert faster.image.tobytes() == plain.image.tobytes()
    assert (faster.pixels == plain.pixels).all()
    assert all((one == other).all() for one, other in zip(faster.planes, plain.planes, strict=True))


def test_grey_picture_when_made_of_four_bytes_a_pixel_then_every_byte_is_pillows() -> None:
    colours = np.stack(np.meshgrid(*[np.arange(0, 256, 5, dtype=np.uint8)] * 3), axis=-1).reshape(52, -1, 3)
    for rgb in (colours, NOISE[:750, :1000], NOISE[:1, :1]):
        expected = Image.fromarray(rgb).convert("L")
        assert grey_of(np.ascontiguousarray(rgb)).tobytes() == expected.tobytes()
