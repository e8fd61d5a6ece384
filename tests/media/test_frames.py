"""Working pictures in one file: which frames are kept, in bounded memory, and how the file is read."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.media.frames import PackedFrame, WorkingFrames, index_of, nearest, opened
from app.media.jail.result import Pixels, VideoFrame
from app.media.previews import PARAMETERS, Rendering
from tests.media_samples import PHOTOGRAPHS, upright

RULE = PARAMETERS["frames"]


def shade(time_ms: int, size: tuple[int, int] = (9, 16)) -> Pixels:
    return np.full((*size, 3), time_ms // 100 % 256, np.uint8)


def packed(frames: WorkingFrames) -> Rendering:
    (pack,) = frames.packed()
    return pack


def times(frames: WorkingFrames) -> list[int]:
    return [each.time_ms for each in index_of(packed(frames).details)]


def fed(*frame_times: int, shots: tuple[int, ...] = ()) -> WorkingFrames:
    frames = WorkingFrames()
    for time_ms in frame_times:
        frames.take(VideoFrame(time_ms, shade(time_ms)))
    for time_ms in shots:
        frames.take_shot(time_ms, shade(time_ms))
    return frames


def test_pack_when_opened_by_another_program_then_it_holds_each_frame_and_the_index_says_where() -> None:
    frames = fed(0, 1200, 2000, 3100, shots=(1700,))

    pack = packed(frames)

    with zipfile.ZipFile(io.BytesIO(pack.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "0000-0000000000.jpg",
            "0001-0000001200.jpg",
            "0002-0000001700.jpg",
            "0003-0000002000.jpg",
            "0004-0000003100.jpg",
        ]
        for name, place in zip(archive.namelist(), index_of(pack.details), strict=True):
            jpeg = pack.content[place.offset_bytes : place.offset_bytes + place.size_bytes]
            assert archive.read(name) == jpeg
            assert hashlib.sha256(jpeg).hexdigest() == place.sha256
            assert abs(opened(jpeg).getpixel((3, 3))[0] - place.time_ms // 100) <= 2  # type: ignore[index]
    assert (pack.details["frames"], pack.details["width"], pack.details["height"]) == (5, 16, 9)


def test_pack_when_made_twice_from_the_same_frames_then_its_bytes_are_the_same() -> None:
    assert packed(fed(0, 1500, shots=(700,))).content == packed(fed(0, 1500, shots=(700,))).content


def test_frame_when_it_is_larger_than_640_pixels_then_it_fits_and_a_smaller_one_stays_as_it_was() -> None:
    for size, expected in (((1024, 768), (640, 480)), ((300, 1000), (192, 640)), ((320, 200), (320, 200))):
        frames = WorkingFrames()
        frames.take(VideoFrame(0, np.asarray(upright(PHOTOGRAPHS[0]).resize(size))))
        pack = packed(frames)
        (place,) = index_of(pack.details)
        jpeg = pack.content[place.offset_bytes : place.offset_bytes + place.size_bytes]
        assert opened(jpeg).size == expected
        with Image.open(io.BytesIO(jpeg)) as shown:
            assert not shown.getexif()
            assert set(shown.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_frames_when_none_came_then_there_is_no_pack() -> None:
    assert WorkingFrames().packed() == []


def test_frames_when_decoding_starts_over_then_they_begin_anew() -> None:
    frames = fed(0, 1000, 2000, shots=(500,))
    frames.take(VideoFrame(0, shade(0)))

    assert times(frames) == [0]


def test_further_frame_when_that_moment_was_taken_then_it_is_not_made_again() -> None:
    frames = fed(0)
    frames.take_further(0, shade(900))
    assert frames.jpegs == fed(0).jpegs
    assert not frames._further

    frames.take_further(500, shade(500))
    assert times(frames) == [0, 500], "another moment of the same second"


@given(st.sets(st.integers(1, 100_000), max_size=60), st.sets(st.integers(0, 100_000), max_size=20))
def test_frames_when_they_come_then_the_first_of_each_second_and_its_first_shot_are_kept(
    later: set[int], shots: set[int]
) -> None:
    def firsts(found: set[int]) -> set[int]:
        return {min(each for each in found if each // 1000 == second) for second in {each // 1000 for each in found}}

    assert times(fed(0, *sorted(later), shots=tuple(sorted(shots)))) == sorted(firsts({0, *later}) | firsts(shots))


@pytest.mark.parametrize("limit", ["frames_at_most", "bytes_at_most"])
def test_frames_when_a_recording_is_long_then_they_stay_within_bounds_and_lie_evenly(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 20 minutes with a shot every 7 seconds; the limits made small, so that the test is."""
    one = len(packed(fed(0)).parts[1])
    monkeypatch.setitem(RULE, limit, {"frames_at_most": 100, "bytes_at_most": 100 * one}[limit])
    frames = WorkingFrames()
    for time_ms in range(0, 1_200_000, 500):
        frames.take(VideoFrame(time_ms, shade(0)))
        if time_ms % 7000 == 6500:
            frames.take_shot(time_ms - 3200, shade(0))
        assert len(frames._firsts) + len(frames._shots) <= 101

    kept = times(frames)

    gaps = np.diff([*kept, 1_200_000])
    assert 50 <= len(kept) <= 100
    assert max(gaps) <= 32_000
    assert sum(len(part) for part in packed(frames).parts) <= 100 * (one + 200)


def test_nearest_when_two_frames_are_as_near_then_it_is_the_earlier() -> None:
    frames = [PackedFrame(number, time_ms, 0, 1, "") for number, time_ms in enumerate((0, 1000, 3000))]  # type: ignore[arg-type]

    assert [nearest(frames, time_ms).time_ms for time_ms in (-5, 400, 500, 501, 2000, 2001, 9000)] == [
        *(0, 0, 0, 1000, 1000, 3000, 3000)
    ]
