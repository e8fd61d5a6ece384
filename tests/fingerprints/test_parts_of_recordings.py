"""Parts of a recording's frames are few and cost little: how many are taken, and how they are sought in another one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.fingerprints import finding, hasher, matching, proposing
from app.fingerprints.algorithms.algorithm import Pixels
from app.fingerprints.algorithms.catalog import CATALOG
from app.fingerprints.algorithms.local_features import VERSION, LocalFeatures
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.alignment import Segment, TimedHash, align, align_frames
from app.fingerprints.areas import Box
from app.fingerprints.feature_index import FEATURES, Candidate, FeatureQuery
from app.fingerprints.hasher import Hasher
from app.fingerprints.parts import parts_of
from app.fingerprints.prints import Print, Prints
from app.fingerprints.proposing import Proposed
from app.fingerprints.views import (
    IDENTITY,
    MOST_PARTS_OF_A_FRAME,
    SETS_OF_A_FRAME,
    SETS_OF_A_PICTURE,
    SYMMETRIES,
    Part,
    area_of,
    in_symmetries,
    is_part,
)
from app.media.jail.result import VideoFrame

RADIUS_BITS = PDQ.threshold_bits
PLACES = ((20, 20, 200, 140), (20, 180, 180, 140), (230, 20, 150, 110), (230, 200, 130, 100), (400, 100, 110, 90))
"""Left, top, width and height of the pictures on a page, the largest first."""


def page(seed: int) -> Pixels:
    """On white paper, every other one on black."""
    rng, ground = np.random.default_rng(seed), 255 * (seed % 2)
    rgb = np.full((360, 540, 3), ground, np.uint8)
    for left, top, width, height in PLACES:
        coarse = rng.integers(40, 210, (-(-height // 10), -(-width // 10), 3), np.uint8)
        rgb[top : top + height, left : left + width] = coarse.repeat(10, 0).repeat(10, 1)[:height, :width]
    return rgb


def recording_of(pages: Sequence[Pixels]) -> Hasher:
    """Two seconds of each."""
    found = Hasher()
    for number, rgb in enumerate(pages):
        for step in range(4):
            found.take_frame(VideoFrame(2_000 * number + 500 * step, rgb))
    found.end_video(2_000 * len(pages))
    assert len(found.shots) == len(pages)
    return found


def parts_by_time(found: Hasher) -> dict[int, list[Part]]:
    parts: dict[int, list[Part]] = {}
    for one in found.features:
        if part := Part.of(one.view):
            parts.setdefault(one.time_ms, []).append(part)
    return parts


def test_frame_with_many_pictures_then_the_largest_three_are_its_parts() -> None:
    (parts,) = parts_by_time(recording_of([page(1)])).values()
    lie = {min(PLACES, key=lambda place: abs(place[0] - part.left) + abs(place[1] - part.top)) for part in parts}
    assert len(parts) == MOST_PARTS_OF_A_FRAME
    assert lie == set(PLACES[:MOST_PARTS_OF_A_FRAME])


def test_recording_with_many_pages_then_parts_end_at_their_own_bound_and_take_no_frame_its_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = list[int]()

    def counted(*given: Any) -> dict[str, Box]:
        looked_at.append(1)
        return parts_of(*given)

    monkeypatch.setattr(hasher, "parts_of", counted)
    monkeypatch.setattr(hasher, "MOST_PARTS_OF_SHOTS", 4)
    # Two of each shot's frame, and one of each further frame that moved far: all of them, and no more.
    whole = [one for one in recording_of([page(seed) for seed in range(5)]).features if not Part.of(one.view)]
    monkeypatch.setattr(hasher, "MOST_FEATURE_SETS", len(whole))
    looked_at.clear()

    found = recording_of([page(seed) for seed in range(5)])

    shots = [shot.shown_ms for shot in found.shots]
    assert [len(parts) for parts in parts_by_time(found).values()] == [3, 1]
    assert sum(is_part(one.view) for one in found.prints) == 4
    assert len(looked_at) == 2, "after that none is looked for"
    assert {one.time_ms for one in found.features if one.view == IDENTITY} >= set(shots)


def test_recording_that_has_all_its_sets_then_no_more_points_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = list[int]()

    def counted(rgb: Pixels, time_ms: int) -> list[LocalFeatures]:
        looked_at.append(time_ms)
        return [LocalFeatures(VERSION, time_ms, b"", view) for view in ("identity", "mirror")]

    monkeypatch.setattr(hasher, "features_in_views", counted)
    monkeypatch.setattr(hasher, "MOST_FEATURE_SETS", 2)
    found = recording_of([page(seed) for seed in range(3)])
    assert looked_at == [found.shots[0].shown_ms]


def some_recording(rng: np.random.Generator, known: Sequence[bytes]) -> Prints:
    """Frames and parts, some of which are like what is known: turned, and up to 20 bits off."""

    def like(value: bytes) -> bytes:
        turned = in_symmetries(value)[str(rng.choice(list(SYMMETRIES)))]
        bits = np.unpackbits(np.frombuffer(turned, np.uint8))
        bits[rng.permutation(256)[: rng.integers(0, 21)]] ^= 1
        return np.packbits(bits).tobytes()

    def some() -> bytes:
        return like(known[int(rng.integers(len(known)))]) if rng.random() < 0.5 else rng.bytes(32)

    quality = [0, 40, 60, 100]
    frames = [
        Print(PDQ.version, 2_000 * number, IDENTITY, some(), int(rng.choice(quality)))
        for number in range(rng.integers(1, 40))
    ]
    parts = [
        Print(PDQ.version, 6_000 * number, f"part.{number}.2.300.200.400.identity", some(), int(rng.choice(quality)))
        for number in range(rng.integers(0, 12))
    ]
    return Prints(True, [*frames, *parts])


def timed(prints: Sequence[Print]) -> list[TimedHash]:
    return [TimedHash(one.time_ms, one.value, one.quality or 0, one.view) for one in prints]


def one_by_one(query: Prints, reference: Prints) -> list[Segment]:
    """Every part aligned with the other side, whether or not anything there is like it."""
    within: dict[str, Any] = {"radius_bits": RADIUS_BITS, "minimum_quality": PDQ.minimum_quality}
    segments: list[Segment] = []
    for part in (one for one in query.prints if is_part(one.view)):
        found = align(timed([replace(part, view=IDENTITY)]), timed(reference.of(PDQ)), **within)
        segments += [replace(each, query_view=area_of(part.view)) for each in found]
    for part in (one for one in reference.prints if is_part(one.view)):
        found = align(timed(query.of(PDQ)), timed([replace(part, view=IDENTITY)]), **within)
        segments += [replace(each, reference_view=area_of(part.view)) for each in found]
    return segments


def test_parts_of_any_recordings_when_sought_at_once_then_as_when_each_is_aligned_with_every_frame() -> None:
    spans = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        known = [rng.bytes(32) for _ in range(6)]
        query, reference = some_recording(rng, known), some_recording(rng, known)

        found = matching._explain_parts(PDQ, query, reference, RADIUS_BITS)

        expected = one_by_one(query, reference)
        assert (found.segments if found else []) == expected[:100], seed
        spans += len(expected)
    assert spans > 100, "what is compared says something"


@pytest.mark.parametrize("near", [0, 2])
def test_parts_when_few_or_none_are_near_a_frame_then_only_these_are_aligned(
    near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(7)
    frames = [Print(PDQ.version, 2_000 * number, IDENTITY, rng.bytes(32), 100) for number in range(300)]
    values = [in_symmetries(frame.value)["mirror"] for frame in frames[:near]] + [rng.bytes(32) for _ in range(50)]
    parts = [
        Print(PDQ.version, number, f"part.{number}.2.300.200.400.identity", value, 100)
        for number, value in enumerate(values)
    ]
    aligned = list[int]()

    def counted(*sides: Any, radius_bits: int) -> list[Segment]:
        aligned.append(1)
        return align_frames(*sides, radius_bits=radius_bits)

    monkeypatch.setattr(matching, "align_frames", counted)
    sides = Prints(True, parts), Prints(True, frames)
    found = [matching._explain_parts(PDQ, *each, RADIUS_BITS) for each in (sides, sides[::-1])]

    assert len(aligned) == 2 * near
    assert [one and len(one.segments) for one in found] == ([near] * 2 if near else [None] * 2)


def test_parts_of_many_frames_when_asked_for_by_points_then_so_many_evenly_and_all_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[FeatureQuery]()

    def candidates(_: Any, among: Any, sets: Sequence[FeatureQuery], *rest: Any, **also: Any) -> list[Candidate]:
        asked.extend(sets)
        return []

    monkeypatch.setattr(FEATURES, "candidates", candidates)
    monkeypatch.setattr(proposing, "FRAMES_BY_POINTS", 10)
    monkeypatch.setattr(proposing, "PARTS_BY_POINTS", 4)
    views = ["identity", "mirror", *(Part(place, 0, 200, 100, 400).view for place in range(3))]
    features = [LocalFeatures(VERSION, time_ms, b"points", view) for time_ms in range(20) for view in views]

    proposing._by_points(Session(), None, Prints(True, features=features), None, CATALOG)

    parts = [one.time_ms for one in asked if Part.of(one.view)]
    assert len(asked) - len(parts) == 2 * 10
    assert parts == [0, 4, 10, 14]


@pytest.mark.parametrize(("frames", "sets"), [(0, SETS_OF_A_PICTURE), (1, SETS_OF_A_PICTURE), (9, 9 * SETS_OF_A_FRAME)])
def test_blobs_at_once_then_the_points_of_all_parts_of_each_have_room(
    sessions: sessionmaker[Session], frames: int, sets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (name * 64 for name in "abc")
    blobs = Proposed({blob: [(0, time_ms) for time_ms in range(frames)] for blob in (first, second, third)})
    room = 2 * finding.SET_IN_PRINTS * sets

    with sessions() as session:
        monkeypatch.setattr(finding, "PRINTS_AT_ONCE", room)
        assert set(finding._at_once(session, blobs)[0]) == {first, second}
        monkeypatch.setattr(finding, "PRINTS_AT_ONCE", room - 1)
        assert set(finding._at_once(session, blobs)[0]) == {first}
