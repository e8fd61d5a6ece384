"""A recording's borders: found while it plays, whatever plays first; frames within them are hashed at their times."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.fingerprints.algorithms.algorithm import Pixels, hamming
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.borders import AGREEING, LOOK_EVERY_MS, MOST_HELD_BACK, Borders
from app.fingerprints.hasher import Hasher
from app.fingerprints.keyframes import MOVED_FAR_AFTER_MS, MOVED_FAR_BITS, MovedFarFrames
from app.fingerprints.matching import Print
from app.media.jail.result import VideoFrame
from tests.media_samples import ASSETS, upright
from tests.support.examples import examples

SIZE = (320, 240)
STEP_MS = 100
Clip = list[Pixels]


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Four seconds of a camera that moves over a photograph, from left to right."""
    base = ImageOps.fit(upright(ASSETS / "park-dogs.jpg"), (960, 480))
    windows = [(12 * number, 5 * (number % 7), 12 * number + 480, 5 * (number % 7) + 360) for number in range(40)]
    return [np.asarray(base.crop(window).resize(SIZE)) for window in windows]


def bordered(clip: Clip, border: tuple[int, int, int, int], colour: str = "black") -> Clip:
    return [np.asarray(ImageOps.expand(Image.fromarray(frame), border, colour)) for frame in clip]


def prints_of(clip: Clip) -> Hasher:
    hasher = Hasher()
    for number, frame in enumerate(clip):
        hasher.take_frame(VideoFrame(number * STEP_MS, frame))
    hasher.end_video(len(clip) * STEP_MS)
    return hasher


def in_view(hasher: Hasher, view: str) -> list[Print]:
    return [one for one in hasher.prints if one.view == view and one.version == PDQ.version]


