"""Pictures upon a page are found by the paper around them, and are hashed and compared by themselves."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.fingerprints.algorithms.algorithm import reduced
from app.fingerprints.areas import Box
from app.fingerprints.blocks import MOST_BLOCKS, blocks_in
from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import Prints, explain, thresholds_of
from app.fingerprints.views import Part, area_of
from tests.media_samples import ASSETS, PHOTOGRAPHS, upright

PIXELS = (1024, 720)
INK, PAPER = (40, 40, 40), (252, 252, 250)
OFF_BY = 4


def page(*places: tuple[int, int, int, int], ink: tuple[int, int, int] = INK) -> Image.Image:
    """Photographs at these places of a page, beside words."""
    sheet = Image.new("RGB", PIXELS, PAPER)
    draw = ImageDraw.Draw(sheet)
    for top in range(20, 700, 24):
        draw.text((520, top), "the river was closed on Monday, people near it said", fill=ink, font_size=18)
    for place, path in zip(places, PHOTOGRAPHS, strict=False):
        size = (place[2] - place[0], place[3] - place[1])
        sheet.paste(ImageOps.fit(upright(path), size), place[:2])
    return sheet


def blocks(picture: Image.Image) -> list[Box]:
    return blocks_in(np.asarray(picture), reduced(picture))


def is_near(found: Box, place: tuple[int, int, int, int]) -> bool:
    edges = (found.left, found.top, found.right, found.bottom)
    return all(abs(edge - other) <= OFF_BY for edge, other in zip(edges, place, strict=True))


def prints_of(picture: Image.Image) -> Prints:
    hasher = Hasher()
    hasher.take_picture(np.asarray(picture))
    return Prints(False, hasher.prints, hasher.features, picture.size)


def test_picture_beside_words_on_a_page_then_it_alone_is_a_block() -> None:
    (found,) = blocks(page((40, 200, 440, 460)))
    assert is_near(found, (40, 200, 440, 460))


def test_pictures_with_narrow_paper_between_them_then_each_is_a_block() -> None:
    places = [(x, y, x + 330, y + 230) for y in (6, 244, 482) for x in (8, 346, 684)]
    sheet = Image.new("RGB", PIXELS, PAPER)
    for place, path in zip(places, [*PHOTOGRAPHS[:3]] * 3, strict=True):
        sheet.paste(ImageOps.fit(upright(path), (330, 230)), place[:2])

    found = blocks(sheet)

    assert len(found) == len(places) == MOST_BLOCKS
    assert all(any(is_near(one, place) for one in found) for place in places)


def test_words_lines_and_bars_on_a_page_then_none_is_a_block() -> None:
    sheet = page()
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, 0, 1024, 60), fill=(20, 40, 120))
    draw.rectangle((40, 200, 440, 460), outline=INK, width=2)
    assert blocks(sheet) == []


def test_photograph_without_paper_then_it_has_no_blocks() -> None:
    assert blocks(ImageOps.fit(upright(ASSETS / "messenger-dogs.jpg"), PIXELS)) == []


@pytest.mark.parametrize("is_page_the_query", [True, False])
def test_picture_on_a_page_when_compared_by_hashes_alone_then_it_is_the_same_and_the_ground_says_where(
    is_page_the_query: bool,
) -> None:
    place = (40, 200, 440, 460)
    original = ImageOps.fit(upright(PHOTOGRAPHS[0]), (800, 520))
    sides = [replace(prints_of(picture), features=()) for picture in (page(place), ImageOps.mirror(original))]

    query, reference = sides if is_page_the_query else sides[::-1]
    found = explain(query, reference, thresholds_of())

    assert found is not None
    ground = found.grounds[0]
    of_page, of_other = (ground.query_view, ground.reference_view)[:: 1 if is_page_the_query else -1]
    part = Part.of(of_page)
    assert (found.tier, ground.algorithm, ground.transformation, of_other) == ("same_picture", "pdq", "mirror", "whole")
    assert part is not None
    box = part.box
    assert is_near(Box(*(round(edge * 1.6) for edge in (box.left, box.top, box.right, box.bottom))), place)


def test_picture_on_two_pages_when_pages_are_compared_by_hashes_then_they_are_not_one_picture() -> None:
    """What two pages share may be a picture of its own there: a logo, a portrait beside a column."""
    place = (40, 200, 440, 460)
    pages = page(place), page(place, ink=(200, 30, 30)).crop((0, 100, 1024, 720))
    some, others = ([one for one in prints_of(each).prints if area_of(one.view).startswith("part.")] for each in pages)
    assert some
    assert others
    assert explain(Prints(False, some), Prints(False, others), thresholds_of()) is None
