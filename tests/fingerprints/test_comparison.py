"""The drawing of a match: places follow their pictures, lines and spans lie where the facts say, nothing breaks it."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.fingerprints.alignment import Segment
from app.fingerprints.comparison import Facts, Item, ShownPair, WantedPair, draw, wanted_pairs
from app.fingerprints.comparison_canvas import MARGIN, PANEL, QUERY, REFERENCE, WIDTH, Colour, clock, ramp
from app.fingerprints.comparison_pictures import (
    GUTTER,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    TOP,
    Side,
    aligned_block,
    pictures_block,
)
from app.fingerprints.comparison_places import CORNERS, PLACES, THOUSAND, Correspondence, area_in, outline_back, turned
from app.fingerprints.comparison_recordings import (
    MOST_PAIRS,
    PLOT_LEFT,
    PLOT_SIDE,
    colour_of,
    plot_block,
    reference_at,
    ticks,
)
from app.fingerprints.matching import Ground
from app.fingerprints.views import INVERSE, SYMMETRIES
from tests.media_samples import PHOTOGRAPHS, upright
from tests.support.examples import examples

GREY = (128, 128, 128)
QUERY_ID, REFERENCE_ID = "83780250-ad25-49d6-a49d-02e32bd98990", "9a4cf5f2-2a0e-4a27-8d5b-3c8d1f0c7e11"
WHOLE = tuple((int(x), int(y)) for x, y in CORNERS)


def plain(width: int = 640, height: int = 480, colour: Colour = GREY) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def photograph(width: int = 320, height: int = 240) -> Image.Image:
    return upright(PHOTOGRAPHS[0]).resize((width, height))


def ground(
    points: Sequence[tuple[int, int, int, int]] | None = None,
    outline: Sequence[tuple[int, int]] | None = None,
    transformation: str = "identity",
) -> Ground:
    return Ground(
        algorithm="orb",
        version="orb/1",
        inliers=20,
        threshold_inliers=12,
        points=None if points is None else tuple(points),
        outline=None if outline is None else tuple(outline),
        transformation=transformation,
    )


def facts(
    *grounds: Ground,
    segments: Sequence[Segment] = (),
    query: Sequence[int] = (0,),
    reference: Sequence[int] = (0,),
    lengths: tuple[int, int] = (0, 0),
    tier: str = "same_picture",
) -> Facts:
    sides = Item(QUERY_ID, query, lengths[0]), Item(REFERENCE_ID, reference, lengths[1])
    return Facts("match", tier, *sides, grounds, segments)


def drawn(one: Facts, query: Image.Image, reference: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(draw(one, [ShownPair(wanted, query, reference) for wanted in wanted_pairs(one)])))


def span(query: tuple[int, int], reference: tuple[int, int], speed: int = 1000) -> Segment:
    return Segment(*query, *reference, frames=5, distance_bits=4, speed=speed)


def is_near(pixel: object, colour: Colour, by: int = 40) -> bool:
    return bool(np.abs(np.array(pixel)[:3].astype(int) - np.array(colour)).max() <= by)


def pixel_at(image: Image.Image, x: float, y: float) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    found: np.ndarray[tuple[int], np.dtype[np.uint8]] = np.asarray(image)[round(y), round(x)]
    return found


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_place_when_its_picture_is_turned_then_it_goes_with_it(symmetry: str) -> None:
    spot = Image.new("RGB", (100, 60))
    spot.putpixel((80, 12), (255, 255, 255))

    after = turned(spot, symmetry)

    row, column = np.argwhere(np.asarray(after)[:, :, 0])[0]
    x, y = PLACES[symmetry](805, 208)
    assert (round(column), round(row)) == (int(x * after.width / THOUSAND), int(y * after.height / THOUSAND))


@pytest.mark.parametrize("symmetry", SYMMETRIES)
@pytest.mark.parametrize("size", [(640, 200), (200, 640)])
def test_way_up_when_an_outline_is_given_then_it_decides_and_a_slight_turn_changes_nothing(
    symmetry: str, size: tuple[int, int]
) -> None:
    shifted = [(x + (y - 500) // 8, y + (500 - x) // 8) for x, y in (PLACES[symmetry](*corner) for corner in CORNERS)]

    for outline in ([PLACES[symmetry](*corner) for corner in CORNERS], shifted if size == (640, 200) else WHOLE):
        expected = "identity" if outline is WHOLE else symmetry
        assert Correspondence("mirror", [[int(x), int(y)] for x, y in outline]).upright((400, 400)) == expected


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_shared_part_when_the_query_is_a_turned_crop_then_both_are_alike_there_and_the_difference_is_dark(
    symmetry: str,
) -> None:
    reference = photograph()
    crop = reference.crop((64, 48, 256, 216))
    query = turned(crop, INVERSE[symmetry])
    placed = [PLACES[symmetry](*corner) for corner in CORNERS]
    outline = [(200 + x * 600 // 1000, 200 + y * 700 // 1000) for x, y in placed]
    how = Correspondence(outline=[[int(x), int(y)] for x, y in outline])

    block = aligned_block(Side(query, "Query", ""), Side(reference, "Reference", ""), how)
    wrong = Correspondence(outline=[[x + 60, y] for x, y in how.outline or ()])
    moved = aligned_block(Side(query, "Query", ""), Side(reference, "Reference", ""), wrong)

    assert block is not None
    assert moved is not None
    assert apart(block.settle()) < 6
    assert apart(moved.settle()) > 15
    assert brightness_of_difference(moved.settle()) > 2 * brightness_of_difference(block.settle())


@pytest.mark.parametrize("symmetry", ["identity", "mirror", "rotate_90"])
def test_area_when_the_query_has_borders_then_it_is_found_again_marked_and_laid_upon_the_reference(
    symmetry: str,
) -> None:
    reference = photograph()
    bordered = Image.new("RGB", (400, 400))
    bordered.paste(reference, (40, 80))
    query = turned(bordered, INVERSE[symmetry])

    area = area_in(query, "trimmed")

    assert area is not None
    expected = [PLACES[INVERSE[symmetry]](x, y) for x, y in ((100, 200), (900, 800))]
    low, high = zip(*(sorted(axis) for axis in zip(*expected, strict=True)), strict=True)
    assert np.abs(np.array(area) - (*low, *high)).max() <= 8
    assert area_in(query, "whole") is None
    assert area_in(reference, "trimmed") is None
    assert area_in(query, "part.40.100.200.80.300") == (100, 250, 600, 450)
    side = Side(query, "Query", "", area=area)
    block = aligned_block(side, Side(reference, "Reference", ""), Correspondence(symmetry))
    assert block is not None
    assert apart(block.settle()) < 12
    marked = np.asarray(pictures_block(side, Side(reference, "", ""), Correspondence(symmetry)).settle()).astype(int)
    plain_one = np.asarray(
        pictures_block(Side(query, "Query", ""), Side(reference, "", ""), Correspondence(symmetry)).settle()
    ).astype(int)
    assert (np.abs(marked - plain_one).max(axis=2) > 60).sum() > 400


def panels(sheet: Image.Image) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    third = (WIDTH - 2 * MARGIN - 48) // 3
    rows = np.asarray(sheet)[44:-60]
    return [
        rows[:, MARGIN + n * (third + 24) + 40 : MARGIN + n * (third + 24) + third - 40].astype(int) for n in range(3)
    ]


def apart(sheet: Image.Image) -> float:
    ours, theirs, _ = panels(sheet)
    return float(np.abs(ours - theirs).mean())


def brightness_of_difference(sheet: Image.Image) -> float:
    return float(panels(sheet)[2].mean())


def test_points_when_drawn_then_each_has_its_dot_on_both_sides_and_a_line_between() -> None:
    how = Correspondence(points=[[250, 250, 500, 500], [750, 750, 900, 800]])
    image = pictures_block(Side(plain(), "Query", ""), Side(plain(), "Reference", ""), how).settle()

    size = PANEL_WIDTH, round(PANEL_WIDTH * 0.75)
    right = MARGIN + PANEL_WIDTH + GUTTER
    for number, (qx, qy, rx, ry) in enumerate(how.points):
        start = MARGIN + qx * size[0] / 1000, TOP + qy * size[1] / 1000
        end = right + rx * size[0] / 1000, TOP + ry * size[1] / 1000
        colour = ramp(number)
        assert is_near(pixel_at(image, *start), colour)
        assert is_near(pixel_at(image, *end), colour)
        share = (MARGIN + PANEL_WIDTH + GUTTER / 2 - start[0]) / (end[0] - start[0])
        x, y = start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
        around = np.asarray(image)[round(y) - 2 : round(y) + 3, round(x)]
        assert any(is_near(each, colour, 90) for each in around)
    assert is_near(pixel_at(image, MARGIN + 60, TOP + 60), GREY, 2)


def test_outline_when_the_query_is_a_crop_then_it_lies_in_the_reference_in_the_querys_colour() -> None:
    how = Correspondence(outline=[[200, 200], [600, 200], [600, 700], [200, 700]])
    image = pictures_block(Side(plain(), "Query", ""), Side(plain(), "Reference", ""), how).settle()

    left, width, height = MARGIN + PANEL_WIDTH + GUTTER, PANEL_WIDTH, PANEL_WIDTH * 0.75
    for x, y in ((400, 200), (600, 450), (400, 700), (200, 450)):
        assert is_near(pixel_at(image, left + x * width / 1000, TOP + y * height / 1000), QUERY, 10)
    assert is_near(pixel_at(image, left + 0.4 * width, TOP + 0.4 * height), GREY, 2)


def test_outline_when_the_reference_lies_within_the_query_then_it_is_drawn_there_and_nothing_leaves_its_picture() -> (
    None
):
    """A screenshot: the query's outline is far outside of the reference, and would cross the query's picture."""
    outline = [[-1000, -1000], [2000, -1000], [2000, 2000], [-1000, 2000]]
    back = outline_back(outline)
    assert back is not None
    assert np.allclose(back, [(333.33, 333.33), (666.67, 333.33), (666.67, 666.67), (333.33, 666.67)], atol=0.1)

    block = pictures_block(Side(plain(), "Query", ""), Side(plain(), "Reference", ""), Correspondence(outline=outline))

    image, width, height = block.settle(), PANEL_WIDTH, PANEL_WIDTH * 0.75
    assert is_near(pixel_at(image, MARGIN + width / 2, TOP + height / 3), REFERENCE, 10)
    gutter = np.asarray(image)[TOP + 10 : TOP + 300, MARGIN + PANEL_WIDTH + 8 : MARGIN + PANEL_WIDTH + GUTTER - 8]
    assert (gutter == 255).all()
    inside = np.asarray(image)[TOP + 8 : TOP + 100, MARGIN + 8 : MARGIN + PANEL_WIDTH - 8]
    assert (inside == 128).all()


def test_side_when_it_is_tall_then_it_fits_and_stands_in_the_middle() -> None:
    tall = Side(plain(200, 640, (10, 200, 10)), "Query", "")
    image = pictures_block(tall, Side(plain(), "Reference", ""), Correspondence()).settle()

    assert is_near(pixel_at(image, MARGIN + PANEL_WIDTH / 2, TOP + PANEL_HEIGHT / 2), (10, 200, 10), 2)
    assert is_near(pixel_at(image, MARGIN + 20, TOP + PANEL_HEIGHT / 2), PANEL, 2)
    assert image.height < PANEL_HEIGHT + 120


def test_points_when_nobody_can_say_where_the_picture_lies_then_nothing_is_laid_upon_anything() -> None:
    """Without an outline the rest of a part would lie behind the camera; by hashes alone the whole is laid upon the
    whole."""
    points = [(100, 100, 200, 100), (900, 100, 800, 150), (500, 800, 500, 700)]
    outline = [(150, 100), (850, 100), (850, 800), (150, 800)]
    by_points, with_outline, by_hashes = (
        drawn(facts(one), photograph(), photograph()).height
        for one in (ground(points), ground(points, outline), ground())
    )
    assert by_points < with_outline
    assert by_points < by_hashes


def test_plot_when_drawn_then_each_span_lies_between_its_times_and_one_played_backwards_falls() -> None:
    segments = [span((0, 10_000), (20_000, 30_000)), span((20_000, 30_000), (0, 10_000), speed=-1000)]
    image = plot_block(segments, 40_000, 40_000).settle()

    def place(query_ms: int, reference_ms: int) -> tuple[float, float]:
        return PLOT_LEFT + query_ms / 40_000 * PLOT_SIDE, 14 + PLOT_SIDE * (1 - reference_ms / 40_000)

    for number, at in ((0, (3_000, 23_000)), (0, (8_000, 28_000)), (1, (22_000, 8_000)), (1, (28_000, 2_000))):
        assert is_near(pixel_at(image, *place(*at)), colour_of(number), 10)
    for at in ((21_000, 1_000), (3_000, 3_000), (29_500, 9_500)):
        assert not any(is_near(pixel_at(image, *place(*at)), colour_of(number), 40) for number in (0, 1))


def test_reference_time_when_a_span_is_slower_or_backwards_then_it_follows() -> None:
    assert [reference_at(span((0, 4000), (10_000, 12_000), 500), at) for at in (0, 1000, 4000)] == [
        10_000,
        10_500,
        12_000,
    ]
    assert [reference_at(span((0, 4000), (10_000, 14_000), -1000), at) for at in (0, 4000)] == [14_000, 10_000]
    assert reference_at(span((5, 5), (10, 20)), 5) == 10


def test_pairs_when_there_are_several_spans_then_they_are_spread_and_each_shows_one_moment() -> None:
    segments = [span((0, 9000), (30_000, 39_000)), span((10_000, 19_000), (0, 9000), speed=-1000)]
    one = facts(
        ground(),
        segments=segments,
        query=range(0, 20_000, 1000),
        reference=range(300, 40_000, 700),
        lengths=(20_000, 40_000),
    )

    pairs = [pair for pair in wanted_pairs(one) if pair.segment is not None]

    assert [pair.segment for pair in pairs] == [0, 0, 0, 1, 1, 1]
    for pair in pairs:
        assert pair.segment is not None
        segment = segments[pair.segment]
        query_ms, reference_ms = one.query.times_ms[pair.query], one.reference.times_ms[pair.reference]
        assert segment.query_start_ms <= query_ms <= segment.query_end_ms
        assert abs(reference_at(segment, query_ms) - reference_ms) <= 350
    assert len({pair.query for pair in pairs}) == 6


def test_pairs_when_a_ground_names_frames_then_these_are_drawn_large() -> None:
    named = Ground(
        algorithm="orb", version="orb/1", inliers=20, points=((1, 1, 1, 1),), query_ms=4100, reference_ms=900
    )
    one = facts(ground(), named, query=range(0, 9000, 1000), reference=range(0, 9000, 1000), lengths=(9000, 9000))

    assert wanted_pairs(one)[0] == WantedPair(4, 1)
    still = facts(ground(), segments=[span((0, 0), (7000, 7000))], reference=range(0, 9000, 1000), lengths=(0, 9000))
    assert wanted_pairs(still) == [WantedPair(0, 7)]


def test_frames_when_drawn_then_the_querys_stand_above_the_references() -> None:
    one = facts(
        ground(), segments=[span((0, 5000), (0, 5000))], query=range(0, 6000, 1000), reference=range(0, 6000, 1000),
        lengths=(6000, 6000),
    )  # fmt: skip
    image = np.asarray(drawn(one, plain(colour=(200, 0, 0)), plain(colour=(0, 0, 200))))

    reds, blues = ((image == colour).all(axis=2) for colour in ((200, 0, 0), (0, 0, 200)))
    assert reds.any(axis=1).sum() > 100
    assert np.argmax(reds.any(axis=1)) < np.argmax(blues.any(axis=1))
    assert (np.diff(reds.any(axis=0).astype(int)) == 1).sum() == MOST_PAIRS


@pytest.mark.thorough
def test_sheet_when_the_facts_are_the_same_then_its_bytes_are() -> None:
    one = facts(ground([(1, 2, 3, 4), (500, 500, 400, 300)], [(100, 90), (900, 100), (880, 900), (120, 880)]))
    query, reference = photograph(), photograph(200, 300)
    pairs = [ShownPair(wanted, query, reference) for wanted in wanted_pairs(one)]

    assert draw(one, pairs) == draw(one, pairs)
    other = facts(ground([(1, 2, 3, 4), (500, 500, 400, 310)], [(100, 90), (900, 100), (880, 900), (120, 880)]))
    assert draw(other, pairs) != draw(one, pairs)


def test_sheet_when_written_then_it_is_a_png_without_metadata_or_dates() -> None:
    shown = drawn(facts(tier="exact"), photograph(), photograph())

    assert (shown.format, shown.width) == ("PNG", WIDTH)
    assert not shown.info


NUMBER = st.integers(-3000, 4000)
OUTLINES = st.none() | st.lists(st.tuples(NUMBER, NUMBER), min_size=4, max_size=4)
POINTS = st.none() | st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER), max_size=4)
SIZES = st.tuples(st.integers(1, 640), st.integers(1, 640))
TIMES = st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)).map(lambda both: (min(both), max(both)))
SPANS = st.lists(st.builds(span, TIMES, TIMES, st.sampled_from([1000, -1000, 400])), max_size=20)


@pytest.mark.thorough
@settings(max_examples=examples(12), deadline=None)
@given(OUTLINES, POINTS, SIZES, SIZES, SPANS, st.booleans(), st.booleans(), st.sampled_from(sorted(SYMMETRIES)))
def test_sheet_when_facts_are_of_any_kind_then_it_is_drawn_within_bounds(
    outline: list[tuple[int, int]] | None,
    points: list[tuple[int, int, int, int]] | None,
    query: tuple[int, int],
    reference: tuple[int, int],
    segments: list[Segment],
    is_query_moving: bool,
    is_reference_moving: bool,
    symmetry: str,
) -> None:
    one = facts(
        ground(points, outline, symmetry),
        segments=segments,
        query=[0, 500, 90_000] if is_query_moving else [0],
        reference=[0, 70_000] if is_reference_moving else [0],
        lengths=(90_000 * is_query_moving, 70_000 * is_reference_moving),
    )
    shown = drawn(one, plain(*query), plain(*reference))
    assert shown.width == WIDTH
    assert shown.height < 2600


@given(st.integers(1, 10**9))
def test_ticks_when_an_axis_has_any_length_then_there_are_few_and_they_begin_at_0(most_ms: int) -> None:
    found = ticks(most_ms)

    assert found[0] == 0
    assert found[-1] <= most_ms
    assert len(found) <= 9
    assert len(found) >= 3 or most_ms < 200


def test_clock_when_times_grow_then_minutes_and_hours_are_told() -> None:
    assert [clock(each) for each in (0, 3049, 59_949, 59_950, 62_500, 3_600_000)] == [
        *("0.0", "3.0", "59.9", "1:00.0", "1:02.5", "1:00:00.0")
    ]
    assert [clock(each, tenths=False) for each in (30_000, 90_000)] == ["30", "1:30"]


def test_frames_when_recordings_stand_upright_then_they_fit() -> None:
    one = facts(ground(), segments=[span((0, 900), (0, 900))], query=[0, 500], reference=[0, 500], lengths=(1000, 1000))
    assert drawn(one, plain(120, 640), plain(640, 120)).height < 1600
