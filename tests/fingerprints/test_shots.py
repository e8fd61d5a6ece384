"""Shots: known cuts of real recordings are found; what only moves, flashes or fades begins none."""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprints.algorithms.algorithm import Hash, Pixels
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.shots import (
    DRIFT_AFTER_MS,
    FoundShot,
    Shot,
    ShotFinder,
)
from app.media.jail.decoder import Decoder
from tests import media_samples as samples
from tests.media_samples import PHONE_VIDEO, PHOTOGRAPHS, VIDEO
from tests.support.examples import examples

SAMPLE_MS = 100
WIDTH, HEIGHT = 320, 180

Frames = Sequence[tuple[int, Pixels]]


def found_in(frames: Frames, end_ms: int | None = None) -> list[FoundShot]:
    finder = ShotFinder()
    found = [shot for time_ms, rgb in frames for shot in finder.take(time_ms, rgb, PDQ.compute(rgb))]
    return [*found, *finder.end(frames[-1][0] if end_ms is None else end_ms)]


def shots_of(frames: Frames) -> list[Shot]:
    return [found.shot for found in found_in(frames)]


def assert_tiled(shots: Sequence[Shot], end_ms: int) -> None:
    assert [shot.number for shot in shots] == list(range(len(shots)))
    assert (shots[0].from_ms, shots[-1].to_ms) == (0, end_ms + 1)
    assert all(earlier.to_ms == later.from_ms for earlier, later in pairwise(shots))
    assert all(shot.from_ms <= shot.shown_ms < shot.to_ms for shot in shots)


@pytest.fixture(scope="module")
def decoded() -> Iterator[Callable[[bytes], list[Shot]]]:
    """Decodes a recording in the jail, as the worker does, and gives its shots."""
    with Decoder() as decoder:

        def decode(body: bytes) -> list[Shot]:
            finder, found = ShotFinder(), list[FoundShot]()
            fd = os.memfd_create("recording")
            try:
                os.write(fd, body)
                read_only = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
            finally:
                os.close(fd)
            try:
                result = decoder.decode(
                    read_only,
                    lambda frame: found.extend(finder.take(frame.time_ms, frame.rgb, PDQ.compute(frame.rgb))),
                )
            finally:
                os.close(read_only)
            found.extend(finder.end(result.end_ms))
            shots = [one.shot for one in found]
            assert_tiled(shots, result.end_ms)
            return shots

        yield decode


@pytest.fixture(scope="session")
def compilation() -> bytes:
    """Five pieces of real material, one after the other: 4 known cuts."""
    return samples.compilation(
        (
            (VIDEO, 9.0, 10.5),
            (PHONE_VIDEO, 0.0, 1.25),
            (VIDEO, 22.5, 24.0),
            (VIDEO, 25.0, 26.5),
            (VIDEO, 10.5, 12.0),
        )
    )


@pytest.mark.thorough
def test_shots_when_real_recordings_are_joined_then_the_cuts_are_found_and_nothing_else(
    decoded: Callable[[bytes], list[Shot]], compilation: bytes
) -> None:
    begins = [shot.from_ms for shot in decoded(compilation)]

    assert len(begins) == 5
    for begin_ms, cut_ms in zip(begins, (0, 1500, 2750, 4250, 5750), strict=True):
        assert cut_ms <= begin_ms <= cut_ms + SAMPLE_MS


@pytest.mark.thorough
def test_shots_when_a_trailer_is_cut_and_fades_then_its_scenes_are_found(
    decoded: Callable[[bytes], list[Shot]],
) -> None:
    # By eye: cuts at 8.2, 19.5, 21.0, 24.7 and 27.2 s, a fade through black that ends at 15.6 s; a dissolve at 30.6 s,
    # which this rule does not see.
    begins = [round(shot.from_ms / 1000, 1) for shot in decoded(VIDEO.read_bytes())]

    assert begins == [0.0, 8.2, 15.6, 19.5, 21.0, 24.7, 27.2]


def test_shots_when_a_phone_is_held_by_hand_then_it_is_one_shot(decoded: Callable[[bytes], list[Shot]]) -> None:
    assert len(decoded(PHONE_VIDEO.read_bytes())) == 1


def view(photograph: Path, left: int, top: int = 100) -> Pixels:
    """A window into a photograph."""
    return np.asarray(samples.upright(photograph))[top : top + HEIGHT, left : left + WIDTH]


@pytest.mark.thorough
def test_shots_when_a_camera_pans_slowly_then_there_are_few(tmp_path: Path) -> None:
    photograph = max(PHOTOGRAPHS, key=lambda path: samples.upright(path).width)
    reach = samples.upright(photograph).width - WIDTH
    there_and_back = [*range(0, reach, 16), *range(reach, 0, -16)]
    pan = [(number * SAMPLE_MS, view(photograph, left)) for number, left in enumerate(there_and_back)]

    shots = shots_of(pan)

    assert_tiled(shots, pan[-1][0])
    assert len(shots) <= 1 + pan[-1][0] // DRIFT_AFTER_MS


