"""Aligning videos by their frames' hashes: made-up hashes for the rules, the real video for the whole."""

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.alignment import (
    MAXIMUM_SEGMENTS,
    Segment,
    TimedHash,
    align,
    wider_radius,
)
from app.fingerprints.keyframes import ChangedFrames
from app.fingerprints.point_spans import FramePair, align_points
from app.fingerprints.reach import LONGEST_MS
from app.fingerprints.views import INVERSE, SYMMETRIES, in_symmetries
from app.media.jail.decoder import Decoder
from app.media.jail.result import DecodeOutcome
from tests import media_samples
from tests.media_jail.conftest import decode_bytes
from tests.support.examples import all_but_slow, examples

RANDOM = np.random.default_rng(7)
SCENES = [RANDOM.bytes(32) for _ in range(400)]


def near(value: bytes, bits: int, seed: int | None = None) -> bytes:
    """The value with some bits turned."""
    number = int.from_bytes(value, "big")
    random = RANDOM if seed is None else np.random.default_rng(seed)
    for place in random.choice(256, bits, replace=False):
        number ^= 1 << int(place)
    return number.to_bytes(32, "big")


def video(scenes: range, *, step_ms: int = 400, start_ms: int = 0, bits: int = 0, quality: int = 90) -> list[TimedHash]:
    return [
        TimedHash(start_ms + place * step_ms, near(SCENES[scene], bits), quality) for place, scene in enumerate(scenes)
    ]


def test_align_when_one_is_an_excerpt_then_the_span_is_named() -> None:
    (found,) = align(video(range(50, 80), bits=12), video(range(200)))
    assert found == Segment(0, 29 * 400, 50 * 400, 79 * 400, 30, 12)


def test_align_when_sampling_is_off_by_some_then_the_span_is_whole() -> None:
    query = [TimedHash(frame.time_ms + int(RANDOM.integers(-100, 101)), frame.value, 90) for frame in video(range(60))]
    (found,) = align(query, video(range(100), start_ms=3000))
    assert found.frames == 60
    assert abs(found.reference_start_ms - found.query_start_ms - 3000) <= 100


@pytest.mark.parametrize("early_ms", [-280, 280])
def test_align_when_an_outer_frame_was_kept_too_early_or_late_then_the_ends_are_the_same_moments(early_ms: int) -> None:
    reference = video(range(30), start_ms=3000)
    for place in (0, -1):
        reference[place] = replace(reference[place], time_ms=reference[place].time_ms - early_ms)
    (found,) = align(video(range(30)), reference)
    assert found.frames == 30
    assert found.reference_start_ms - found.query_start_ms == 3000
    assert found.reference_end_ms - found.query_end_ms == 3000


def test_align_when_nothing_is_shared_then_there_is_nothing() -> None:
    assert align(video(range(100)), video(range(100, 300))) == []
    assert align([], video(range(3))) == align(video(range(3)), []) == []


def test_align_when_a_compilation_has_three_parts_of_one_source_then_each_is_named() -> None:
    query = [
        *video(range(150, 160)),
        *video(range(300, 320), start_ms=10_000),
        *video(range(20, 40), start_ms=40_000),
        *video(range(90, 95), start_ms=60_000),
    ]
    found = align(query, video(range(200)))
    assert [(each.query_start_ms, each.reference_start_ms, each.frames) for each in found] == [
        (0, 150 * 400, 10),
        (40_000, 20 * 400, 20),
        (60_000, 90 * 400, 5),
    ]


def test_align_when_only_one_frame_is_shared_then_it_is_no_match() -> None:
    query = [*video(range(300, 320)), *video(range(50, 51), start_ms=9000)]
    assert align(query, video(range(200))) == []


def test_align_when_one_frame_meets_many_then_it_is_no_match() -> None:
    # A leader or a black screen: one frame here, many there; nothing moves along on both sides.
    reference = [*video(range(100)), *[TimedHash(60_000 + 2000 * n, SCENES[399], 90) for n in range(20)]]
    query = [*video(range(200, 220)), TimedHash(20_000, SCENES[399], 90)]
    assert align(query, reference) == []


