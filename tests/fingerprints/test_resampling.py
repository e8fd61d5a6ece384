"""The faster LANCZOS filter gives Pillow's own bytes: phash, dhash and whash hang on every one of them."""

import numpy as np
import pytest
from PIL import Image

from app.fingerprints.algorithms.image_hashes import DHASH_SIZE, PHASH_SIZE, columns_go_first
from app.fingerprints.algorithms.resampling import lanczos

RANDOM = np.random.default_rng(1)
NOISE = RANDOM.integers(0, 256, (512, 512), np.uint8)
BLACK_AND_WHITE = RANDOM.integers(0, 2, (512, 512)).astype(np.uint8) * 255
"""The filter overshoots here, and is cut off."""


@pytest.mark.parametrize("pixels", [NOISE, BLACK_AND_WHITE])
@pytest.mark.parametrize("size", [PHASH_SIZE, DHASH_SIZE, (64, 64), (256, 256), (512, 512)])
@pytest.mark.parametrize("form", [(512, 384), (384, 512), (512, 512), (512, 288), (341, 511), (512, 32), (100, 150)])
def test_smaller_picture_when_reduced_then_every_byte_is_pillows(
    form: tuple[int, int], size: tuple[int, int], pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
) -> None:
    width, height = form
    if not columns_go_first(form, size):
        return
    picture = np.ascontiguousarray(pixels[:height, :width])
    expected = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    assert (lanczos(picture.astype(np.float64), size) == np.asarray(expected)).all()


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_smaller_picture_when_of_any_form_that_is_not_left_to_pillow_then_every_byte_is_pillows(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(15):
        width = int(random.integers(32, 513))
        height = int(random.integers(32, min(512, 3 * width // 2) + 1))
        picture = np.ascontiguousarray(NOISE[:height, :width])
        side = 2 ** (min(width, height).bit_length() - 1)
        for size in (PHASH_SIZE, DHASH_SIZE, (side, side)):
            if not columns_go_first((width, height), size):
                continue
            expected = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
            assert (lanczos(picture.astype(np.float64), size) == np.asarray(expected)).all(), (width, height)
