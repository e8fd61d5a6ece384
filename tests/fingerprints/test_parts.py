"""A picture in a picture has points of its own, and is found by them from either side; a shared logo is no picture."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from app.fingerprints.algorithms.algorithm import reduced
from app.fingerprints.areas import Box
from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import Explanation, Prints, explain, thresholds_of
from app.fingerprints.panels import panels_in
from app.fingerprints.parts import parts_of
from app.fingerprints.pictures import HeldPictures
from app.fingerprints.views import Part, area_of, is_part
from app.media.frames import WorkingFrames
from app.media.jail.result import VideoFrame
from tests.media_samples import ASSETS, PHOTOGRAPHS, upright

PIXELS = (960, 720)
INSET = (30, 40, 366, 292)
OFF_BY = 12


@cache
def photograph(name: str) -> Image.Image:
    return ImageOps.fit(upright(ASSETS / name), PIXELS)


def inset(*, is_mirrored: bool = False) -> Image.Image:
    """The temple in a corner of the dogs."""
    picture = photograph("park-dogs.jpg").copy()
    small = photograph("temple.jpg").resize((INSET[2] - INSET[0], INSET[3] - INSET[1]))
    picture.paste(ImageOps.mirror(small) if is_mirrored else small, INSET[:2])
    return picture


def collage() -> Image.Image:
    page = Image.new("RGB", PIXELS, "white")
    for place, path in enumerate(PHOTOGRAPHS[:4]):
        page.paste(ImageOps.fit(upright(path), (475, 355)), (place % 2 * 485, place // 2 * 365))
    return page


def prints_of(picture: Image.Image) -> Prints:
    frames = WorkingFrames()
    hasher = Hasher(on_further=frames.take_further)
    hasher.take_picture(np.asarray(picture))
    hasher.end_video(0)
    return Prints(False, hasher.prints, hasher.features, picture.size, HeldPictures(frames.jpegs))


def explained(query: Prints, reference: Prints) -> Explanation | None:
    return explain(query, reference, thresholds_of())


def boxes(picture: Image.Image) -> list[tuple[int, int, int, int]]:
    rgb = np.asarray(picture)
    return [(one.left, one.top, one.right, one.bottom) for one in panels_in(rgb, reduced(rgb))]


def test_inset_when_looked_for_then_its_four_edges_are_found() -> None:
    (found,) = boxes(inset())
    assert max(abs(one - other) for one, other in zip(found, INSET, strict=True)) <= OFF_BY


def test_collage_of_four_when_looked_at_then_each_cell_is_a_panel() -> None:
    found = sorted((round(x / 480), round(y / 360)) for x, y, _, _ in boxes(collage()))
    assert found == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("name", ["temple.jpg", "park-dogs.jpg", "messenger-dogs.jpg", "table.jpg"])
def test_photograph_of_one_scene_when_looked_at_then_it_has_no_panel(name: str) -> None:
    assert boxes(photograph(name)) == []


def test_part_when_its_view_is_read_then_it_is_the_same() -> None:
    part = Part(12, 0, 300, 200, 640)
    assert (part.view, Part.of(part.view), Part.of("mirror")) == ("part.12.0.300.200.640", part, None)


@pytest.mark.thorough
@pytest.mark.parametrize("is_mirrored", [False, True], ids=["upright", "mirrored"])
def test_picture_in_a_picture_when_compared_with_its_source_then_firm_and_in_its_place(is_mirrored: bool) -> None:
    query, reference = prints_of(photograph("temple.jpg")), prints_of(inset(is_mirrored=is_mirrored))

    there, back = explained(query, reference), explained(reference, query)

    assert there is not None
    assert back is not None
    assert (there.tier, there.grounds[0].inliers) == ("same_picture", back.grounds[0].inliers)
    assert there.grounds[0].transformation == ("mirror" if is_mirrored else "identity")
    outline = there.grounds[0].outline
    assert outline is not None
    left, top, right, bottom = (1000 * edge / PIXELS[place % 2] for place, edge in enumerate(INSET))
    expected = [(left, top), (right, top), (right, bottom), (left, bottom)]
    expected = [expected[place] for place in (1, 0, 3, 2)] if is_mirrored else expected
    assert np.abs(np.array(outline) - np.array(expected)).max() <= OFF_BY


@pytest.mark.thorough
def test_cells_of_a_collage_when_compared_with_their_sources_then_all_are_firm() -> None:
    page = prints_of(collage())
    found = [explained(prints_of(upright(path)), page) for path in PHOTOGRAPHS[:4]]
    assert [one and one.tier for one in found] == ["same_picture"] * 4


@pytest.mark.thorough
def test_pages_with_one_framed_mark_and_other_pictures_when_compared_then_are_not_one_picture() -> None:
    mark = photograph("temple.jpg").crop((300, 200, 560, 395))
    pages = []
    for name in ("park-dogs.jpg", "messenger-dogs.jpg"):
        page = ImageOps.fit(upright(ASSETS / name), PIXELS)
        page.paste(mark, (20, 20))
        ImageDraw.Draw(page).rectangle((20, 20, 280, 215), outline="white", width=4)
        pages.append(page)
    assert all(parts_of(np.asarray(page), reduced(page)) for page in pages)

    found = explained(*map(prints_of, pages))

    assert found is None or found.tier == "likely"


def spread_of(prints: Prints) -> list[Part]:
    """The whole, as a part."""
    parts = (Part.of(one.view) for one in prints.features)
    return [part for part in parts if part is not None and (part.width, part.height) == (640, 480)]


def covered_with_stickers() -> Image.Image:
    """What is drawn upon it has all the corners that stand out."""
    picture, board = photograph("temple.jpg").copy(), Image.new("L", (18, 18))
    board.putdata([255 * ((x + y) % 2) for y in range(18) for x in range(18)])
    for place in ((60, 60), (700, 420)):
        picture.paste(board.resize((180, 180), Image.Resampling.NEAREST), place)
    return picture


@pytest.mark.thorough
def test_points_that_crowd_on_what_was_laid_upon_a_picture_then_as_many_are_spread_over_it_and_find_it() -> None:
    original, query = prints_of(photograph("temple.jpg")), prints_of(covered_with_stickers())
    (whole,) = spread_of(query)
    assert (whole.left, whole.top, whole.side) == (0, 0, 640)

    found = explained(query, original)

    assert found is not None
    assert found.tier == "same_picture"
    without = [one for one in query.features if one.view != whole.view]
    strongest = explained(replace(query, features=without, prints=()), replace(original, prints=()))
    spread = explained(replace(query, prints=()), replace(original, prints=()))
    assert spread is not None
    with_parts = spread.grounds[0].inliers or 0
    assert with_parts > (0 if strongest is None else strongest.grounds[0].inliers or 0)


def test_points_that_lie_all_over_a_picture_then_no_more_are_taken() -> None:
    assert spread_of(prints_of(photograph("messenger-dogs.jpg"))) == []


def test_areas_of_a_screen_then_are_parts_where_they_are_no_panels_and_neither_too_large_nor_the_same() -> None:
    rgb = np.asarray(photograph("messenger-dogs.jpg"))

    def places(*areas: Box) -> list[str]:
        return list(parts_of(rgb, reduced(rgb), areas))

    shown = Box(90, 120, 510, 420)
    assert places() == []
    assert places(shown) == ["part.60.80.280.200.420"]
    assert places(shown, Box(92, 120, 512, 424), Box(0, 0, 950, 700)) == places(shown)
    in_panel = inset().resize((480, 360))
    page = Image.new("RGB", PIXELS, (240, 240, 240))
    page.paste(ImageOps.expand(in_panel, 60, "black"), (180, 120))
    found = [Part.of(view) for view in parts_of(np.asarray(page), reduced(page))]
    assert any(part and abs(part.width - 320) <= OFF_BY and abs(part.height - 240) <= OFF_BY for part in found), found


def reaction(*, is_mirrored: bool = False) -> Image.Image:
    """The temple plays in a corner of the dogs, as large as a decoder gives frames."""
    frame = photograph("park-dogs.jpg").resize((512, 384))
    small = photograph("temple.jpg").resize((224, 168))
    frame.paste(ImageOps.mirror(small) if is_mirrored else small, (270, 16))
    return frame


def recording_of(picture: Image.Image) -> Prints:
    """A second of one picture."""
    hasher, rgb = Hasher(), np.asarray(picture.resize((512, 384)))
    for number in range(10):
        hasher.take_frame(VideoFrame(100 * number, rgb))
    hasher.end_video(1000)
    return Prints(True, hasher.prints, hasher.features)


def test_frame_that_stands_for_a_shot_then_its_insets_have_points_and_a_hash_of_their_own() -> None:
    found = recording_of(reaction())

    places = {one.view for one in found.features if Part.of(one.view)}
    assert places
    assert {area_of(one.view) for one in found.prints if is_part(one.view)} <= places
    assert any(is_part(one.view) for one in found.prints)
    assert {one.time_ms for one in found.features if Part.of(one.view)} == {
        one.time_ms for one in found.features if one.view == "mirror"
    }


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_recording_within_a_recording_when_compared_by_hashes_then_the_span_says_in_which_part_from_either_side(
    is_mirrored: bool,
) -> None:
    within, original = recording_of(reaction(is_mirrored=is_mirrored)), recording_of(photograph("temple.jpg"))
    sides = [replace(each, features=()) for each in (within, original)]

    found, back = explained(*sides), explained(*sides[::-1])

    assert found is not None
    assert back is not None
    (span,), (span_back,) = found.segments, back.segments
    assert (found.tier, span.transformation) == ("same_picture", "mirror" if is_mirrored else "identity")
    assert (is_part(f"{span.query_view}."), span.reference_view) == (True, "whole")
    assert (span_back.query_view, span_back.reference_view) == (span.reference_view, span.query_view)


def test_still_that_shows_a_recording_on_a_page_when_compared_by_hashes_then_it_is_found() -> None:
    still, recording = (
        replace(each, features=()) for each in (prints_of(reaction()), recording_of(photograph("temple.jpg")))
    )
    found = explained(still, recording)
    assert found is not None
    assert found.tier == "same_picture"
    assert explained(still, replace(recording_of(photograph("messenger-dogs.jpg")), features=())) is None