def test_align_when_frames_say_nothing_then_they_do_not_match() -> None:
    assert align(video(range(50), quality=29), video(range(50), quality=29)) == []
    assert len(align(video(range(50), quality=30), video(range(50), quality=30))) == 1


@pytest.mark.parametrize(
    ("frames", "bits", "is_found"),
    [
        *[(1, 31, True), (1, 32, False)],
        *[(2, 31, True), (3, 32, False)],
        *[(20, wider_radius(31), True), (20, wider_radius(31) + 1, False)],
    ],
)
def test_align_when_the_distance_is_at_the_radius_then_it_decides(frames: int, bits: int, is_found: bool) -> None:
    """One or two frames are believed within the radius, many that run along within the wider one."""
    assert bool(align(video(range(frames), bits=bits), video(range(20)))) is is_found


def test_align_when_the_radius_is_zero_then_nothing_wider_is_believed() -> None:
    assert align(video(range(20), bits=1), video(range(20)), radius_bits=0) == []
    assert len(align(video(range(20)), video(range(20)), radius_bits=0)) == 1


SPEEDS = (0.5, 0.8, 0.9, 1.1, 1.25, 2.0)


@pytest.mark.parametrize(
    "speed", all_but_slow([*SPEEDS, *(-speed for speed in SPEEDS), -1.0], (0.5, 0.9, 1.25, -0.8, -1.1, -1.25, -2.0))
)
def test_align_when_it_plays_at_another_speed_or_backwards_then_the_speed_is_named(speed: float) -> None:
    source = video(range(200), start_ms=5000)
    part = source[60:120]
    begin = part[0 if speed > 0 else -1].time_ms
    query = [TimedHash(round((one.time_ms - begin) / speed), near(one.value, 12), 90) for one in part]
    (found,) = align(query, source)
    assert found.speed == pytest.approx(speed * 1000, abs=15)
    assert (found.reference_start_ms, found.reference_end_ms, found.frames) == (part[0].time_ms, part[-1].time_ms, 60)
    (turned,) = align(source, query)
    assert turned.speed == pytest.approx(1000 / speed, rel=0.015)


