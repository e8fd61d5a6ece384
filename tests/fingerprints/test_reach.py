"""How far spans reach where little moves: other frames were kept of two encodings, and both show the same all along."""

import numpy as np
import pytest

from app.fingerprints.alignment import Segment, TimedHash, align
from app.fingerprints.reach import LONGEST_MS
from app.fingerprints.views import INVERSE, in_symmetries

CHANCE = np.random.default_rng(7)
FACE, STREET, WALL = (CHANCE.bytes(32) for _ in range(3))
EVEN = 10
"""Less quality than says anything."""


def moved(look: bytes, bits: int, seed: int) -> bytes:
    """The look with some bits turned."""
    turned = np.unpackbits(np.frombuffer(look, np.uint8))
    turned[np.random.default_rng(seed).choice(256, bits, replace=False)] ^= 1
    return np.packbits(turned).tobytes()


def kept(*frames: tuple[int, bytes], quality: int = 90) -> list[TimedHash]:
    """Frames of one recording: from when on each was shown."""
    return [TimedHash(time_ms, moved(look, 8, time_ms), quality) for time_ms, look in frames]


TALK = kept((0, FACE), (1300, FACE), (2600, FACE), (4600, FACE))
AGAIN = kept((0, FACE), (2000, FACE), (4000, FACE))


def times(found: Segment) -> tuple[int, int, int, int]:
    return found.query_start_ms, found.query_end_ms, found.reference_start_ms, found.reference_end_ms


def test_span_when_little_moves_then_is_as_long_as_both_show_it() -> None:
    """No three frames lie upon one line; up to the last frame of either side both show the face."""
    (found,) = align(AGAIN, TALK)
    begin_ms, end_ms, there_ms, until_ms = times(found)
    assert (begin_ms, end_ms) == (0, 4000)
    assert until_ms - there_ms == 4000
    assert 0 <= there_ms <= 600


def test_span_when_little_moves_in_a_mirror_then_reaches_as_far() -> None:
    mirrored = [TimedHash(one.time_ms, in_symmetries(one.value)["mirror"], one.quality) for one in AGAIN]
    (found,) = align(mirrored, TALK)
    assert found.transformation == INVERSE["mirror"]
    assert (found.query_start_ms, found.query_end_ms) == (0, 4000)


@pytest.mark.parametrize("quality", [90, EVEN], ids=["another look", "nothing"])
def test_span_when_something_else_is_shown_on_one_side_then_ends_there(quality: int) -> None:
    other = kept((5000, WALL), (8000, WALL), quality=quality)
    found = align([*AGAIN, *other], [*TALK, *kept((6900, FACE), (9100, FACE), (11400, FACE))])
    assert max(one.query_end_ms for one in found) == 5000


def test_span_when_a_frame_would_stand_too_long_then_ends_there() -> None:
    """What lies between may be missing from the recording."""
    later_ms = 4000 + 3 * LONGEST_MS
    (found, *_) = align([*AGAIN, *kept((later_ms, STREET))], [*TALK, *kept((later_ms, STREET))])
    assert found.query_end_ms <= 4600 + LONGEST_MS < later_ms


def test_span_when_one_recording_is_shorter_then_ends_with_its_last_frame() -> None:
    """Until when it was shown is not known."""
    found = align([*AGAIN, *kept((6000, FACE), (8000, FACE))], TALK)
    assert {one.reference_end_ms for one in found} == {4600}


def test_span_when_a_recording_is_cut_then_reaches_to_the_cut_and_no_further() -> None:
    query = [*kept((0, STREET), (700, STREET)), *kept((1500, FACE), (3500, FACE), (5500, FACE))]
    found = max(align(query, TALK), key=lambda one: one.query_end_ms - one.query_start_ms)
    assert found.query_start_ms >= 1500
    assert found.reference_start_ms >= 0