@pytest.mark.thorough
@pytest.mark.parametrize("shake", range(3))
def test_shots_when_a_hand_shakes_then_it_is_one(shake: int) -> None:
    random = np.random.default_rng(shake)
    places = np.cumsum(random.integers(-12, 13, (60, 2)), axis=0).clip(-200, 200)
    frames = [(n * SAMPLE_MS, view(PHOTOGRAPHS[0], 250 + x, 250 + y)) for n, (x, y) in enumerate(places)]

    assert len(shots_of(frames)) == 1


def test_shots_when_a_camera_turns_to_other_things_for_long_then_each_long_view_is_one() -> None:
    def dissolve(first: Pixels, second: Pixels, share: float) -> Pixels:
        return (first * (1 - share) + second * share).astype(np.uint8)

    one, other = view(PHOTOGRAPHS[0], 0), view(PHOTOGRAPHS[-1], 0)
    frames = [(n * 1000, one) for n in range(10)]
    frames += [(10_000 + n * SAMPLE_MS, dissolve(one, other, n / 40)) for n in range(41)]
    frames += [(15_000 + n * 1000, other) for n in range(10)]

    shots = shots_of(frames)

    assert len(shots) == 2
    assert 10_000 <= shots[1].from_ms <= 14_000


def test_shots_when_it_flashes_then_it_is_one_shot_shown_without_the_flash() -> None:
    calm, flash = view(PHOTOGRAPHS[0], 0), view(PHOTOGRAPHS[-1], 0)
    for length in (1, 3):
        frames = [(n * SAMPLE_MS, flash if 10 <= n < 10 + length else calm) for n in range(30)]
        (found,) = found_in(frames)
        assert np.array_equal(found.shown, calm)
        assert found.shot.shown_ms // SAMPLE_MS not in range(10, 10 + length)


def test_shots_when_a_picture_is_put_in_for_a_second_then_it_is_a_shot() -> None:
    calm, put_in = view(PHOTOGRAPHS[0], 0), view(PHOTOGRAPHS[-1], 0)
    frames = [(n * SAMPLE_MS, put_in if 10 <= n < 20 else calm) for n in range(30)]

    assert [shot.from_ms for shot in shots_of(frames)] == [0, 1000, 2000]


@pytest.mark.thorough
def test_shots_when_the_picture_stands_then_the_frame_that_stood_longest_is_shown() -> None:
    moving = [(n * SAMPLE_MS, view(PHOTOGRAPHS[0], 4 * n)) for n in range(8)]
    still = (800, view(PHOTOGRAPHS[0], 40))
    more = [(2100 + n * SAMPLE_MS, view(PHOTOGRAPHS[0], 44 + 4 * n)) for n in range(8)]

    (found,) = found_in([*moving, still, *more])

    assert found.shot.shown_ms == 800
    assert np.array_equal(found.shown, still[1])


def test_shots_when_it_begins_black_then_black_is_not_shown() -> None:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    (found,) = found_in([(0, black), (2000, black), (4000, view(PHOTOGRAPHS[0], 0)), (4100, view(PHOTOGRAPHS[0], 4))])

    assert found.shot.shown_ms >= 4000


def test_shots_when_there_is_one_frame_then_it_is_one_shot() -> None:
    assert shots_of([(0, view(PHOTOGRAPHS[0], 0))]) == [Shot(0, 0, 1, 0)]


@pytest.mark.thorough
def test_shots_when_there_is_no_frame_then_there_is_none() -> None:
    assert list(ShotFinder().end(1000)) == []


def picture(number: int) -> tuple[Pixels, Hash]:
    """One of a few pictures of 8 × 8 pixels that are far from each other; every fourth is flat."""
    value = np.random.default_rng(number).bytes(32)
    rgb = np.full((8, 8, 3), (number * 64) % 256, np.uint8)
    return rgb, Hash(value, 0 if number % 4 == 3 else 100)


steps_ms = st.sampled_from((1, 83, 100, 400, 500, 501, 2000, 9_000, 3_600_000))


@pytest.mark.thorough
@settings(max_examples=examples(300))
@given(st.lists(st.tuples(steps_ms, st.integers(0, 7)), min_size=1, max_size=40), st.integers(0, 5_000))
def test_shots_when_anything_comes_then_they_lie_end_to_end_and_each_shows_a_frame_of_its_own(
    steps: list[tuple[int, int]], rest_ms: int
) -> None:
    finder, found, pixels, time_ms = ShotFinder(), list[FoundShot](), dict[int, Pixels](), 0
    for step_ms, number in steps:
        rgb, pdq = picture(number)
        pixels[time_ms] = rgb
        found.extend(finder.take(time_ms, rgb, pdq))
        time_ms += step_ms
    end_ms = max(pixels) + rest_ms
    found.extend(finder.end(end_ms))

    assert_tiled([one.shot for one in found], end_ms)
    assert all(pixels[one.shot.shown_ms] is one.shown for one in found)
