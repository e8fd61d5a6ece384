"""What was put around a picture is found and taken away; what belongs to it is not, and the whole is always kept."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from app.fingerprints.algorithms.algorithm import Pixels, hamming, reduced
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.algorithms.reducing import folded_tones
from app.fingerprints.areas import Box, areas_in
from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import explain, thresholds_of
from app.fingerprints.prints import Print, Prints
from app.fingerprints.views import FOLDED, FRAMED, IDENTITY, SYMMETRIES, TRIMMED, area_of, hashes_of_folded, is_part
from tests.media_samples import ASSETS, PHOTOGRAPHS, upright
from tests.support.examples import examples

SIDE_PIXELS = 1024
"""What the jail gives at most."""
OFF_BY_PIXELS = 4


def decoded(image: Image.Image, quality: int = 60) -> Pixels:
    """As the jail gives it, after a JPEG."""
    fitted = ImageOps.contain(image, (SIDE_PIXELS, SIDE_PIXELS)) if max(image.size) > SIDE_PIXELS else image
    buffer = io.BytesIO()
    fitted.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def boxes(rgb: Pixels) -> list[Box]:
    return [area.box for area in areas_in(rgb, reduced(rgb))]


def is_near(found: Box, expected: tuple[int, int, int, int]) -> bool:
    sides = (found.left, found.top, found.right, found.bottom)
    return max(abs(mine - theirs) for mine, theirs in zip(sides, expected, strict=True)) <= OFF_BY_PIXELS


def temple() -> Image.Image:
    return ImageOps.fit(upright(ASSETS / "temple.jpg"), (720, 480))


@pytest.mark.thorough
@settings(max_examples=examples(25), deadline=None)
@given(
    sides=st.tuples(*[st.sampled_from([0, 0, 60, 95, 150])] * 4).filter(any),
    colour=st.sampled_from([(0, 0, 0), (255, 255, 255), (20, 120, 40), (128, 128, 128)]),
    quality=st.sampled_from([30, 60, 90]),
    name=st.sampled_from(["temple.jpg", "park-dogs.jpg", "messenger-dogs.jpg"]),
)
def test_border_of_any_colour_when_it_lies_at_any_sides_then_the_picture_in_it_is_found(
    sides: tuple[int, int, int, int], colour: tuple[int, int, int], quality: int, name: str
) -> None:
    picture = ImageOps.fit(upright(ASSETS / name), (640, 480))
    left, top, _, _ = sides
    bordered = ImageOps.expand(picture, sides, colour)
    scale = min(1, SIDE_PIXELS / max(bordered.size))
    expected = tuple(round(place * scale) for place in (left, top, left + 640, top + 480))

    found = boxes(decoded(bordered, quality))

    assert found
    assert is_near(found[0], expected)  # type: ignore[arg-type]


def captioned(picture: Image.Image, paper: str, ink: str) -> Image.Image:
    framed = ImageOps.expand(picture, (0, 120, 0, 0), paper)
    ImageDraw.Draw(framed).text((20, 30), "see what happened here", ink, ImageFont.load_default(48))
    return framed


def telephone(picture: Image.Image) -> Image.Image:
    screen = Image.new("RGB", (540, 1000), (18, 18, 18))
    shown = ImageOps.contain(picture, (540, 700))
    screen.paste(shown, (0, 240))
    draw = ImageDraw.Draw(screen)
    for place, words in ((15, "21:47"), (110, "channel_24"), (180, "часть 2"), (700, "1,204 likes"), (960, "O  ||")):
        draw.text((30, place), words, (220, 220, 220), ImageFont.load_default(26))
    return screen


def between_blurred_bands(picture: Image.Image) -> Image.Image:
    tall = ImageOps.fit(picture, (576, 1000)).filter(ImageFilter.GaussianBlur(18))
    shown = ImageOps.contain(picture, (576, 1000))
    tall.paste(shown, (0, (1000 - shown.height) // 2))
    return tall


SHOWN: dict[str, tuple[Callable[[Image.Image], Image.Image], tuple[int, int, int, int], str]] = {
    "white caption": (lambda p: captioned(p, "white", "black"), (0, 120, 720, 600), TRIMMED),
    "blue caption": (lambda p: captioned(p, "navy", "yellow"), (0, 120, 720, 600), TRIMMED),
    "telephone": (telephone, (0, 240, 540, 600), FRAMED),
    "blurred bands": (between_blurred_bands, (0, 308, 576, 692), TRIMMED),
    "blurred sides": (
        lambda p: between_blurred_bands(p.transpose(Image.Transpose.ROTATE_90)).transpose(Image.Transpose.ROTATE_270),
        (116, 0, 884, 576),
        TRIMMED,
    ),
}


@pytest.mark.parametrize("what", ["white caption", "blue caption", "telephone", "blurred bands"])
def test_picture_when_something_is_around_it_then_it_is_found_and_its_hash_is_that_of_the_picture(what: str) -> None:
    make, expected, area = SHOWN[what]
    rgb = decoded(make(temple()))
    hasher = Hasher()
    hasher.take_picture(rgb)
    prints = {one.view: one for one in hasher.prints if one.version == PDQ.version}

    assert is_near(boxes(rgb)[0], expected)
    assert {one.time_ms for one in hasher.prints} == {0}
    assert set(SYMMETRIES) <= set(prints)
    alone = PDQ.compute(decoded(temple()))
    assert hamming(prints[f"{area}.{IDENTITY}"].value, alone.value) <= 16
    assert hamming(prints[IDENTITY].value, alone.value) > PDQ.threshold_bits
    mirror = PDQ.compute(decoded(ImageOps.mirror(temple())))
    assert hamming(prints[f"{area}.mirror"].value, mirror.value) <= 20


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_photograph_when_nothing_is_around_it_then_nothing_is_cut_off(path: Path) -> None:
    assert boxes(decoded(upright(path))) == []


def test_bar_around_a_bar_when_taken_away_then_both_what_it_left_and_the_innermost_are_looked_at() -> None:
    inner = ImageOps.expand(temple(), (0, 70), "black")
    rgb = decoded(captioned(inner, "white", "black"))

    found = boxes(rgb)

    assert len(found) == 2
    assert is_near(found[0], (0, 120, 720, 740))
    assert is_near(found[1], (0, 190, 720, 670))


def test_picture_of_five_pixels_when_the_edges_of_an_area_meet_then_it_is_no_area_and_the_whole_is_kept() -> None:
    rgb = np.full((5, 5, 3), 255, np.uint8)
    rgb[1:4, 1:4] = 90

    hasher = Hasher()
    hasher.take_picture(rgb)

    assert boxes(rgb) == []
    assert sorted({one.view for one in hasher.prints if area_of(one.view) != "folded"}) == sorted(SYMMETRIES)


@pytest.mark.thorough
@settings(max_examples=examples(40), deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.sampled_from(["flat", "noise", "stripes", "dot", "ramp"]),
    st.integers(0, 2**31),
)
def test_any_pixels_when_looked_at_then_areas_lie_inside_and_the_whole_is_kept(
    size: tuple[int, int], what: str, seed: int
) -> None:
    height, width = size
    random = np.random.default_rng(seed)
    rgb = np.full((height, width, 3), seed % 256, np.uint8)
    if what == "noise":
        rgb[:] = random.integers(0, 256, rgb.shape)
    elif what == "stripes":
        rgb[:: 1 + seed % 7] = 255
    elif what == "dot":
        rgb[height // 2 :, width // 3 :] = random.integers(0, 256, (height - height // 2, width - width // 3, 3))
    elif what == "ramp":
        rgb[:] = np.linspace(0, 255, width, dtype=np.uint8)[np.newaxis, :, np.newaxis]
    hasher = Hasher()
    hasher.take_picture(rgb)

    assert len(set(boxes(rgb))) == len(boxes(rgb)) <= 3
    for box in boxes(rgb):
        assert 0 <= box.left < box.right <= width
        assert 0 <= box.top < box.bottom <= height
        assert box.width * box.height < width * height
    whole = [one.view for one in hasher.prints if one.version == PDQ.version and area_of(one.view) == "whole"]
    assert whole[0] == IDENTITY
    assert sorted(whole) == sorted(SYMMETRIES)
    areas = {one.view for one in hasher.prints if one.view.endswith(".identity") and not is_part(one.view)}
    assert areas <= {f"{area}.identity" for area in (TRIMMED, FRAMED, FOLDED)}


@pytest.mark.parametrize("tones_from", [0, 128, 200], ids=["negative", "from_the_middle", "highlights"])
def test_picture_whose_tones_were_turned_into_their_negatives_then_its_folded_hash_stays(tones_from: int) -> None:
    picture = upright(PHOTOGRAPHS[0])
    plain, turned = (np.asarray(one) for one in (picture, ImageOps.solarize(picture, tones_from)))
    assert dict(hashes_of_folded(folded_tones(plain))) == dict(hashes_of_folded(folded_tones(turned))) != {}
    hasher = Hasher()
    hasher.take_picture(turned)
    query = Prints(False, hasher.prints)
    hasher = Hasher()
    hasher.take_picture(np.ascontiguousarray(plain[:, ::-1]))
    found = explain(query, Prints(False, hasher.prints), thresholds_of())
    assert found is not None
    (ground, *_) = found.grounds
    assert (found.tier, ground.query_view, ground.reference_view) == ("same_picture", "folded", "folded")
    assert (ground.transformation, ground.distance_bits) == ("mirror", 0)


def test_picture_when_only_one_side_is_folded_then_the_two_are_not_compared() -> None:
    rgb = np.asarray(upright(PHOTOGRAPHS[0]))
    folded = [Print(PDQ.version, 0, view, one.value, one.quality) for view, one in hashes_of_folded(folded_tones(rgb))]
    plain = [replace(one, view=one.view.partition(".")[2]) for one in folded]
    assert explain(Prints(False, folded), Prints(False, plain), thresholds_of()) is None
    assert explain(Prints(False, folded), Prints(False, folded), thresholds_of()) is not None