def test_align_when_pieces_were_cut_out_then_each_is_a_span_at_the_same_speed() -> None:
    """Together they lie along a steeper line."""
    kept = [one for one in video(range(120)) if one.time_ms % 6000 < 4000]
    query = [TimedHash(one.time_ms - one.time_ms // 6000 * 2000, near(one.value, 10), 90) for one in kept]
    found = align(query, video(range(120)))
    assert {one.speed for one in found} == {1000}
    assert sum(one.frames for one in found) == len(query)


def test_align_when_one_speeds_up_midway_then_both_speeds_are_named() -> None:
    source = video(range(100))
    query = [
        TimedHash(one.time_ms if place < 50 else 20_000 + (one.time_ms - 20_000) // 2, one.value, 90)
        for place, one in enumerate(source)
    ]
    assert [round(one.speed, -2) for one in align(query, source)] == [1000, 2000]


def test_align_when_frames_were_dropped_then_the_speed_stays() -> None:
    query = [one for place, one in enumerate(video(range(50, 110), bits=10)) if place * 7 % 10 < 6]
    (found,) = align(query, video(range(200)))
    assert (found.speed, found.frames) == (1000, len(query))


@pytest.mark.parametrize("speed", [1.0, 0.8, -1.0])
@pytest.mark.parametrize("lasting_s", all_but_slow([4, 60, 600], (600,)))
def test_align_when_nothing_moves_then_the_speed_is_the_same_for_want_of_knowledge(
    lasting_s: int, speed: float
) -> None:
    still = [TimedHash(place * 2000, near(SCENES[0], 4), 90) for place in range(lasting_s // 2)]
    again = [TimedHash(round(one.time_ms / abs(speed)), near(SCENES[0], 4), 90) for one in still]
    found = align(again, still)
    assert found
    assert {one.speed for one in found} == {1000}


@pytest.mark.parametrize("symmetry", list(SYMMETRIES))
def test_align_when_it_is_mirrored_or_turned_then_the_span_says_how(symmetry: str) -> None:
    turned = [TimedHash(one.time_ms, near(in_symmetries(one.value)[symmetry], 12), 90) for one in video(range(50, 80))]
    (found,) = align(video(range(200)), turned)
    assert (found.transformation, found.query_start_ms, found.frames) == (symmetry, 50 * 400, 30)
    (back,) = align(turned, video(range(200)))
    assert (back.transformation, back.reference_start_ms, back.frames) == (INVERSE[symmetry], 50 * 400, 30)


def test_align_when_a_still_was_hashed_in_its_symmetries_then_these_are_what_counts() -> None:
    """What is turned from the hash alone is a few bits off."""
    views = [TimedHash(0, near(value, 25), 90, name) for name, value in in_symmetries(SCENES[3]).items()]
    (found,) = align(
        [one if one.view != "mirror" else TimedHash(0, SCENES[5], 90, "mirror") for one in views], video(range(5, 10))
    )
    assert (found.transformation, found.reference_start_ms, found.distance_bits) == ("mirror", 0, 0)


@pytest.mark.thorough
@pytest.mark.parametrize("area", ["trimmed", "framed"])
def test_align_when_an_area_of_one_is_all_of_the_other_then_the_span_says_so(area: str) -> None:
    bordered = [
        *video(range(300, 330)),
        *[TimedHash(one.time_ms, one.value, 90, f"{area}.identity") for one in video(range(50, 80), bits=10)],
    ]
    (found,) = align(bordered, video(range(200)))
    assert (found.query_view, found.reference_view, found.frames) == (area, "whole", 30)
    (turned,) = align(video(range(200)), bordered)
    assert (turned.query_view, turned.reference_view, turned.frames) == ("whole", area, 30)
    (both,) = align(bordered, [*video(range(330, 360)), *bordered[30:]])
    assert (both.query_view, both.reference_view) == (area, area)


def test_align_when_the_query_is_a_still_then_every_moment_that_shows_it_is_named() -> None:
    reference = [*video(range(10)), *video(range(3, 5), start_ms=60_000)]
    found = align([TimedHash(0, near(SCENES[3], 9), 90)], reference)
    assert [(each.reference_start_ms, each.frames, each.distance_bits) for each in found] == [
        (1200, 1, 9),
        (60_000, 1, 9),
    ]
    (turned,) = align(video(range(10)), [TimedHash(0, SCENES[3], 90)])
    assert (turned.query_start_ms, turned.reference_start_ms) == (1200, 0)


def test_align_when_a_compilation_has_a_mirrored_and_a_reversed_part_then_each_is_named() -> None:
    mirrored = [TimedHash(one.time_ms, in_symmetries(one.value)["mirror"], 90) for one in video(range(40, 60))]
    reversed_ = [TimedHash(30_000 - one.time_ms, one.value, 90) for one in video(range(20))]
    found = align([*mirrored, *reversed_, *video(range(100, 120), start_ms=50_000)], video(range(200)))
    assert [
        (one.query_start_ms, one.reference_start_ms, one.frames, one.speed, one.transformation) for one in found
    ] == [
        (0, 16_000, 20, 1000, "mirror"),
        (22_400, 0, 20, -1000, "identity"),
        (50_000, 40_000, 20, 1000, "identity"),
    ]


def mirrored_sides(found: Segment) -> Segment:
    """The span as it is when the reference is called the query."""
    return replace(
        found,
        query_start_ms=found.reference_start_ms,
        query_end_ms=found.reference_end_ms,
        reference_start_ms=found.query_start_ms,
        reference_end_ms=found.query_end_ms,
        speed=0,
        transformation=INVERSE[found.transformation],
        query_view=found.reference_view,
        reference_view=found.query_view,
    )


@st.composite
def footage(draw: st.DrawFn) -> list[TimedHash]:
    """Pieces of a few scenes, at any speed, in any symmetry, static ones and stills among them."""
    frames: list[TimedHash] = []
    begin_ms = 0
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, 30))
        count = draw(st.integers(1, 12))
        step_ms = draw(st.sampled_from([100, 320, 400, 500, 800, 2000]))
        symmetry = draw(st.sampled_from(["identity", "mirror", "rotate_90"]))
        area = draw(st.sampled_from(["", "trimmed."]))
        is_static, is_reversed = draw(st.booleans()), draw(st.booleans())
        scenes = [first if is_static else first + place for place in range(count)]
        for scene in scenes[::-1] if is_reversed else scenes:
            bits = draw(st.integers(0, 40))
            value = in_symmetries(near(SCENES[scene], bits, seed=bits))[symmetry]
            frames.append(TimedHash(begin_ms, value, draw(st.sampled_from([20, 60])), f"{area}identity"))
            begin_ms += step_ms
        begin_ms += draw(st.sampled_from([0, 3000, 9000]))
    return frames


@pytest.mark.thorough
@settings(max_examples=examples(60), deadline=None)
@given(footage(), footage())
def test_align_when_the_sides_change_places_then_so_do_the_spans(
    query: list[TimedHash], reference: list[TimedHash]
) -> None:
    found, turned = align(query, reference), align(reference, query)
    assert {replace(one, speed=0) for one in found} == {mirrored_sides(one) for one in turned}
    assert len(found) == len(turned)
    for one in found:
        (other,) = [each for each in turned if mirrored_sides(each) == replace(one, speed=0)]
        assert one.speed * other.speed == pytest.approx(1_000_000, rel=0.002)
    for spans, sides in ((found, (query, reference)), (turned, (reference, query))):
        for one in spans:
            assert_within(one, *sides)


def test_align_when_both_say_the_same_then_what_is_found_is_its_own_mirror_image() -> None:
    shaking = [
        TimedHash(time_ms, near(SCENES[0], bits, seed=bits), 60) for time_ms, bits in enumerate((0, 9, 3, 12, 5))
    ]
    shaking = [replace(one, time_ms=one.time_ms * 100) for one in shaking]
    moving = [TimedHash(20_000 + place * 400, SCENES[10 + place], 60) for place in range(6)]
    again = [TimedHash(40_000 + place * 400, SCENES[10 + place], 60) for place in range(6)]
    recording = [*shaking, *moving, *again]
    found = align(recording, recording)
    assert {replace(one, speed=0) for one in found} == {mirrored_sides(one) for one in found}
    assert [(one.query_start_ms, one.reference_start_ms) for one in found] == [
        (0, 0),
        (20_000, 20_000),
        (20_000, 40_000),
        (40_000, 20_000),
        (40_000, 40_000),
    ]
    assert all(one.distance_bits == 0 and one.speed == 1000 for one in found)


def changes_of(side: list[TimedHash]) -> set[int]:
    """When something else is shown: each frame, and where the next one is too far away to tell until when one was."""
    times = sorted({frame.time_ms for frame in side})
    return {*times, *(one + LONGEST_MS for one, following in pairwise(times) if following - one > LONGEST_MS)}


def assert_within(one: Segment, query: list[TimedHash], reference: list[TimedHash]) -> None:
    """A span begins with a change on one side, not before what says something, and at that moment of the other, which
    may lie between two of its frames; it ends so, too."""
    of_query, of_reference = ({frame.time_ms for frame in side if frame.quality >= 30} for side in (query, reference))
    in_query, in_reference = changes_of(query), changes_of(reference)
    assert min(of_query) <= one.query_start_ms <= one.query_end_ms <= max(in_query)
    assert min(of_reference) <= one.reference_start_ms <= one.reference_end_ms <= max(in_reference)
    there = (one.reference_start_ms, one.reference_end_ms)[:: -1 if one.speed < 0 else 1]
    for here_ms, there_ms in zip((one.query_start_ms, one.query_end_ms), there, strict=True):
        assert here_ms in in_query or there_ms in in_reference
    assert 1 <= one.frames <= min(len(of_query), len(of_reference))
    assert 0 <= (one.distance_bits or 0) <= wider_radius(31)
    assert one.speed == 1000 or 475 <= abs(one.speed) <= 2105


@pytest.mark.thorough
@settings(max_examples=examples(25), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(range(0, 400, 20)), st.integers(6, 15), st.booleans()),
        min_size=1,
        max_size=4,
        unique_by=lambda part: part[0],
    )
)
def test_align_when_a_compilation_is_of_several_sources_then_every_source_is_found(
    parts: list[tuple[int, int, bool]],
) -> None:
    compilation: list[TimedHash] = []
    for place, (first, count, is_reversed) in enumerate(parts):
        piece = video(range(first, first + count), bits=15)
        for frame, one in zip(piece, piece[::-1] if is_reversed else piece, strict=True):
            compilation.append(TimedHash(place * 10_000 + frame.time_ms, one.value, 90))
    for place, (first, count, is_reversed) in enumerate(parts):
        (found,) = align(compilation, video(range(first, first + 20)))
        assert (found.query_start_ms, found.frames) == (place * 10_000, count)
        assert (found.reference_start_ms, found.speed) == (0, -1000 if is_reversed else 1000)


def test_align_when_both_are_stills_then_they_are_one_segment() -> None:
    assert align([TimedHash(0, SCENES[0], 90)], [TimedHash(0, near(SCENES[0], 5), 90)]) == [Segment(0, 0, 0, 0, 1, 5)]


def test_align_when_a_shot_stands_still_then_the_spans_stay_few() -> None:
    still = [TimedHash(2000 * place, near(SCENES[0], 3), 90) for place in range(300)]
    found = align(still, still)
    assert 1 <= len(found) <= MAXIMUM_SEGMENTS
    assert (found[0].query_start_ms, found[0].query_end_ms) == (0, 299 * 2000)


@pytest.mark.thorough
def test_align_when_both_are_long_and_static_then_time_and_memory_stay_bounded() -> None:
    still = [TimedHash(2000 * place, SCENES[0], 90) for place in range(4000)]
    tracemalloc.start()
    started = time.process_time()
    (found,) = align(still, still)
    took_s = time.process_time() - started
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == Segment(0, 3999 * 2000, 0, 3999 * 2000, 4000, 0)
    assert peak_bytes < 200_000_000
    assert took_s < 8, "a multiple of what it takes, and a fraction of what all pairs take"


@pytest.mark.thorough
def test_align_when_a_long_static_video_also_moves_then_the_moving_span_is_found_elsewhere() -> None:
    still = [TimedHash(2000 * place, SCENES[399], 90) for place in range(1000)]
    query = [*still, *video(range(20, 60), start_ms=2_100_000)]
    reference = [*video(range(100), start_ms=0), *[TimedHash(60_000 + one.time_ms, one.value, 90) for one in still]]
    found = align(query, reference)
    assert (2_100_000, 20 * 400, 40) in [(one.query_start_ms, one.reference_start_ms, one.frames) for one in found]


@pytest.mark.thorough
def test_align_when_an_excerpt_is_of_a_video_too_long_to_compare_whole_then_it_is_found() -> None:
    long = [TimedHash(400 * place, RANDOM.bytes(32), 90) for place in range(10_000)]
    excerpt = [TimedHash(one.time_ms - 400 * 7000, one.value, 90) for one in long[7000:7100]]
    (found,) = align(excerpt, long)
    assert found.reference_start_ms - found.query_start_ms == 7000 * 400
    assert found.frames == 40


@pytest.mark.thorough
def test_align_when_a_static_shot_gives_spans_without_end_then_the_most_are_kept() -> None:
    first, second = (
        [TimedHash(int(time_ms), SCENES[0], 90) for time_ms in np.cumsum(RANDOM.integers(100, 2000, 2000))]
        for _ in range(2)
    )
    assert len(align(first, second)) == MAXIMUM_SEGMENTS


def test_align_points_when_shots_agree_then_they_are_one_span_and_what_does_not_is_its_own() -> None:
    pairs = [FramePair(1000, 21_000, 30), FramePair(9000, 28_200, 14), FramePair(17_000, 37_900, 50)]
    found = align_points([*pairs, FramePair(9000, 90_000, 15), FramePair(30_000, 50_000, 12, "mirror")])
    assert [(one.query_start_ms, one.query_end_ms, one.reference_start_ms, one.frames) for one in found] == [
        (1000, 17_000, 21_000, 3),
        (9000, 9000, 90_000, 1),
        (30_000, 30_000, 50_000, 1),
    ]
    assert {(one.by, one.distance_bits, one.speed) for one in found} == {("orb", None, 1000)}
    assert [one.transformation for one in found] == ["identity", "identity", "mirror"]


def test_align_points_when_it_is_played_backwards_then_three_shots_say_so() -> None:
    pairs = [FramePair(1000, 41_000, 30), FramePair(9000, 33_500, 14), FramePair(17_000, 24_000, 50)]
    assert [one.speed for one in align_points(pairs)] == [-1000]
    assert [one.speed for one in align_points(pairs[:2])] == [1000, 1000]


def test_align_points_when_one_pair_is_all_then_it_is_a_moment() -> None:
    assert align_points([FramePair(0, 7000, 12)]) == [Segment(0, 0, 7000, 7000, 1, None, by="orb")]
    assert align_points([]) == []


def standing(scene: int, until_ms: int, then: int, *, bits: int = 0) -> list[TimedHash]:
    """A scene before and after another one, which stands for 20 s before ``until_ms``; a frame in two seconds."""
    around = [(time_ms, 300 + time_ms // 2000) for time_ms in range(0, until_ms - 20_000, 2000)]
    stands = [(time_ms, scene) for time_ms in range(until_ms - 20_000, until_ms, 2000)]
    after = [(time_ms, then) for time_ms in range(until_ms, until_ms + 10_000, 2000)]
    return [TimedHash(time_ms, near(SCENES[one], bits), 90) for time_ms, one in around + stands + after]


def test_align_points_when_both_stand_still_then_the_span_is_as_long_as_both_show_it() -> None:
    query, reference = standing(7, 30_000, 8, bits=20), standing(107, 50_000, 108, bits=20)
    pair = FramePair(16_000, 34_000, 20)
    assert align_points([pair], query, reference) == [Segment(12_000, 28_000, 30_000, 46_000, 1, None, by="orb")]
    turned = FramePair(34_000, 16_000, 20)
    assert align_points([turned], reference, query) == [Segment(30_000, 46_000, 12_000, 28_000, 1, None, by="orb")]


def test_align_points_when_it_is_played_backwards_then_the_span_grows_backwards() -> None:
    query, reference = standing(7, 30_000, 8), standing(107, 50_000, 108)
    pairs = [FramePair(12_000 + n * 2000, 44_000 - n * 2000, 20) for n in range(3)]
    (found,) = align_points(pairs, query, reference)
    assert found == Segment(10_000, 26_000, 30_000, 46_000, 3, None, speed=-1000, by="orb")


def test_align_points_when_frames_of_a_still_picture_agree_at_every_shift_then_one_span_is_named() -> None:
    pairs = [FramePair(12_000 + a * 4000, 32_000 + b * 4000, 20) for a in range(4) for b in range(4)]
    (found,) = align_points(pairs, standing(7, 30_000, 8), standing(107, 50_000, 108))
    assert (found.query_start_ms, found.query_end_ms) == (10_000, 28_000)
    assert (found.reference_start_ms, found.reference_end_ms) == (30_000, 48_000)


def test_align_points_when_the_picture_changes_then_the_span_goes_no_further() -> None:
    (found,) = align_points([FramePair(4000, 8000, 20)], video(range(50)), video(range(100, 150)))
    assert found == Segment(4000, 4000, 8000, 8000, 1, None, by="orb")


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.builds(
            FramePair,
            st.integers(0, 200).map(lambda n: n * 500),
            st.integers(0, 200).map(lambda n: n * 500),
            st.integers(8, 60),
            st.sampled_from(["identity", "mirror"]),
        ),
        max_size=30,
    )
)
def test_align_points_of_whatever_pairs_then_each_is_in_a_span_that_holds_nothing_else(pairs: list[FramePair]) -> None:
    found = align_points(pairs)
    for pair in pairs:
        assert any(
            one.query_start_ms <= pair.query_ms <= one.query_end_ms
            and one.reference_start_ms <= pair.reference_ms <= one.reference_end_ms
            and one.transformation == pair.transformation
            for one in found
        )
    for one in found:
        assert {one.query_start_ms, one.query_end_ms} <= {pair.query_ms for pair in pairs}
        assert {one.reference_start_ms, one.reference_end_ms} <= {pair.reference_ms for pair in pairs}


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as made:
        yield made


def stored_frames(decoder: Decoder, body: bytes, place: Path) -> list[TimedHash]:
    result, frames = decode_bytes(decoder, body, place)
    assert result.outcome is DecodeOutcome.DECODED
    changed = ChangedFrames()
    hashes = [(frame.time_ms, PDQ.compute(frame.rgb)) for frame in frames]
    return [TimedHash(time, h.value, h.quality or 0) for time, h in hashes if changed.keep(time, h.value)]


@pytest.fixture(scope="module")
def source(decoder: Decoder, tmp_path_factory: pytest.TempPathFactory) -> list[TimedHash]:
    """Twelve seconds of the real video, decoded and hashed once."""
    twelve = media_samples.excerpt(8, 20, size=(320, 180))
    return stored_frames(decoder, twelve, tmp_path_factory.mktemp("source"))


@pytest.mark.thorough
def test_align_when_a_real_excerpt_was_encoded_anew_then_it_lies_where_it_was_cut(
    decoder: Decoder, source: list[TimedHash], tmp_path: Path
) -> None:
    excerpt = stored_frames(
        decoder, media_samples.excerpt(10, 15, codec="libvpx", container="webm", size=(256, 144)), tmp_path
    )
    found = align(excerpt, source)
    assert found
    assert {segment.speed for segment in found} == {1000}
    for segment in found:
        assert abs(segment.reference_start_ms - segment.query_start_ms - 2000) <= 400
    assert sum(segment.query_end_ms - segment.query_start_ms for segment in found) > 3000
    other = media_samples.excerpt(0, 4, path=media_samples.PHONE_VIDEO, size=(180, 320))
    assert align(stored_frames(decoder, other, tmp_path), source) == []


@pytest.mark.thorough
def test_align_when_a_still_was_taken_from_a_real_video_then_its_moment_is_found(source: list[TimedHash]) -> None:
    still = PDQ.compute(media_samples.first_frame(12, 13))
    found = align([TimedHash(0, still.value, still.quality or 0)], source)
    assert any(abs(segment.reference_start_ms - 4000) <= 2000 for segment in found)


def test_keep_when_nothing_moves_then_one_frame_in_two_seconds_is_kept() -> None:
    changed = ChangedFrames()
    kept = [time for time in range(0, 10_000, 100) if changed.keep(time, SCENES[0])]
    assert kept == [0, 2000, 4000, 6000, 8000]


@pytest.mark.thorough
@pytest.mark.parametrize(("bits", "is_kept"), [(24, False), (25, True)])
def test_keep_when_the_hash_moved_then_the_frame_is_kept(bits: int, is_kept: bool) -> None:
    changed = ChangedFrames()
    assert changed.keep(0, SCENES[0])
    assert changed.keep(100, near(SCENES[0], bits)) is is_kept


@pytest.mark.thorough
def test_keep_when_decoding_starts_over_then_it_starts_over() -> None:
    changed = ChangedFrames()
    assert changed.keep(0, SCENES[0])
    assert changed.keep(900, SCENES[1])
    assert changed.keep(0, SCENES[0])
