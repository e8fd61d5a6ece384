"""Aligning videos by their frames' hashes: made-up hashes for the rules, the real video for the whole."""

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.alignment import MAXIMUM_SEGMENTS, Segment, TimedHash, align
from app.fingerprints.keyframes import ChangedFrames
from app.media.jail.decoder import Decoder
from app.media.jail.result import DecodeOutcome
from tests import media_samples
from tests.media_jail.conftest import decode_bytes

RANDOM = np.random.default_rng(7)
SCENES = [RANDOM.bytes(32) for _ in range(400)]


def near(value: bytes, bits: int) -> bytes:
    """The value with some bits turned."""
    number = int.from_bytes(value, "big")
    for place in RANDOM.choice(256, bits, replace=False):
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


@pytest.mark.parametrize(("bits", "is_found"), [(31, True), (32, False)])
def test_align_when_the_distance_is_at_the_radius_then_it_decides(bits: int, is_found: bool) -> None:
    assert bool(align(video(range(20), bits=bits), video(range(20)))) is is_found


def test_align_when_the_query_is_a_still_then_every_moment_that_shows_it_is_named() -> None:
    reference = [*video(range(10)), *video(range(3, 5), start_ms=60_000)]
    found = align([TimedHash(0, near(SCENES[3], 9), 90)], reference)
    assert [(each.reference_start_ms, each.frames, each.distance_bits) for each in found] == [
        (1200, 1, 9),
        (60_000, 1, 9),
    ]
    (turned,) = align(video(range(10)), [TimedHash(0, SCENES[3], 90)])
    assert (turned.query_start_ms, turned.reference_start_ms) == (1200, 0)


def test_align_when_both_are_stills_then_they_are_one_segment() -> None:
    assert align([TimedHash(0, SCENES[0], 90)], [TimedHash(0, near(SCENES[0], 5), 90)]) == [Segment(0, 0, 0, 0, 1, 5)]


def test_align_when_a_shot_stands_still_then_the_spans_stay_few() -> None:
    still = [TimedHash(2000 * place, near(SCENES[0], 3), 90) for place in range(300)]
    found = align(still, still)
    assert 1 <= len(found) <= MAXIMUM_SEGMENTS
    assert (found[0].query_start_ms, found[0].query_end_ms) == (0, 299 * 2000)


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


def test_align_when_a_long_static_video_also_moves_then_the_moving_span_is_found_elsewhere() -> None:
    still = [TimedHash(2000 * place, SCENES[399], 90) for place in range(1000)]
    query = [*still, *video(range(20, 60), start_ms=2_100_000)]
    reference = [*video(range(100), start_ms=0), *[TimedHash(60_000 + one.time_ms, one.value, 90) for one in still]]
    found = align(query, reference)
    assert (2_100_000, 20 * 400, 40) in [(one.query_start_ms, one.reference_start_ms, one.frames) for one in found]


def test_align_when_an_excerpt_is_of_a_video_too_long_to_compare_whole_then_it_is_found() -> None:
    long = [TimedHash(400 * place, RANDOM.bytes(32), 90) for place in range(10_000)]
    excerpt = [TimedHash(one.time_ms - 400 * 7000, one.value, 90) for one in long[7000:7100]]
    (found,) = align(excerpt, long)
    assert found.reference_start_ms - found.query_start_ms == 7000 * 400
    assert found.frames == 40


def test_align_when_a_static_shot_gives_spans_without_end_then_the_most_are_kept() -> None:
    first, second = (
        [TimedHash(int(time_ms), SCENES[0], 90) for time_ms in np.cumsum(RANDOM.integers(100, 2000, 2000))]
        for _ in range(2)
    )
    assert len(align(first, second)) == MAXIMUM_SEGMENTS


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
    """The real video's frames, decoded and hashed once: that takes seconds."""
    return stored_frames(decoder, media_samples.VIDEO.read_bytes(), tmp_path_factory.mktemp("source"))


def test_align_when_a_real_excerpt_was_encoded_anew_then_it_lies_where_it_was_cut(
    decoder: Decoder, source: list[TimedHash], tmp_path: Path
) -> None:
    excerpt = stored_frames(
        decoder, media_samples.excerpt(10, 18, codec="libvpx", container="webm", size=(320, 180)), tmp_path
    )
    found = align(excerpt, source)
    assert found
    for segment in found:
        assert abs(segment.reference_start_ms - segment.query_start_ms - 10_000) <= 400
    assert sum(segment.query_end_ms - segment.query_start_ms for segment in found) > 4000
    assert align(stored_frames(decoder, media_samples.PHONE_VIDEO.read_bytes(), tmp_path), source) == []


def test_align_when_a_still_was_taken_from_a_real_video_then_its_moment_is_found(source: list[TimedHash]) -> None:
    still = PDQ.compute(media_samples.first_frame(12, 13))
    found = align([TimedHash(0, still.value, still.quality or 0)], source)
    assert any(abs(segment.reference_start_ms - 12_000) <= 2000 for segment in found)


def test_keep_when_nothing_moves_then_one_frame_in_two_seconds_is_kept() -> None:
    changed = ChangedFrames()
    kept = [time for time in range(0, 10_000, 100) if changed.keep(time, SCENES[0])]
    assert kept == [0, 2000, 4000, 6000, 8000]


@pytest.mark.parametrize(("bits", "is_kept"), [(24, False), (25, True)])
def test_keep_when_the_hash_moved_then_the_frame_is_kept(bits: int, is_kept: bool) -> None:
    changed = ChangedFrames()
    assert changed.keep(0, SCENES[0])
    assert changed.keep(100, near(SCENES[0], bits)) is is_kept


def test_keep_when_decoding_starts_over_then_it_starts_over() -> None:
    changed = ChangedFrames()
    assert changed.keep(0, SCENES[0])
    assert changed.keep(900, SCENES[1])
    assert changed.keep(0, SCENES[0])
