"""Pictures of which most is missing, and grey: they resemble each other by phash and dhash, and are no copies."""

import itertools

import numpy as np
import pytest
from PIL import Image

from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import Prints, explain, thresholds_of
from app.media.jail.damaged import MISSING_LEVEL
from tests.media_samples import PHOTOGRAPHS

THRESHOLDS = thresholds_of()


def prints(picture: Image.Image, known: float) -> Prints:
    """Of a picture of which only this share of the rows is there."""
    rgb = np.array(picture)
    rgb[int(len(rgb) * known) :] = MISSING_LEVEL
    hasher = Hasher()
    hasher.take_picture(rgb)
    return Prints(False, hasher.prints)


def quarters(number: int) -> list[Image.Image]:
    """Two pictures of one photograph that have nothing in common."""
    with Image.open(PHOTOGRAPHS[number]) as opened:
        picture = opened.convert("RGB").resize((480, 480))
    return [picture.crop((0, 0, 240, 240)), picture.crop((240, 240, 480, 480))]


@pytest.mark.thorough
@pytest.mark.parametrize("known", [0.1, 0.2, 0.3])
def test_unrelated_pictures_when_most_of_both_is_missing_then_they_do_not_match(known: float) -> None:
    shown = [[prints(quarter, known) for quarter in quarters(number)] for number in range(len(PHOTOGRAPHS))]
    for some, others in itertools.combinations(shown, 2):
        for pair in itertools.product(some, others):
            assert explain(*pair, THRESHOLDS) is None


def test_copies_when_most_of_both_is_missing_then_pdq_finds_them() -> None:
    whole, _ = quarters(1)
    smaller = whole.resize((200, 200)).resize((240, 240))
    found = explain(prints(whole, 0.3), prints(smaller, 0.3), THRESHOLDS)
    assert found is not None
    assert found.tier == "same_picture"
