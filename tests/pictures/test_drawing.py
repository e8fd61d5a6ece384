"""Charts and maps as files: what stands in them is what they were drawn from, for an eye, a reader and a program."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.pictures.chart import Bar, Chart, Drawn, Map, PictureFormat, Point, Standing
from app.pictures.render import draw_chart, draw_map
from tests.pictures.reading import SVG, Svg, pixels, told

DRAWN = Drawn("ab" * 32, "2026-11-18T12:00:00Z", "1:4711")
BARS = (
    Bar("2024-05", 3, 3),
    Bar("2024-06", 2, 5),
    Bar("2024-07", 8, None),
    Bar("2024-08", 0, 0),
    Bar("2024-09", standing=Standing.SUPPRESSED),
    Bar("2024-10", standing=Standing.NOT_STATED),
    Bar("unknown", 1, 1, Standing.UNKNOWN),
)
CHART = Chart("Casualties by month", "Children injured", BARS, DRAWN, ("Counts below 5 are not given.",))
HOSTILE = (
    "$\\frac{1}{0}$ $ $$",
    "</text><script>alert(1)</script>",
    "\u202egnp.exe\u2066",
    "a\x00b\x1b[31m\r\n\ufffe",
    "e" + "\u0301" * 200,
    "x" * 5_000,
    "漢字 ሰላም 🏥",
    "مستشفى الأطفال",
    "",
)
DARK, LIGHT = 0x5C, 0xD0


@pytest.fixture(scope="module")
def chart() -> Svg:
    return Svg(draw_chart(CHART, PictureFormat.SVG))


def test_chart_when_parsed_then_its_bars_are_as_long_as_the_numbers(chart: Svg) -> None:
    unit = chart.extent("bar-0-minimum").width / 3
    origin = chart.extent("bar-0-minimum").left
    assert chart.extent("bar-1-minimum").width == pytest.approx(2 * unit, rel=0.01)
    between = chart.extent("bar-1-range")
    assert (between.left - origin, between.width) == pytest.approx((2 * unit, 3 * unit), rel=0.01)
    assert chart.extent("bar-6-minimum").width == pytest.approx(unit, rel=0.01)
    rows = [chart.extent(f"bar-{row}-minimum").top for row in (0, 1, 2, 6)]
    assert rows == sorted(rows)


def test_chart_when_a_maximum_is_open_then_an_arrow_leads_beyond_every_number(chart: Svg) -> None:
    assert chart.named("bar-2") == ["bar-2-minimum", "bar-2-open", "bar-2-range", "bar-2-value"]
    assert chart.extent("bar-2-open").left == chart.extent("bar-2-range").right
    assert chart.extent("bar-2-range").left == chart.extent("bar-2-minimum").right
    furthest = max(chart.extent(name).right for name in chart.named("bar-") if name.endswith("minimum"))
    assert chart.extent("bar-2-open").left > furthest
    assert [name for name in chart.named("bar-") if name.endswith("open")] == ["bar-2-open"]


def test_chart_when_nothing_is_known_or_told_then_says_so_in_words_and_draws_no_number(chart: Svg) -> None:
    assert chart.named("bar-3") == ["bar-3-value"]
    assert chart.named("bar-4") == ["bar-4-suppressed"]
    assert chart.named("bar-5") == ["bar-5-not-stated"]
    assert [chart.texts.count(words) for words in ("suppressed", "none stated", "0")] == [1, 1, 2]
    hatched, plain = (chart.parts[f"bar-{row}-minimum"].find(f"{SVG}path") for row in (6, 0))
    assert hatched is not None
    assert plain is not None
    assert "url(#" in hatched.get("style", "")
    assert "url(#" not in plain.get("style", "")


def test_chart_when_read_aloud_then_says_all_that_it_shows_and_what_it_was_drawn_from(chart: Svg) -> None:
    assert (chart.root.get("role"), chart.root.get("aria-labelledby")) == ("img", "title description")
    assert chart.title == "Casualties by month"
    assert chart.description.splitlines() == [
        "Children injured.",
        *("2024-05: 3", "2024-06: 2 to 5", "2024-07: 8 or more", "2024-08: 0", "2024-09: suppressed"),
        *("2024-10: none stated", "unknown: 1", "Counts below 5 are not given."),
        *("As of 2026-11-18T12:00:00Z, ledger position 1:4711", f"Query sha256 {'ab' * 32}"),
    ]
    for line in DRAWN.lines():
        assert line in chart.texts


def test_chart_when_decoded_from_png_then_its_pixels_show_the_ranges_in_greys(chart: Svg) -> None:
    png = draw_chart(CHART, PictureFormat.PNG)
    grey = pixels(png)
    scale = grey.shape[1] / 540
    for row in (0, 1, 2):
        _, y = chart.extent(f"bar-{row}-minimum").middle
        line = grey[round(y * scale)]
        begin = round(chart.extent("bar-0-minimum").left * scale)
        dark = int(np.count_nonzero(line[begin:] == DARK))
        assert dark == pytest.approx(chart.extent(f"bar-{row}-minimum").width * scale, abs=4)
        light = int(np.count_nonzero(line[begin:] == LIGHT))
        expected = chart.extent(f"bar-{row}-range").width * scale if f"bar-{row}-range" in chart.parts else 0
        assert light == pytest.approx(expected, abs=12)
    assert told(png) == {"Title": chart.title, "Description": chart.description}


@pytest.mark.thorough
@pytest.mark.parametrize("picture_format", PictureFormat)
def test_pictures_when_texts_are_hostile_then_are_harmless_files(picture_format: PictureFormat) -> None:
    bars = tuple(Bar(words, 1, 2) for words in HOSTILE)
    chart = draw_chart(Chart(HOSTILE[0], HOSTILE[1], bars, DRAWN, HOSTILE), picture_format)
    points = tuple(Point(words, words, 50, 30 + place, 1000) for place, words in enumerate(HOSTILE))
    shown = draw_map(Map(HOSTILE[1], points, 0, DRAWN, HOSTILE), picture_format)
    for content in (chart, shown):
        assert len(content) < 400_000
        if picture_format is PictureFormat.PNG:
            assert pixels(content).shape[1] == 1125
            continue
        assert b"<script" not in content
        svg = Svg(content)
        assert "$\\frac{1}{0}$ $ $$" in svg.texts
        assert "مستشفى الأطفال" in svg.texts
        assert not set("\u202e\u2066\x00") & set("".join((*svg.texts, svg.title, svg.description)))
        assert "漢字 ሰላም 🏥" in svg.description
        assert max(len(words) for words in svg.texts) <= 160


@pytest.mark.thorough
def test_pictures_when_drawn_again_or_beside_each_other_then_have_the_same_bytes() -> None:
    shown = Map("Places", (Point("I-1", "drone", 50.0, 30.0, 1000),), 0, DRAWN)
    before = [draw_chart(CHART, each) for each in PictureFormat] + [draw_map(shown, each) for each in PictureFormat]
    with ThreadPoolExecutor(4) as pool:
        charts = list(pool.map(lambda each: draw_chart(CHART, each), PictureFormat))
        maps = list(pool.map(lambda each: draw_map(shown, each), PictureFormat))
    assert charts + maps == before
    for content in before:
        assert b"2026-11-27" not in content
        assert b"matplotlib.org" not in content


@pytest.mark.thorough
def test_pictures_when_drawn_by_another_process_then_have_the_same_bytes() -> None:
    program = (
        "import hashlib, tests.pictures.test_drawing as t\n"
        "print([hashlib.sha256(t.draw_chart(t.CHART, each)).hexdigest() for each in t.PictureFormat])"
    )
    answers = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC-{seed}", "SOURCE_DATE_EPOCH": seed}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        answers.add(ran.stdout)
    assert len(answers) == 1


def test_chart_when_nothing_is_counted_then_says_so() -> None:
    svg = Svg(draw_chart(Chart("Nothing", "Incidents", (), DRAWN), PictureFormat.SVG))
    assert "Nothing is counted." in svg.texts
    assert svg.named("bar-") == []


# --- maps -------------------------------------------------------------------------------------------------------------


def test_map_when_parsed_then_points_lie_as_on_earth_with_circles_of_their_precision() -> None:
    points = (
        Point("I-1", "drone", 50.0, 30.0, 20_000),
        Point("I-2", "drone", 50.0, 31.0, 10_000),
        Point("I-3", "air_strike", 51.0, 30.0, None),
    )
    svg = Svg(draw_map(Map("Places", points, 2, DRAWN), PictureFormat.SVG))
    one, east, north = (svg.extent(f"point-{number}").middle for number in range(3))
    assert one[1] == pytest.approx(east[1], abs=0.1)
    assert one[0] == pytest.approx(north[0], abs=0.1)
    degree_north, degree_east = one[1] - north[1], east[0] - one[0]
    assert degree_east / degree_north == pytest.approx(0.635, abs=0.02)  # The cosine of 50.5 degrees.
    wide, narrow = svg.extent("point-0-radius"), svg.extent("point-1-radius")
    assert wide.height == pytest.approx(degree_north * 40_000 / 111_195, rel=0.02)
    assert wide.width == pytest.approx(wide.height, rel=0.03)
    assert wide.height == pytest.approx(2 * narrow.height, rel=0.02)
    assert svg.named("point-2") == ["point-2"]
    assert {"30°E", "50°N", "I-1", "air_strike", "2 more incidents have no point and are not drawn."} <= set(svg.texts)
    assert "I-3 (air_strike): 51°N 30°E, precision not stated" in svg.description
    assert "I-1 (drone): 50°N 30°E, within 20000 m" in svg.description


def test_map_when_places_lie_across_the_180th_meridian_then_are_drawn_beside_each_other() -> None:
    points = (Point("W", "drone", 0.0, 179.9, 1000), Point("E", "drone", 0.0, -179.9, 1000))
    svg = Svg(draw_map(Map("Places", points, 0, DRAWN), PictureFormat.SVG))
    west, east = (svg.extent(f"point-{number}").left for number in range(2))
    assert 20 < east - west < 500
    assert {"180°", "179.9°W"} <= set(svg.texts)


@pytest.mark.parametrize(
    "places",
    [
        (),
        ((0.0, 0.0),),
        ((90.0, 0.0), (-90.0, 180.0)),
        ((89.9, 0.0), (89.9, 120.0), (89.9, -120.0)),
        ((0.0, 0.0), (0.0, 0.0)),
        ((0.0, -180.0), (0.0, 180.0), (0.0, 0.0)),
    ],
)
def test_map_when_places_are_at_the_ends_of_the_earth_then_each_is_within_the_picture(
    places: tuple[tuple[float, float], ...],
) -> None:
    points = tuple(Point("I", "drone", *place, 20_100_000) for place in places)
    svg = Svg(draw_map(Map("Places", points, 0, DRAWN), PictureFormat.SVG))
    assert f"{len(places)} incidents with a point" in svg.texts
    frame = svg.extent("patch_2")
    for number in range(len(places)):
        x, y = svg.extent(f"point-{number}").middle
        assert frame.left <= x <= frame.right
        assert frame.top <= y <= frame.bottom


@pytest.mark.thorough
def test_map_when_marks_are_of_other_kinds_then_have_other_shapes() -> None:
    kinds = [f"kind_{number}" for number in range(10)]
    points = tuple(Point(kind, kind, 50 + number, 30, 10) for number, kind in enumerate(kinds))
    svg = Svg(draw_map(Map("Places", points, 0, DRAWN), PictureFormat.SVG))
    shapes = set()
    for number in range(10):
        used = svg.parts[f"point-{number}"].find(f".//{SVG}use")
        assert used is not None
        shapes.add(used.get("{http://www.w3.org/1999/xlink}href"))
    assert len(shapes) == 10
    assert set(kinds) <= set(svg.texts)
