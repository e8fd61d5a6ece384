"""Renderings from pixels: how little the safe preview holds, no metadata in any, a strip in constant memory."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.media.jail.result import Pixels, VideoFrame
from app.media.previews import PARAMETERS, FrameStrip, Tile, render_all
from tests.media_samples import PHOTOGRAPHS, upright

FRAMES = PARAMETERS["strip"]["frames_at_most"]


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def picture() -> Pixels:
    return pixels(upright(PHOTOGRAPHS[0]).resize((640, 480)))


def preview_of(rgb: Pixels) -> bytes:
    return next(each.content for each in render_all(rgb) if each.kind == "preview")


def test_preview_when_made_then_it_is_small_and_grey() -> None:
    with Image.open(io.BytesIO(preview_of(picture()))) as shown:
        assert (shown.mode, shown.size) == ("L", (320, 240))


def test_preview_when_two_pictures_agree_in_16_by_16_greys_then_nobody_can_tell_which_was_shown() -> None:
    """So it holds no more of a picture than these values: the picture is not recovered, whatever is done to it."""
    rgb = picture()
    few = np.asarray(Image.fromarray(rgb).convert("L").resize((16, 12), Image.Resampling.BOX))
    coarse = few // 16 * 16 + 8
    blocks = np.repeat(np.repeat(coarse, 40, axis=0), 40, axis=1)
    blind = np.repeat(blocks[:, :, None], 3, axis=2).astype(np.uint8)

    assert preview_of(blind) == preview_of(rgb)
    assert len(np.unique(coarse)) <= 16


@given(st.integers(1, 1024), st.integers(1, 1024), st.integers(0, 255))
def test_renderings_when_the_picture_has_any_size_then_they_fit_and_have_its_proportions(
    width: int, height: int, shade: int
) -> None:
    for each in render_all(
        np.full((height, width, 3), shade, np.uint8), [Tile(n, np.zeros((9, 16, 3), np.uint8)) for n in (0, 1)]
    ):
        with Image.open(io.BytesIO(each.content)) as shown:
            assert shown.size == (each.details["width"], each.details["height"])
            assert max(shown.size) <= 320


def segments(jpeg: bytes) -> Iterator[int]:
    """The markers of a JPEG's segments, up to its scan (ITU T.81, B.1.1)."""
    place = 2
    while place < len(jpeg):
        marker = jpeg[place + 1]
        yield marker
        if marker == 0xDA:
            return
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")


def test_renderings_when_made_then_none_has_metadata() -> None:
    made = render_all(picture(), [Tile(0, picture()), Tile(40, picture())])

    assert [each.kind for each in made] == ["preview", "thumbnail", "strip"]
    for each in made:
        # JFIF, quantisation, frame, Huffman tables, scan; no EXIF or XMP (APP1), no profile (APP2), no comment.
        assert set(segments(each.content)) == {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}
        assert each.content.endswith(b"\xff\xd9")
        assert each.content.count(b"\xff\xd9") == 1
        with Image.open(io.BytesIO(each.content)) as shown:
            assert not shown.getexif()
            assert set(shown.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_nothing_when_there_are_no_pixels() -> None:
    assert render_all(None) == []


def fed(times: list[int]) -> FrameStrip:
    strip = FrameStrip()
    for time_ms in times:
        strip.take(VideoFrame(time_ms, np.full((2, 4, 3), time_ms % 256, np.uint8)))
        assert len(strip.tiles) <= FRAMES
    return strip


@given(st.sets(st.integers(1, 2**34), min_size=1, max_size=200))
def test_strip_when_frames_come_then_it_has_the_first_of_each_of_equal_spans(later: set[int]) -> None:
    times = [0, *sorted(later)]

    kept = [tile.time_ms for tile in fed(times).tiles]

    span = next(2**n for n in range(40) if len({time // 2**n for time in times}) <= FRAMES)
    assert kept == [next(time for time in times if time // span == each) for each in sorted({t // span for t in times})]


@pytest.mark.parametrize("seconds", [5, 60, 3600, 5 * 3600])
def test_strip_when_a_video_is_long_then_its_frames_lie_evenly(seconds: int) -> None:
    kept = [tile.time_ms for tile in fed(list(range(0, seconds * 1000, 2000 if seconds > 60 else 100))).tiles]

    gaps = np.diff(kept)
    assert FRAMES // 2 <= len(kept) <= FRAMES
    assert max(gaps) <= 2 * min(gaps)
    assert kept[-1] >= seconds * 1000 * 0.9


def test_strip_when_decoding_starts_over_then_it_begins_anew() -> None:
    strip = fed([0, 100, 200])
    strip.take(VideoFrame(0, np.zeros((2, 4, 3), np.uint8)))
    assert [tile.time_ms for tile in strip.tiles] == [0]


def test_strip_when_drawn_then_its_frames_stand_in_a_row_with_their_times() -> None:
    tiles = [Tile(time_ms, np.full((90, 160, 3), shade, np.uint8)) for time_ms, shade in ((0, 30), (500, 200))]
    tiles.append(Tile(900, np.full((160, 90, 3), 255, np.uint8)))  # The recording was turned on the way.

    strip = render_all(picture(), tiles)[2]

    assert dict(strip.details) == {
        "width": 480,
        "height": 90,
        "tile_width": 160,
        "tile_height": 90,
        "times_ms": [0, 500, 900],
    }
    with Image.open(io.BytesIO(strip.content)) as shown:
        row = np.asarray(shown.convert("L")).astype(int)
    assert [abs(int(row[45, at]) - shade) <= 6 for at, shade in ((80, 30), (240, 200), (400, 255), (325, 0))] == [
        True
    ] * 4
