"""One picture laid upon another by local features: what edits do is found, what is another picture is not."""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.fingerprints import geometry, point_pairs
from app.fingerprints.algorithms.local_features import Points, unpack_points
from app.fingerprints.algorithms.orb import local_features
from app.fingerprints.geometry import find_geometry
from app.fingerprints.point_pairs import Pairs
from app.fingerprints.projective import inverse, moved
from tests.media_samples import ASSETS, PHOTOGRAPHS, upright
from tests.support.examples import examples

FIRM_INLIERS, LIKELY_INLIERS = 12, 8
TEMPLE, TABLE = ASSETS / "temple.jpg", ASSETS / "table.jpg"


def small(path: Path) -> Image.Image:
    """At most 640 pixels: places in it are those of its points."""
    return _small(path).copy()


@cache
def _small(path: Path) -> Image.Image:
    picture = upright(path).copy()
    picture.thumbnail((640, 640), Image.Resampling.BOX)
    return picture


def points_of(picture: Image.Image) -> Points:
    return unpack_points(local_features(picture).points)


@cache
def points_of_photograph(path: Path) -> Points:
    return points_of(small(path))


def some_of(points: Points, count: int, seed: int = 0) -> Points:
    chosen = np.random.default_rng(seed).permutation(len(points.xy))[:count]
    return Points(points.xy[chosen], points.scales[chosen], points.angles[chosen], points.descriptors[chosen])


def inset(picture: Image.Image, behind: Image.Image) -> Image.Image:
    """40 % of the sides, in the lower right corner."""
    edited, size = behind.copy(), (int(behind.width * 0.4), int(behind.height * 0.4))
    shown = picture.copy()
    shown.thumbnail(size)
    edited.paste(shown, (behind.width - shown.width, behind.height - shown.height))
    return edited


def middle_half(picture: Image.Image) -> Image.Image:
    """Half of the area."""
    width, height = picture.size
    return picture.crop((int(width * 0.15), int(height * 0.15), int(width * 0.86), int(height * 0.86)))


EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], tuple[tuple[float, float], tuple[float, float]]]] = {
    "turned a quarter": (lambda p: p.transpose(Image.Transpose.ROTATE_90), ((0, -1), (1, 0))),
    "half its size": (lambda p: p.resize((p.width // 2, p.height // 2), Image.Resampling.BOX), ((2, 0), (0, 2))),
    "stretched": (lambda p: p.resize((p.width, int(p.height * 0.8))), ((1, 0), (0, 1.25))),
    "half of it": (middle_half, ((1, 0), (0, 1))),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("photograph", [TEMPLE, TABLE], ids=lambda path: path.stem)
def test_geometry_when_a_picture_was_edited_then_says_how(edit: str, photograph: Path) -> None:
    make, expected = EDITS[edit]
    found = find_geometry(points_of(make(small(photograph))), points_of_photograph(photograph))
    assert found is not None
    assert found.inliers >= FIRM_INLIERS
    np.testing.assert_allclose(found.matrix[:2, :2], expected, atol=0.06)
    np.testing.assert_array_equal(found.matrix[2], (0, 0, 1), "no perspective where there is none")


SEEN_FROM_THE_SIDE = np.array([[0.7, 0.03, 20], [-0.02, 0.74, 20], [-0.00035, 0.00015, 1]])
"""What a camera does that stands to the left of a screen: its right edge is 1.3 times as near as its left one."""


def seen_from_the_side(picture: Image.Image) -> Image.Image:
    back = inverse(SEEN_FROM_THE_SIDE).ravel()[:8].tolist()
    return picture.transform((640, 480), Image.Transform.PERSPECTIVE, back, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("photograph", [TEMPLE, TABLE], ids=lambda path: path.stem)
def test_geometry_when_a_camera_saw_the_picture_from_the_side_then_its_corners_lie_where_it_saw_them(
    photograph: Path,
) -> None:
    picture = small(photograph)
    seen = seen_from_the_side(picture)
    corners = np.array([0, picture.width, picture.width + 1j * picture.height, 1j * picture.height])
    for swapped in (False, True):
        sides = points_of_photograph(photograph), points_of(seen)
        found = find_geometry(*(sides[::-1] if swapped else sides))
        assert found is not None
        assert found.inliers >= 3 * FIRM_INLIERS
        there = moved(inverse(found.matrix) if swapped else found.matrix, corners)
        off = np.abs(there - moved(SEEN_FROM_THE_SIDE, corners)).max()
        assert off < 12, "an affine transformation puts one of them 88 pixels elsewhere"


def test_geometry_when_a_picture_lies_in_a_corner_of_another_then_both_are_found() -> None:
    edited = points_of(inset(small(TABLE), small(TEMPLE)))
    for photograph, fewest in ((TABLE, LIKELY_INLIERS), (TEMPLE, FIRM_INLIERS)):
        found = find_geometry(edited, points_of_photograph(photograph))
        assert found is not None
        assert found.inliers >= fewest


def test_pairs_when_found_then_the_matrix_leads_from_one_place_to_the_other() -> None:
    found = find_geometry(points_of(middle_half(small(TEMPLE))), points_of_photograph(TEMPLE))
    assert found is not None
    assert found.pairs.shape == (found.inliers, 4)
    off = np.abs(moved(found.matrix, found.pairs[:, :2] @ [1, 1j]) - found.pairs[:, 2:] @ [1, 1j])
    assert off.max() < 20
    assert np.median(off) < 2
    assert len(np.unique(found.pairs[:, :2], axis=0)) == found.inliers


@pytest.mark.parametrize(("one", "other"), [*combinations(PHOTOGRAPHS, 2)], ids=lambda path: path.stem)
def test_geometry_when_two_photographs_have_nothing_in_common_then_is_none_or_weak(one: Path, other: Path) -> None:
    found = find_geometry(points_of_photograph(one), points_of_photograph(other))
    assert found is None or found.inliers < LIKELY_INLIERS


@cache
def like_by_chance(count: int, off: float, bits: int) -> tuple[Points, Points]:
    """Two sides of so many points that lie alike, each so far off in both directions, and so many bits unlike."""
    chance = np.random.default_rng(7)
    xy = np.stack(np.meshgrid(np.arange(60, 640, 120), np.arange(60, 640, 120)), axis=-1).reshape(-1, 2)[:count]
    words = chance.integers(0, 256, (count, 32), dtype=np.uint8)
    unlike = np.zeros((count, 256), np.uint8)
    for row in unlike:
        row[chance.permutation(256)[:bits]] = 1
    moved = xy + off * chance.choice([-1.0, 1.0], xy.shape)
    ones, zeros = np.ones(count, np.float32), np.zeros(count, np.float32)
    query = Points(xy.astype(np.float32), ones, zeros, words)
    return query, Points(moved.astype(np.float32), ones, zeros, words ^ np.packbits(unlike, axis=1))


@pytest.mark.parametrize(("off", "bits"), [(0.0, 60), (0.5, 60), (1.0, 30)], ids=["exact", "nearly", "much alike"])
def test_geometry_when_few_points_lie_exactly_or_are_much_alike_then_they_are_believed(off: float, bits: int) -> None:
    found = find_geometry(*like_by_chance(15, off, bits))
    assert found is not None
    assert found.inliers == 15


def test_geometry_when_few_points_lie_loosely_and_are_hardly_alike_then_is_none_as_by_chance() -> None:
    assert find_geometry(*like_by_chance(15, 1.8, 60)) is None


def test_geometry_when_many_points_lie_loosely_then_they_are_believed() -> None:
    found = find_geometry(*like_by_chance(25, 1.8, 60))
    assert found is not None
    assert found.inliers >= FIRM_INLIERS


def captioned(picture: Image.Image, words: str) -> Image.Image:
    edited = picture.copy()
    draw = ImageDraw.Draw(edited)
    draw.rectangle((0, picture.height * 0.8, picture.width, picture.height), fill=(250, 250, 250))
    draw.text((10, picture.height * 0.82), words, fill=(0, 0, 0), font=ImageFont.load_default(picture.height * 0.12))
    return edited


def on_a_screen(picture: Image.Image) -> Image.Image:
    """In an application with the same controls and words above and below whatever it shows."""
    screen = Image.new("RGB", (540, 1110), (250, 250, 250))
    draw = ImageDraw.Draw(screen)
    screen.paste(ImageOps.contain(picture, (540, 650)), (0, 220))
    for place, words in ((15, "21:47"), (90, "channel_24"), (165, "see what happened"), (680, "1,204 likes")):
        draw.text((30, place), words, fill=(60, 60, 60), font=ImageFont.load_default(24))
    for place in range(4):
        draw.rounded_rectangle((30 + place * 130, 630, 90 + place * 130, 670), 15, outline=(60, 60, 60), width=3)
    return screen


SAME_ADDITIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "caption": lambda picture: captioned(picture, "BREAKING: seen today"),
    "application": on_a_screen,
}


@pytest.mark.thorough
@pytest.mark.parametrize("addition", SAME_ADDITIONS)
def test_geometry_when_two_photographs_bear_the_same_addition_then_they_are_not_one_picture(addition: str) -> None:
    made = [points_of(SAME_ADDITIONS[addition](small(path))) for path in PHOTOGRAPHS]
    for one, other in combinations(made, 2):
        found = find_geometry(one, other)
        assert found is None or found.inliers < FIRM_INLIERS


def words_of(random: Random, count: int) -> str:
    return " ".join("".join(random.choices("aeioubdfghklmnprstvwxyz", k=random.randint(3, 9))) for _ in range(count))


def filled_in(person: int) -> Image.Image:
    """A form of one kind: its printed words are the same, what was filled in is another's."""
    form, random = Image.new("RGB", (640, 420), (225, 232, 240)), Random(person)
    draw, small_letters, large = ImageDraw.Draw(form), ImageFont.load_default(15), ImageFont.load_default(19)
    draw.rectangle((0, 0, 640, 50), fill=(20, 60, 120))
    draw.text((20, 12), "REPUBLIC OF EXAMPLE   IDENTITY CARD", fill="white", font=large)
    face = np.random.default_rng(person).integers(0, 255, (12, 9, 3), np.uint8)
    form.paste(Image.fromarray(face).resize((170, 230), Image.Resampling.BICUBIC), (25, 85))
    for row, label in enumerate(("Surname", "Given names", "Nationality", "Place of birth", "Number", "Expiry")):
        draw.text((230, 75 + row * 54), label, fill=(90, 90, 90), font=small_letters)
        draw.text((230, 95 + row * 54), words_of(random, 3).title(), fill="black", font=large)
    return form


def lettered(person: int) -> Image.Image:
    """Three lines of white letters on black."""
    caption, random = Image.new("RGB", (640, 360)), Random(person)
    for row in range(3):
        text = words_of(random, 5)
        ImageDraw.Draw(caption).text((40, 110 + row * 44), text, fill="white", font=ImageFont.load_default(28))
    return caption


@pytest.mark.thorough
@pytest.mark.parametrize("made", [filled_in, lettered])
def test_geometry_when_letters_are_alike_and_words_are_others_then_is_weak(
    made: Callable[[int], Image.Image],
) -> None:
    points = [points_of(made(person)) for person in range(5)]
    found = [find_geometry(one, other) for one, other in combinations(points, 2)]
    assert [one.inliers for one in found if one is not None and one.inliers >= FIRM_INLIERS] == []
    again = points_of(made(0).resize((512, 336), Image.Resampling.LANCZOS))
    same = find_geometry(again, points[0])
    assert same is not None
    assert same.inliers >= FIRM_INLIERS


@given(st.integers(0, 2**32), st.integers(0, 500), st.integers(0, 500))
@settings(max_examples=examples(15))
def test_geometry_when_points_are_random_then_is_none(seed: int, some: int, others: int) -> None:
    sides = iter(range(2))

    def random(count: int) -> Points:
        chance = np.random.default_rng([seed, count, next(sides)])
        return Points(
            chance.integers(0, 640, (count, 2)).astype(np.float32),
            (1.2 ** chance.integers(0, 8, count)).astype(np.float32),
            chance.uniform(0, 360, count).astype(np.float32),
            chance.integers(0, 256, (count, 32), dtype=np.uint8),
        )

    assert find_geometry(random(some), random(others)) is None


AS_IT_IS_AND_MIRRORED: list[Callable[[Path], Points]] = [
    points_of_photograph,
    lambda path: points_of(ImageOps.mirror(small(path))),
]


@pytest.mark.parametrize("edit", ["turned by half", *EDITS])
def test_geometry_when_no_pair_is_left_out_by_whole_steps_then_says_the_same(
    edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns and scales in whole steps are there for speed: what they leave out would never have counted."""
    make = EDITS[edit][0] if edit in EDITS else (lambda p: p.transpose(Image.Transpose.ROTATE_180))
    edited = points_of(make(small(TEMPLE)))
    others = [points for path in (TEMPLE, TABLE) for points in (take(path) for take in AS_IT_IS_AND_MIRRORED)]
    found = [find_geometry(edited, other) for other in others]
    monkeypatch.setattr(point_pairs, "_is_within", lambda apart, _: np.ones(apart.shape, bool))
    for one, slow in zip(found, (find_geometry(edited, other) for other in others), strict=True):
        assert (one is None) == (slow is None)
        if one is not None and slow is not None:
            np.testing.assert_array_equal(one.matrix, slow.matrix)
            np.testing.assert_array_equal(one.pairs, slow.pairs)
    assert found[0] is not None


def test_geometry_when_places_are_fitted_on_although_they_stay_the_same_then_says_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is fitted by the same places as before need not be fitted again."""
    edited = [points_of(make(small(TEMPLE))) for make, _ in list(EDITS.values())[:4]]
    others = [take(path) for path in (TEMPLE, TABLE) for take in AS_IT_IS_AND_MIRRORED]
    pairs = [(one, other) for one in edited for other in others]
    fitted, fit = list[int](), geometry._fitted

    def noted(pairs: Pairs) -> Any:
        fitted.append(len(pairs))
        return fit(pairs)

    monkeypatch.setattr(geometry, "_fitted", noted)
    monkeypatch.setattr(geometry, "_tilted", lambda _, matrix, inliers: (matrix, inliers))
    found = [find_geometry(*pair) for pair in pairs]
    times = len(fitted)
    monkeypatch.setattr(geometry, "_is_same", lambda some, others: False)
    on_and_on = [find_geometry(*pair) for pair in pairs]

    assert any(found)
    assert len(fitted) - times > times
    for one, other in zip(found, on_and_on, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_array_equal(one.matrix, other.matrix)
            np.testing.assert_array_equal(one.pairs, other.pairs)


@pytest.mark.thorough
@given(st.sampled_from(sorted(EDITS)), st.integers(20, 500), st.integers(0, 9))
@settings(max_examples=examples(15))
def test_geometry_when_the_sides_are_swapped_then_is_the_inverse(edit: str, count: int, seed: int) -> None:
    query = some_of(points_of_edit(edit), count, seed)
    reference = points_of_photograph(TEMPLE)
    there, back = find_geometry(query, reference), find_geometry(reference, query)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there.inliers == back.inliers
        np.testing.assert_array_equal(there.pairs, back.pairs[:, [2, 3, 0, 1]])
        both = there.matrix @ back.matrix
        np.testing.assert_allclose(both / both[2, 2], np.eye(3), atol=1e-6)


@cache
def points_of_edit(edit: str) -> Points:
    return points_of(EDITS[edit][0](small(TEMPLE)))
