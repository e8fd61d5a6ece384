"""Pictures laid upon each other: one photograph whatever was done to it, and never two that have one layout."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from app.fingerprints.agreeing import agreements
from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import Prints, explain, thresholds_of
from app.fingerprints.overlap import LEAST_ALIKE, Luma, share_alike
from app.fingerprints.pictures import HeldPictures
from app.fingerprints.projective import inverse
from app.fingerprints.wording import explain_in_words
from app.media.frames import WorkingFrames
from tests.media_samples import PHOTOGRAPHS
from tests.support.examples import examples

BY_POINTS = thresholds_of({"pdq": 0, "phash": 0, "dhash": 0})
IDENTITY = np.eye(3)
CORNER = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
"""Pillow counts from a pixel's corner."""


def sheet(seed: int) -> Image.Image:
    """A spreadsheet of one layout, with figures of its own."""
    rng = random.Random(seed)
    image = Image.new("RGB", (640, 512), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for row in range(26):
        draw.line((0, row * 20, 640, row * 20), fill=(200, 200, 200))
        for column in range(8):
            text = f"Column {column}" if row == 0 else str(rng.randint(1000, 999999))
            draw.text((column * 80 + 4, row * 20 + 2), text, fill="black", font=font)
    for column in range(9):
        draw.line((column * 80, 0, column * 80, 512), fill=(200, 200, 200))
    return image


def windows(seed: int) -> Image.Image:
    """A façade of equal windows, some of them lit."""
    rng = random.Random(seed)
    image = Image.new("RGB", (570, 640), (190, 185, 175))
    draw = ImageDraw.Draw(image)
    for row in range(9):
        for column in range(8):
            x, y = 21 + column * 68, 21 + row * 68
            colour = rng.choice([(40, 50, 60), (230, 210, 150), (90, 100, 110), (70, 80, 95)])
            draw.rectangle((x, y, x + 40, y + 46), fill=colour, outline="white", width=3)
            draw.line((x + 20, y, x + 20, y + 46), fill="white", width=2)
    return image


def bricks(seed: int) -> Image.Image:
    """A wall of equal bricks, each of a red of its own."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    image = Image.new("RGB", (640, 500), (180, 170, 160))
    draw = ImageDraw.Draw(image)
    for row in range(20):
        for column in range(-1, 13):
            x, y, shade = column * 54 + row % 2 * 27, row * 26, rng.randint(-12, 12)
            draw.rectangle((x, y, x + 48, y + 21), fill=(150 + shade, 70 + shade, 55 + shade))
    return Image.fromarray(np.clip(np.asarray(image) + noise.normal(0, 4, (500, 640, 3)), 0, 255).astype(np.uint8))


def form(seed: int) -> Image.Image:
    """An identity card: the words of the form, and another face and other names."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (640, 410), (225, 232, 240))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 640, 50), fill=(20, 60, 120))
    draw.text((20, 12), "REPUBLIC OF EXAMPLE   IDENTITY CARD", fill="white", font=ImageFont.load_default(20))
    face = Image.fromarray(rng.integers(0, 255, (12, 9, 3), np.uint8))
    image.paste(face.resize((170, 230), Image.Resampling.BICUBIC), (26, 84))
    for number, name in enumerate(("Surname", "Given names", "Nationality", "Date of birth", "Number", "Expiry")):
        draw.text((230, 70 + number * 54), name, fill=(90, 90, 90), font=ImageFont.load_default(14))
        letters = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTU"), 14))
        draw.text((230, 88 + number * 54), letters, fill="black", font=ImageFont.load_default(20))
    return image


@cache
def prints_of(make: Callable[[int], Image.Image], seed: int) -> Prints:
    return prints(make(seed))


def prints(image: Image.Image) -> Prints:
    frames = WorkingFrames()
    hasher = Hasher(on_further=frames.take_further)
    hasher.take_picture(np.asarray(image))
    return Prints(False, hasher.prints, hasher.features, image.size, HeldPictures(frames.jpegs))


@cache
def photograph(number: int) -> Image.Image:
    with Image.open(PHOTOGRAPHS[number]) as opened:
        image = opened.convert("RGB")
    image.thumbnail((480, 480))
    return image


def luma(image: Image.Image) -> Luma:
    return np.asarray(image.convert("L"))


@pytest.mark.thorough
@pytest.mark.parametrize("make", [sheet, windows, bricks])
@pytest.mark.parametrize("seeds", [(0, 1), (2, 0)])
def test_pictures_of_one_layout_when_many_points_agree_then_they_are_likely_at_most(
    make: Callable[[int], Image.Image], seeds: tuple[int, int]
) -> None:
    query, reference = (prints_of(make, seed) for seed in seeds)
    found = explain(query, reference, BY_POINTS)
    if found is not None:
        assert found.tier == "likely"
    laid = share_alike(luma(make(seeds[0])), luma(make(seeds[1])), IDENTITY)
    assert laid is not None
    assert laid < LEAST_ALIKE


@pytest.mark.thorough
def test_grids_of_equal_windows_when_their_points_agree_then_the_ground_says_what_holds_them_apart() -> None:
    found = explain(prints_of(windows, 0), prints_of(windows, 1), BY_POINTS)
    assert found is not None
    (ground,) = found.grounds
    assert (ground.inliers or 0) >= 12
    assert ground.held_back == "pictures_differ"
    assert ground.alike_percent is not None
    assert ground.alike_percent < (ground.threshold_alike_percent or 0)
    words = explain_in_words(found.tier, *found.as_json())
    assert "they may have one layout in common, and show something else" in words
    assert "a person has to look at both" in words


def test_forms_when_filled_in_otherwise_then_little_of_them_is_alike() -> None:
    shares = [share_alike(luma(form(0)), luma(form(seed)), IDENTITY) for seed in (1, 2)]
    assert all(share is not None and share < LEAST_ALIKE - 0.1 for share in shares)


@pytest.mark.parametrize("number", [0, 1])
def test_photograph_when_it_was_edited_then_it_is_alike(number: int) -> None:
    image = photograph(number)
    sticker = image.copy()
    ImageDraw.Draw(sticker).ellipse((50, 50, 200, 190), fill="yellow")
    warm = Image.merge("RGB", [band.point(table) for band, table in zip(image.split(), WARM, strict=True)])
    paler = ImageEnhance.Contrast(image).enhance(0.6)
    brighter = ImageEnhance.Brightness(ImageOps.autocontrast(image)).enhance(1.3)
    for edited in (sticker, warm, paler, brighter):
        share = share_alike(luma(edited), luma(image), IDENTITY)
        assert share is not None
        assert share >= LEAST_ALIKE


WARM = ([min(255, value * 5 // 4) for value in range(256)], list(range(256)), [value * 3 // 4 for value in range(256)])


def test_other_photographs_then_nothing_is_alike() -> None:
    share = share_alike(luma(photograph(0)), luma(photograph(1)), IDENTITY)
    assert share is not None
    assert share < 0.2


@pytest.mark.thorough
@settings(max_examples=examples(12), deadline=None)
@given(
    st.integers(0, 1),
    st.floats(0.5, 1.0),
    st.floats(0.35, 1.0),
    st.floats(0.6, 1.4),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_crop_when_it_is_laid_upon_its_source_then_it_is_alike_from_either_side(
    number: int, part: float, scale: float, brightness: float, place: tuple[float, float]
) -> None:
    image = photograph(number)
    width, height = round(image.width * part), round(image.height * part)
    x, y = round((image.width - width) * place[0]), round((image.height - height) * place[1])
    crop = image.crop((x, y, x + width, y + height))
    crop = crop.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
    crop = ImageEnhance.Brightness(crop).enhance(brightness)
    across, down = width / crop.width, height / crop.height
    matrix = np.array([[across, 0, x + (across - 1) / 2], [0, down, y + (down - 1) / 2], [0, 0, 1]])
    forth = share_alike(luma(crop), luma(image), matrix)
    other = share_alike(luma(image), luma(crop), inverse(matrix))
    assert forth == pytest.approx(other, abs=0.02)
    if crop.width * crop.height >= 20_000:
        assert forth is not None
        assert forth >= LEAST_ALIKE
    shifted = matrix + np.array([[0, 0, 60], [0, 0, 0], [0, 0, 0]])
    assert (share_alike(luma(crop), luma(image), shifted) or 0.0) < LEAST_ALIKE


def test_picture_when_a_camera_saw_it_from_the_side_then_it_is_alike_by_its_perspective_alone() -> None:
    image = photograph(0)
    seen_so = np.array([[0.9, 0.04, 30], [-0.02, 0.93, 20], [-0.00035, 0.00015, 1]])
    back = (CORNER @ inverse(seen_so) @ inverse(CORNER)).ravel()
    seen = image.transform((680, 640), Image.Transform.PERSPECTIVE, (back / back[8])[:8].tolist())
    by_perspective = share_alike(luma(image), luma(seen), seen_so)
    assert by_perspective is not None
    assert by_perspective > 0.95
    assert by_perspective == pytest.approx(share_alike(luma(seen), luma(image), inverse(seen_so)), abs=0.02)
    laid_flat = np.vstack([seen_so[:2], (0, 0, 1)])
    assert (share_alike(luma(image), luma(seen), laid_flat) or 0.0) < LEAST_ALIKE


def test_pictures_when_too_little_of_them_is_common_then_nothing_is_said() -> None:
    image = luma(photograph(0))
    assert share_alike(image[:40, :40], image, IDENTITY) is None
    flat = np.full_like(image, 90)
    assert share_alike(flat, flat, IDENTITY) is None


@pytest.mark.thorough
def test_crop_when_a_working_picture_is_missing_then_it_is_likely_and_says_why() -> None:
    whole, part = prints(photograph(0)), prints(photograph(0).crop((50, 40, 400, 300)))
    assert [one.held_back for one in agreements(part, whole, [(0, 0)], BY_POINTS)] == [None]
    for pair in ((replace(part, pictures=None), whole), (part, replace(whole, pictures=HeldPictures({})))):
        found = explain(*pair, BY_POINTS)
        assert found is not None
        assert (found.tier, found.grounds[0].held_back) == ("likely", "no_pictures")
        assert "points alone do not make two pictures the same" in explain_in_words(found.tier, *found.as_json())
