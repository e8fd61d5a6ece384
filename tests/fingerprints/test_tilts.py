"""When a perspective is taken instead of an affine transformation: where clearly more lies alike so, and where a camera
could have stood, of everything that either picture shows."""

import numpy as np
import pytest

from app.fingerprints.algorithms.local_features import Points
from app.fingerprints.geometry import TILT_FROM, TILT_LEAVES, Geometry, find_geometry
from app.fingerprints.projective import fitted, inverse, moved, turns

WIDTH, HEIGHT = 640.0, 480.0
ROWS, COLUMNS = 9, 12
FLAT = np.eye(3)
MILD = 1.04
BEHIND = 17_500.0
"""So far to the right a plane whose right edge is so much nearer than its left one lies behind the camera."""


def tilted(nearer: float) -> np.ndarray:
    """The right edge so many times as near as the left one."""
    return np.array([[1, 0, 0], [0, 1, 0], [(1 / nearer - 1) / WIDTH, 0, 1]])


def places() -> np.ndarray:
    chance = np.random.default_rng(11)
    x, y = np.meshgrid(np.linspace(20, WIDTH - 20, COLUMNS), np.linspace(20, HEIGHT - 20, ROWS))
    return (x + 1j * y).ravel() + chance.uniform(-8, 8, x.size) + 1j * chance.uniform(-8, 8, x.size)


def off_by(pixels: float, seed: int) -> np.ndarray:
    """Each place somewhere else, so far off on average."""
    return np.random.default_rng(seed).normal(0, pixels / np.sqrt(2), (ROWS * COLUMNS, 2)) @ [1, 1j]


def side(here: np.ndarray, turned: np.ndarray, more: np.ndarray, seed: int) -> Points:
    """A picture's points; ``more``: places of points that the other picture does not have."""
    words = np.random.default_rng(1).integers(0, 256, (len(here), 32), dtype=np.uint8)
    others = np.random.default_rng(seed).integers(0, 256, (len(more), 32), dtype=np.uint8)
    every = np.concatenate([here, more])
    turn = np.concatenate([turned, np.ones(len(more))])
    xy = np.stack([every.real, every.imag], axis=1).astype(np.float32)
    scales, angles = np.abs(turn).astype(np.float32), np.rad2deg(np.angle(turn)).astype(np.float32)
    return Points(xy, scales, angles, np.concatenate([words, others]))


NONE = np.zeros(0, complex)


def found(
    matrix: np.ndarray, off: np.ndarray | float = 0.0, more: np.ndarray = NONE, more_there: np.ndarray = NONE
) -> Geometry:
    here = places()
    query = side(here, np.ones(len(here)), more, 2)
    geometry = find_geometry(query, side(moved(matrix, here) + off, turns(matrix, here), more_there, 3))
    assert geometry is not None
    assert geometry.inliers >= 0.7 * len(here)
    return geometry


def is_tilted(geometry: Geometry) -> bool:
    return bool(np.abs(geometry.matrix[2, :2]).max() > 0)


def off_squared(matrix: np.ndarray, there: np.ndarray) -> float:
    """The mean square of how far places lie from where a matrix puts them, in their exactness: 1 on either side."""
    return float(np.mean(np.abs(moved(matrix, places()) - there) ** 2) / 2)


def affine(there: np.ndarray) -> np.ndarray:
    rows = np.stack([places().real, places().imag, np.ones(ROWS * COLUMNS)], axis=1)
    solved = np.linalg.lstsq(rows, np.stack([there.real, there.imag], axis=1), rcond=None)[0]
    return np.vstack([solved.T, (0, 0, 1)])


def test_plane_when_it_was_seen_from_the_side_then_lies_by_its_perspective() -> None:
    geometry = found(tilted(1.1))
    np.testing.assert_allclose(moved(geometry.matrix, places()), moved(tilted(1.1), places()), atol=0.5)
    assert is_tilted(geometry)


def test_plane_when_it_lies_nearly_where_an_affine_transformation_says_then_no_perspective_is_sought() -> None:
    there = moved(tilted(1.015), places())
    assert 0.05 < off_squared(affine(there), there) < TILT_FROM, "and by its perspective all of that is gone"
    assert not is_tilted(found(tilted(1.015)))


@pytest.mark.parametrize("seed", [0, 6])
def test_plane_when_a_perspective_explains_hardly_more_then_is_flat(seed: int) -> None:
    """By the second one, some more lies alike."""
    off = off_by(2.2, seed)
    there = places() + off
    perspective = fitted(places(), there, np.ones(len(there)))
    assert perspective is not None
    flat, by_perspective = off_squared(affine(there), there), off_squared(perspective, there)
    assert flat > TILT_FROM
    assert TILT_LEAVES * flat < by_perspective < flat
    assert not is_tilted(found(FLAT, off))


@pytest.mark.parametrize("is_larger", [True, False], ids=["with more points", "with fewer points"])
@pytest.mark.parametrize("is_swapped", [False, True], ids=["query", "reference"])
def test_plane_when_what_its_picture_shows_besides_lies_behind_the_camera_then_is_flat(
    is_swapped: bool, is_larger: bool
) -> None:
    """Asked of either picture: the sides are put in an order by the number of their points."""
    behind = BEHIND + 1j * np.linspace(0, HEIGHT, 3)
    inside = places()[: 1 if is_larger else 5] + 20 + 20j
    for beside, is_so in ((behind, False), (behind - BEHIND, True)):
        sides = {"more": inside, "more_there": beside} if is_swapped else {"more": beside, "more_there": inside}
        assert is_tilted(found(inverse(tilted(MILD)) if is_swapped else tilted(MILD), **sides)) is is_so
