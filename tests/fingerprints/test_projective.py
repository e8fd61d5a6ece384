"""What a camera sees of a flat picture: fitted to places, and told from what no camera sees."""

import numpy as np
import pytest

from app.fingerprints.agreeing import _Laid, _of_wholes, _outline
from app.fingerprints.geometry import Geometry
from app.fingerprints.projective import fitted, inverse, is_seen, moved, turns
from app.fingerprints.views import Part

WIDTH, HEIGHT = 640.0, 480.0
FLAT = np.array([[0.5, -0.5, 100], [0.5, 0.5, 20], [0, 0, 1]])
PLACES = np.array([x + 1j * y for x in (0, 160, 400, WIDTH) for y in (0, 200, HEIGHT)])


def tilted(nearer: float) -> np.ndarray:
    """The right edge so many times as near as the left one."""
    return np.array([[1, 0, 0], [0, 1, 0], [(1 / nearer - 1) / WIDTH, 0, 1]])


@pytest.mark.parametrize("matrix", [FLAT, tilted(1.3), tilted(0.8)], ids=["turned", "from the left", "from the right"])
def test_transformation_when_it_is_fitted_to_places_then_puts_every_place_there(matrix: np.ndarray) -> None:
    found = fitted(PLACES, moved(matrix, PLACES), np.linspace(0.5, 1, len(PLACES)))
    assert found is not None
    np.testing.assert_allclose(moved(found, PLACES), moved(matrix, PLACES), atol=1e-6)
    np.testing.assert_allclose(moved(inverse(found), moved(found, PLACES)), PLACES, atol=1e-6)


def test_turns_when_one_edge_is_nearer_then_is_larger_there() -> None:
    left, right = np.abs(turns(tilted(1.3), np.array([0, WIDTH])))
    assert right > 1.3 * left
    np.testing.assert_allclose(turns(FLAT, PLACES), 0.5 + 0.5j)


@pytest.mark.parametrize(
    ("matrix", "is_so"),
    [
        (FLAT, True),
        (tilted(1.3), True),
        (tilted(1.6), False),
        (tilted(-2.0), False),
        (np.diag([1.0, 1.5, 1.0]), False),
        (np.diag([-1.0, 1.0, 1.0]), False),
        (np.diag([7.0, 7.0, 1.0]), False),
    ],
    ids=["turned", "from the side", "too near at one end", "behind", "too flat", "mirrored", "too large"],
)
def test_plane_when_no_camera_sees_it_so_then_is_told(matrix: np.ndarray, is_so: bool) -> None:
    assert is_seen(matrix, PLACES, PLACES) is is_so


def test_plane_when_the_rest_of_its_picture_lies_behind_the_camera_then_is_not_seen() -> None:
    matrix, far = tilted(1.3), np.append(PLACES, 4 * WIDTH)
    assert is_seen(matrix, PLACES, PLACES)
    assert not is_seen(matrix, PLACES, far)


@pytest.mark.parametrize(("left", "is_told"), [(536, False), (0, True)], ids=["behind the camera", "further away"])
def test_outline_when_the_picture_around_a_part_is_not_before_the_camera_then_is_none(left: int, is_told: bool) -> None:
    """An inset that was seen from the side is; its picture goes on beyond where the camera stands."""
    matrix = tilted(0.8)
    for one, places in ((matrix, PLACES), (inverse(matrix), moved(matrix, PLACES))):
        assert is_seen(one, places, places)
    there = moved(matrix, PLACES)
    pairs = np.stack([PLACES.real, PLACES.imag, there.real, there.imag], axis=1)
    found = _of_wholes(Geometry(len(PLACES), matrix, pairs), Part(left, 200, 104, 78, 640), None)
    outline = _outline(_Laid(found), (640, 480), (640, 480))
    assert (outline is not None) is is_told
