"""Our PDQ beside the reference implementation: the package ``pdqhash``, which needs a C++ compiler to install."""

from pathlib import Path

import numpy as np
import pdqhash
import pytest
from PIL import Image

from app.fingerprints.algorithms.algorithm import hamming, hashed_picture
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.views import SYMMETRIES, hashes_in_views
from tests import media_samples

SIZES = (512, 500, 333, 128, 97, 64, 33)


@pytest.mark.parametrize("path", media_samples.PHOTOGRAPHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("side_pixels", SIZES)
def test_pdq_when_compared_with_the_reference_then_they_agree(path: Path, side_pixels: int) -> None:
    image = media_samples.upright(path).copy()
    image.thumbnail((side_pixels, side_pixels))
    rgb = np.asarray(image)
    bits, quality = pdqhash.compute(rgb)
    ours = PDQ.compute(rgb)
    assert ours.quality is not None
    assert abs(ours.quality - quality) <= 1
    if quality >= 80:
        assert hamming(ours.value, np.packbits(bits).tobytes()) <= 10


def test_pdq_when_pictures_are_noise_or_nearly_flat_then_quality_agrees() -> None:
    random = np.random.default_rng(3)
    for spread in (0, 1, 4, 16, 64):
        rgb = np.clip(random.normal(128, spread, (240, 320, 3)), 0, 255).astype(np.uint8)
        _, quality = pdqhash.compute(rgb)
        ours = PDQ.compute(rgb).quality
        assert ours is not None
        assert abs(ours - quality) <= 1


def test_reduced_picture_when_hashed_then_it_is_near_the_reference_on_the_whole() -> None:
    # The reference on all pixels, our rule on at most 512: measured 0 to 16 bits apart, far within the threshold.
    for path in media_samples.PHOTOGRAPHS:
        whole = np.asarray(media_samples.upright(path))
        bits, quality = pdqhash.compute(whole)
        if quality >= 80:
            assert hamming(PDQ.compute(whole).value, np.packbits(bits).tobytes()) <= 20
    assert hashed_picture(np.asarray(Image.new("RGB", (2048, 1024)))).shape == (256, 512, 3)


@pytest.mark.parametrize("path", media_samples.PHOTOGRAPHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", SYMMETRIES)
def test_symmetry_when_compared_with_the_reference_on_the_turned_picture_then_they_agree(path: Path, name: str) -> None:
    rgb = hashed_picture(np.asarray(media_samples.upright(path)))
    bits, quality = pdqhash.compute(np.ascontiguousarray(SYMMETRIES[name](rgb)))
    ours = dict(hashes_in_views(PDQ, rgb))[name]
    assert ours.quality is not None
    assert abs(ours.quality - quality) <= 1
    if quality >= 80:
        assert hamming(ours.value, np.packbits(bits).tobytes()) <= 10