@pytest.mark.thorough
@pytest.mark.parametrize("border", [(0, 50, 0, 50), (80, 0, 80, 0), (0, 90, 0, 0)], ids=["above", "beside", "caption"])
def test_recording_with_a_border_when_hashed_then_its_frames_are_also_hashed_without_it(
    clip: Clip, border: tuple[int, int, int, int]
) -> None:
    hasher = prints_of(bordered(clip, border))

    trimmed = in_view(hasher, "trimmed.identity")
    assert trimmed[0].time_ms == 0, "the first frame was held back until the border was believed"
    assert len(trimmed) >= 5
    assert {one.time_ms for one in trimmed} <= {one.time_ms for one in in_view(hasher, "identity")}
    for one in trimmed:
        assert hamming(one.value, PDQ.compute(clip[one.time_ms // STEP_MS]).value) <= 16


def test_recording_that_stands_still_when_hashed_then_its_last_frame_is_kept_with_and_without_its_border(
    clip: Clip,
) -> None:
    """It says until when what is shown was shown, and begins no shot."""
    hasher = prints_of(bordered(clip[:1] * 15, (0, 50, 0, 50)))

    believed_ms = (AGREEING - 1) * LOOK_EVERY_MS
    for view in ("identity", "trimmed.identity"):
        assert [one.time_ms for one in in_view(hasher, view)] == [0, believed_ms, 14 * STEP_MS]
    assert [(shot.from_ms, shot.shown_ms) for shot in hasher.shots] == [(0, 0)]


def test_recording_that_is_decoded_anew_when_hashed_then_nothing_is_left_of_the_first_time(clip: Clip) -> None:
    hasher = prints_of([clip[0]])
    hasher.take_frame(VideoFrame(STEP_MS, clip[0]))
    hasher.take_frame(VideoFrame(0, clip[-1]))
    hasher.end_video(0)

    assert [one.time_ms for one in in_view(hasher, "identity")] == [0]


@pytest.mark.thorough
def test_recording_with_a_border_when_what_moves_is_small_then_as_many_frames_are_kept_as_without_it(
    clip: Clip,
) -> None:
    alone = in_view(prints_of(clip), "identity")
    wide = in_view(prints_of(bordered(clip, (160, 120, 160, 120))), "trimmed.identity")

    assert len(wide) >= 0.8 * len(alone)


@pytest.mark.thorough
def test_recording_without_a_border_when_hashed_then_it_has_its_frames_alone(clip: Clip) -> None:
    assert {one.view for one in prints_of(clip).prints} == {"identity"}


@pytest.mark.thorough
def test_border_when_it_begins_after_a_title_then_it_is_found_and_the_title_is_not_cut(clip: Clip) -> None:
    title = [np.asarray(ImageOps.fit(upright(ASSETS / "temple.jpg"), (320, 340)))] * 20
    hasher = prints_of(title + bordered(clip, (0, 50, 0, 50)))

    times = [one.time_ms for one in in_view(hasher, "trimmed.identity")]
    assert min(times) >= len(title) * STEP_MS
    assert len(times) >= 5


@pytest.mark.thorough
def test_recording_when_the_decoder_starts_over_then_the_same_comes_as_at_once(clip: Clip) -> None:
    frames = bordered(clip, (0, 50, 0, 50))
    hasher = Hasher()
    for run in (frames[:17], frames):
        for number, frame in enumerate(run):
            hasher.take_frame(VideoFrame(number * STEP_MS, frame))
    hasher.end_video(len(frames) * STEP_MS)
    once = prints_of(frames)

    assert (hasher.prints, hasher.features) == (once.prints, once.features)
    keys = [(one.version, one.time_ms, one.view) for one in once.prints]
    assert len(keys) == len(set(keys))
    assert len({(one.time_ms, one.view) for one in once.features}) == len(once.features)


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(st.tuples(st.sampled_from([(40, 60), (60, 40), (48, 48)]), st.booleans()), max_size=40))
def test_frames_of_any_sizes_when_taken_then_few_are_held_and_each_is_given_once(
    frames: list[tuple[tuple[int, int], bool]],
) -> None:
    borders, given_times = Borders(), []
    for number, ((height, width), has_border) in enumerate(frames):
        rgb = np.zeros((height, width, 3), np.uint8)
        if has_border:
            rgb[10:-10, 4:-4] = np.random.default_rng(3).integers(0, 256, (height - 20, width - 8, 3))
        inside = borders.inside(number * 400, rgb)
        assert inside is None or inside.size <= rgb.size
        given_times += [time_ms for time_ms, _ in borders.held_back(number * 400, rgb)]
        assert len(borders._held_back) <= MOST_HELD_BACK

    assert len(given_times) == len(set(given_times))


def moments(values: Iterator[tuple[int, bytes]], shot_began_ms: int = 0) -> list[int]:
    frames = MovedFarFrames()
    return [time_ms for time_ms, value in values if frames.keep(shot_began_ms, time_ms, value)]


def test_shot_when_its_camera_stands_then_no_further_frame_is_kept() -> None:
    assert moments((time_ms, bytes(32)) for time_ms in range(0, 60_000, 500)) == []


def test_shot_when_its_camera_moves_then_frames_are_kept_far_apart_in_time_and_picture() -> None:
    def moving() -> Iterator[tuple[int, bytes]]:
        for number in range(100):
            value = np.zeros(256, np.uint8)
            value[: min(256, 3 * number)] = 1
            yield number * 100, np.packbits(value).tobytes()

    times = moments(moving())

    assert times[0] == MOVED_FAR_BITS // 3 * 100
    assert all(after - before >= MOVED_FAR_AFTER_MS for before, after in pairwise(times))
    assert len(times) == 2


def test_moving_shot_when_hashed_then_points_of_further_frames_are_kept_unmirrored(clip: Clip) -> None:
    found = prints_of(clip).features

    mirrored = {one.time_ms for one in found if one.view == "mirror"}
    straight = {one.time_ms for one in found if one.view == "identity"}
    assert len(mirrored) == 1
    assert mirrored < straight
